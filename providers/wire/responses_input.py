"""The conversation of a Responses request: items in, messages out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec.structs import replace

from providers import coerce
from providers.accumulate import parse_arguments
from providers.envelope import unpacked
from providers.errors import ProviderError
from providers.lenient_json import as_json
from providers.types import Message, Part, TextPart, ThinkingPart, ToolCall
from providers.wire.reading import (
    BadRequest,
    Body,
    mapping,
    missing,
    objects,
    read_each,
    required_text,
    text,
    unsupported,
)
from providers.wire.responses_tools import ClientTool, Kind, joined_name
from providers.wire.writing import encode

# What the ids of reasoning begin with that a stream told before its maker's id was known: nobody is to see them again.
OWN_REASONING = "rs_sb"
# What ends a seal of Anthropic's, which stands where Responses have theirs; no base64 has it.
SIGNATURE, REDACTED = "~signature", "~redacted_thinking"


class _Conversation:
    """Items in, messages out: what one answer of the model was in several items is one message again."""

    def __init__(self, names: Mapping[ClientTool, str]) -> None:
        self._names = names
        self._call_ids: dict[str, str] = {}  # of shell calls, by the ids of their items
        self.messages: list[Message] = []

    def take(self, item: dict[str, Any]) -> None:
        kind = text(item, "type") or ("message" if "role" in item else "item_reference" if "id" in item else None)
        if kind is None:
            raise missing("type")
        if kind == "message":
            self._message(item)
        elif kind == "agent_message":
            self.messages.append(_of_an_agent(item))
        elif kind == "reasoning":
            self._think(_thought(item))
        elif kind in _CALLS:
            call = _CALLS[kind](item, self._name)
            self._call_ids[text(item, "id") or call.id] = call.id
            turn = self._turn()
            self.messages[-1] = replace(turn, tool_calls=(*turn.tool_calls, call))
        elif kind in _OUTPUTS:
            self.messages.append(Message("tool", _content(item, "output"), tool_call_id=self._answered(item, kind)))
        elif kind == "item_reference":
            raise unsupported("nothing is stored here; send the item itself", "type")
        # All others are traces of what the vendor's own tools did, which mean nothing elsewhere.

    def _message(self, item: Body) -> None:
        role = item.get("role")
        if role not in ("user", "assistant", "system", "developer"):
            raise BadRequest("role: 'user', 'assistant', 'system' or 'developer' is expected", "role")
        content = _content(item, "content")
        last = self.messages[-1] if self.messages else None
        if role != "assistant" or last is None or last.role != "assistant" or (last.content and not last.tool_calls):
            self.messages.append(Message(role, content))
        elif not last.content:
            self.messages[-1] = replace(last, content=content)
        else:
            self.messages[-1] = replace(last, content=last.text + Message(role, content).text)

    def _turn(self) -> Message:
        """The assistant's turn under way, which is the last message from now on."""
        if not self.messages or self.messages[-1].role != "assistant":
            self.messages.append(Message("assistant", ""))
        return self.messages[-1]

    def _think(self, part: ThinkingPart) -> None:
        turn = self._turn()
        placed = replace(part, after=(len(turn.text), len(turn.tool_calls)))
        self.messages[-1] = replace(turn, thinking=(*turn.thinking, placed))

    def _answered(self, item: Body, kind: str) -> str:
        """The id of the call whose result an item is; OpenAI names a shell's by the `id` alone."""
        if kind == "local_shell_call_output" and item.get("call_id") is None:
            told = required_text(item, "id")
            return self._call_ids.get(told, told)
        return required_text(item, "call_id")

    def _name(self, item: Body, kind: Kind) -> str:
        """The name under which models see the tool of a call."""
        name = "local_shell" if kind == "local_shell" else required_text(item, "name")
        namespace = text(item, "namespace")
        return self._names.get(ClientTool(kind, name, namespace)) or joined_name(name, namespace)


def read_input(body: Body, names: Mapping[ClientTool, str]) -> tuple[Message, ...]:
    """The messages of a request, its instructions first.

    Args:
        names: those under which models see the client's tools.
    """
    given = body.get("input")
    conversation = _Conversation(names)
    instructions = text(body, "instructions")
    if instructions:
        conversation.messages.append(Message("system", instructions))
    if isinstance(given, str) and given:
        conversation.messages.append(Message("user", given))
    elif given:
        read_each(body, "input", conversation.take)
    else:
        raise missing("input")
    return tuple(conversation.messages)


def _content(item: Body, name: str) -> str | tuple[Part, ...]:
    try:
        return coerce.coerce_messages([{"role": "user", "content": item.get(name)}])[0].content
    except ProviderError as error:
        message = name + error.message.removeprefix("messages[0].content")
        raise BadRequest(message, message.partition(":")[0], code=error.code) from None


def _of_an_agent(item: Body) -> Message:
    """What one agent of Codex says to another; it may be encrypted, for OpenAI's models alone."""
    said = [part for part in objects(item, "content") if part.get("type") != "encrypted_content"]
    content = _content({"content": said}, "content")
    parts = (TextPart(content),) if isinstance(content, str) else content
    return Message("user", (TextPart(f"Message from agent {text(item, 'author') or ''}:"), *parts))


def _thought(item: dict[str, Any]) -> ThinkingPart:
    """Reasoning; what is sealed goes back as it came."""
    said = "".join(
        read for name in ("summary", "content") for read in read_each(item, name, lambda part: text(part, "text") or "")
    )
    seal = text(item, "encrypted_content")
    if not seal:
        return ThinkingPart(said)
    if seal.endswith(SIGNATURE):
        return ThinkingPart(said, signature=seal.removesuffix(SIGNATURE))
    if seal.endswith(REDACTED):
        return ThinkingPart(said, opaque={"type": "redacted_thinking", "data": seal.removesuffix(REDACTED)})
    others = unpacked(seal)
    if others is not None:
        return ThinkingPart(said, opaque=others)
    is_own = (text(item, "id") or "").startswith(OWN_REASONING)
    return ThinkingPart(said, opaque={key: item[key] for key in item if key != "id"} if is_own else item)


_Name: TypeAlias = Callable[[Body, Kind], str]


def _function_call(item: Body, name: _Name) -> ToolCall:
    given = item.get("arguments")
    raw = as_json(given) if isinstance(given, dict) else text(item, "arguments") or ""  # some clients have read them
    return ToolCall(required_text(item, "call_id"), name(item, "function"), parse_arguments(raw), raw)


def _custom_call(item: Body, name: _Name) -> ToolCall:
    return _made_call(item, name(item, "custom"), {"input": text(item, "input") or ""})


def _shell_call(item: Body, name: _Name) -> ToolCall:
    action = mapping(item, "action")
    return _made_call(
        item, name(item, "local_shell"), {key: value for key, value in action.items() if value and key != "type"}
    )


def _made_call(item: Body, name: str, arguments: dict[str, Any]) -> ToolCall:
    return ToolCall(required_text(item, "call_id"), name, arguments, encode(arguments).decode())


_CALLS: dict[str, Callable[[Body, _Name], ToolCall]] = {
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "local_shell_call": _shell_call,
}
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output", "local_shell_call_output"})
