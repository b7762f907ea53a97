"""Lenient readers of the pieces that plain and streamed chat answers share.

Servers send null, strings, lists and objects where the protocol says otherwise: each reader takes what it
can use and leaves the rest out. None raises.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.lenient_json import as_count, as_dict, as_list, as_str, synthetic_id
from providers.types import FinishReason, ToolCallDelta, Usage

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "sensitive": "content_filter",
    "error": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
}


def finish_reason(raw: str | None, *, has_calls: bool, refused: bool = False) -> FinishReason:
    """The unified reason. A clean end without one is told by what was seen; Gemini and vLLM say `stop` after calls."""
    reason = _FINISH.get(raw.lower(), "unknown") if raw else "stop"
    if reason == "stop":
        return "content_filter" if refused else "tool_calls" if has_calls else "stop"
    return reason


def text_and_thinking(message: dict[str, Any]) -> tuple[str, str]:
    """What is said and what is thought, of a message or a delta."""
    content = message.get("content")
    thinking = as_str(message.get("reasoning_content")) or as_str(message.get("reasoning")) or ""
    if isinstance(content, str):
        return content, thinking
    if not isinstance(content, list):
        return "", thinking
    text = ""
    for part in content:  # Mistral's thinking models, and some gateways
        if isinstance(part, str):
            text += part
        elif isinstance(part, dict):
            text += as_str(part.get("text")) or ""
            thought = part.get("thinking")
            thinking += thought if isinstance(thought, str) else _joined(thought)
    return text, thinking


def _joined(parts: object) -> str:
    return "".join(as_str(as_dict(part).get("text")) or "" for part in as_list(parts))


def arguments_text(value: object) -> str:
    """A call's arguments as JSON text; Mistral and some local servers send an object."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else ""


def read_usage(raw: object) -> Usage | None:
    """The token counts, None when there are none."""
    if not isinstance(raw, dict):
        return None
    prompt = as_dict(raw.get("prompt_tokens_details"))
    output = as_count(raw.get("completion_tokens"))
    reasoning = as_count(as_dict(raw.get("completion_tokens_details")).get("reasoning_tokens"))
    if reasoning is None:
        reasoning = as_count(raw.get("reasoning_tokens"))
    given = as_count(raw.get("prompt_tokens"))
    if given is not None and output is not None and reasoning and raw.get("total_tokens") == given + output + reasoning:
        output += reasoning  # xAI counts reasoning beside the output, all others inside: the total tells which
    cached = as_count(prompt.get("cached_tokens"))
    if cached is None:
        cached = as_count(raw.get("prompt_cache_hit_tokens"))  # DeepSeek
    if given is None and output is None:
        return None
    return Usage(given, output, cached, as_count(prompt.get("cache_write_tokens")), reasoning)


class _Slot:
    """One tool call that is being put together."""

    __slots__ = ("args", "extra", "id", "name", "sent_id")

    def __init__(self) -> None:
        self.id: str | None = None  # the vendor's own
        self.sent_id = ""
        self.name = ""
        self.args: list[str] = []
        self.extra: dict[str, Any] = {}  # Gemini's signature

    @property
    def complete(self) -> bool:
        text = "".join(self.args)
        if not text.endswith("}"):
            return False
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        return True


class ToolCallAssembler:
    """Fragments of tool calls, put into slots.

    `index` alone cannot be trusted: Gemini leaves it out, and some servers say 0 for every call.
    """

    __slots__ = ("_beside", "_by_index", "slots")

    def __init__(self) -> None:
        self.slots: list[_Slot] = []
        self._by_index: dict[int, int] = {}
        self._beside: dict[str, Any] = {}

    def add(self, entry: object) -> ToolCallDelta | None:
        """Take one entry of `delta.tool_calls`; None when it brought nothing."""
        if not isinstance(entry, dict):
            return None
        function = as_dict(entry.get("function"))
        call_id = as_str(entry.get("id"))
        if call_id == "null":  # Mistral
            call_id = None
        name = as_str(function.get("name"))
        arguments = arguments_text(function.get("arguments"))
        if call_id is None and name is None and not arguments:
            self._sign(entry)
            return None
        position = self._position(entry.get("index"), call_id, name)
        slot = self.slots[position]
        slot.extra.update(as_dict(entry.get("extra_content")))
        new_id = new_name = None
        if call_id is not None and slot.id is None:
            slot.id = call_id
        if not slot.sent_id:
            new_id = slot.sent_id = call_id or synthetic_id(position, name or "")
        if name is not None and not slot.name:
            new_name = slot.name = name
        if arguments:
            slot.args.append(arguments)
        if new_id is None and new_name is None and not arguments:
            return None
        return ToolCallDelta(position, new_id, new_name, arguments)

    def _sign(self, entry: dict[str, Any]) -> None:
        """A signature that comes alone belongs to the call of that index, else to the newest."""
        extra = as_dict(entry.get("extra_content"))
        if not self.slots:
            self.sign_beside(extra)
        elif extra:
            index = entry.get("index")
            position = self._by_index.get(index, -1) if type(index) is int else -1
            self.slots[position].extra.update(extra)

    def sign_beside(self, extra: dict[str, Any]) -> None:
        """A signature that came on the message, or before all calls: it is the first call's where that has none."""
        if as_dict(extra.get("google")).get("thought_signature"):
            self._beside = extra

    def signatures(self) -> dict[str, Any]:
        """What vendors put on the calls, by the calls' ids, as one entry to be kept."""
        found = {slot.sent_id: slot.extra for slot in self.slots if slot.extra}
        if not found and self._beside and self.slots:
            found = {self.slots[0].sent_id: self._beside}
        return {"extra_content": found} if found else {}

    def _position(self, index: object, call_id: str | None, name: str | None) -> int:
        if type(index) is int:
            position = self._by_index.get(index)
            if position is None or self._is_new(self.slots[position], call_id, name):
                position = self._by_index[index] = self._open()
            return position
        for position, slot in enumerate(self.slots):
            if call_id is not None and slot.id == call_id:
                return position
        if call_id is not None or name is not None or not self.slots:
            return self._open()
        return len(self.slots) - 1

    @staticmethod
    def _is_new(slot: _Slot, call_id: str | None, name: str | None) -> bool:
        if call_id is not None and slot.id is not None:
            return call_id != slot.id
        return name is not None and slot.complete

    def _open(self) -> int:
        self.slots.append(_Slot())
        return len(self.slots) - 1
