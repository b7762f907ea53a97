"""Anthropic's Messages protocol, answers and streams in. No input or output happens here.

Protocol: Anthropic's Messages API reference and its page on streaming; unknown blocks, events and deltas are
skipped, as the vendor asks.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.accumulate import parse_arguments
from providers.classify import classify_payload, error_in
from providers.errors import ErrorCode, ProviderError
from providers.events import read_event
from providers.lenient_json import as_count, as_dict, as_list, as_str, synthetic_id
from providers.transport.lines import SSEEvent
from providers.types import (
    CompletionResponse,
    FinishReason,
    StreamChunk,
    ThinkingPart,
    ToolCall,
    ToolCallDelta,
    Usage,
)

_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_TOOL_BLOCKS = frozenset({"tool_use"})


def finish_reason(raw: str | None) -> FinishReason:
    return _FINISH.get(raw, "unknown") if raw else "unknown"


def read_usage(raw: dict[str, Any]) -> Usage:
    """The counts. The vendor's `input_tokens` leaves cached tokens out, ours holds all."""
    given = as_count(raw.get("input_tokens"))
    written = as_count(raw.get("cache_creation_input_tokens"))
    read = as_count(raw.get("cache_read_input_tokens"))
    return Usage(
        input_tokens=None if given is None else given + (written or 0) + (read or 0),
        output_tokens=as_count(raw.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=as_count(as_dict(raw.get("output_tokens_details")).get("thinking_tokens")),
    )


def decode(body: Any, *, provider: str, model: str, request_id: str | None) -> CompletionResponse:
    """A plain answer.

    Raises:
        ProviderError: the error that the body carries, or PROTOCOL_ERROR when it is no message.
    """
    if error_in(body):
        raise classify_payload(body, provider=provider, model=model)
    if not isinstance(body, dict) or not isinstance(body.get("content"), list):
        raise ProviderError(
            ErrorCode.PROTOCOL_ERROR,
            "the answer has no content, so it is no message",
            provider=provider,
            model=model,
            request_id=request_id,
        )
    answer = _Answer(f"{provider}/{model}")
    for index, block in enumerate(as_list(body["content"])):
        answer.open(index, as_dict(block))
    raw_finish = as_str(body.get("stop_reason"))
    return CompletionResponse(
        text=answer.text,
        thinking=answer.thinking(),
        tool_calls=answer.tool_calls(),
        finish_reason=finish_reason(raw_finish),
        raw_finish_reason=raw_finish,
        usage=read_usage(as_dict(body.get("usage"))),
        model=as_str(body.get("model")) or model,
        provider=provider,
        id=as_str(body.get("id")),
        request_id=request_id or as_str(body.get("request_id")),
        raw=body,
    )


class _Block:
    """One content block that is being put together; `place` counts the tool calls."""

    __slots__ = ("call_id", "data", "given", "kind", "name", "parts", "place", "signature")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.parts: list[str] = []
        self.signature: str | None = None
        self.data: dict[str, Any] | None = None
        self.call_id = ""
        self.name = ""
        self.given: dict[str, Any] = {}  # an input that came whole, in place of deltas
        self.place = 0


class _Answer:
    """The blocks of one answer, by the vendor's index."""

    __slots__ = ("_calls", "_origin", "blocks")

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._calls = 0
        self.blocks: dict[int, _Block] = {}

    def open(self, index: int, source: dict[str, Any]) -> _Block:
        kind = as_str(source.get("type")) or ""
        block = self.blocks[index] = _Block(kind)
        if kind == "text":
            block.parts.append(as_str(source.get("text")) or "")
        elif kind == "thinking":
            block.parts.append(as_str(source.get("thinking")) or "")
            block.signature = as_str(source.get("signature"))
        elif kind == "redacted_thinking":
            block.data = {"type": kind, "data": source.get("data")}
        elif kind in _TOOL_BLOCKS:
            block.place = self._calls
            self._calls += 1
            block.name = as_str(source.get("name")) or ""
            block.call_id = as_str(source.get("id")) or synthetic_id(block.place, block.name)
            block.given = as_dict(source.get("input"))
        return block

    @property
    def text(self) -> str:
        return "".join("".join(block.parts) for block in self.blocks.values() if block.kind == "text")

    def thinking(self) -> tuple[ThinkingPart, ...]:
        found = []
        said = called = 0
        for block in self.blocks.values():
            if block.kind == "text":
                said += sum(map(len, block.parts))
            elif block.kind in _TOOL_BLOCKS:
                called += 1
            elif block.kind == "redacted_thinking":
                found.append(ThinkingPart("", opaque=block.data, origin=self._origin, after=(said, called)))
            elif block.kind == "thinking":
                text = "".join(block.parts)
                found.append(ThinkingPart(text, block.signature, origin=self._origin, after=(said, called)))
        return tuple(found)

    def tool_calls(self) -> tuple[ToolCall, ...]:
        found = []
        for block in self.blocks.values():
            if block.kind in _TOOL_BLOCKS:
                raw = "".join(block.parts) or _json(block.given)
                found.append(ToolCall(block.call_id, block.name, parse_arguments(raw), raw))
        return tuple(found)


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode() if value else ""


class MessagesStreamDecoder:
    """Events in, chunks out; one per stream."""

    def __init__(self, provider: str, model: str, request_id: str | None) -> None:
        self._provider = provider
        self._model = model
        self._reported: str | None = None
        self._request_id = request_id
        self._id: str | None = None
        self._answer = _Answer(f"{provider}/{model}")
        self._stop_reason: str | None = None
        self._stopped = False
        self._counts: dict[str, Any] = {}

    def feed(self, event: SSEEvent) -> StreamChunk | None:
        """Take one event; None when it brings nothing to show.

        Raises:
            ProviderError: the error that the event carries, or PROTOCOL_ERROR when it is no JSON object.
        """
        payload = read_event(event, self._provider, self._model, self._request_id)
        if payload is None:
            return None
        kind = payload.get("type")
        if kind == "content_block_delta":
            return self._delta(payload)
        if kind == "error" or event.event == "error" or error_in(payload):
            raise self._named(classify_payload(payload, provider=self._provider, model=self._model))
        if kind == "content_block_start":
            return self._start(payload)
        if kind == "content_block_stop":
            return self._stop(payload)
        if kind == "message_start":
            message = as_dict(payload.get("message"))
            self._id = as_str(message.get("id"))
            self._reported = as_str(message.get("model"))
            self._take_message(message, message)
        elif kind == "message_delta":
            self._take_message(as_dict(payload.get("delta")), payload)
        elif kind == "message_stop":
            self._stopped = True
        return None  # pings, and what the vendor may add

    def _delta(self, payload: dict[str, Any]) -> StreamChunk | None:
        delta = as_dict(payload.get("delta"))
        kind = delta.get("type")
        block = self._block(payload, kind)
        if block is None:
            return None
        if kind == "text_delta":
            text = as_str(delta.get("text"))
            if text is None:
                return None
            block.parts.append(text)
            return StreamChunk(text)
        if kind == "thinking_delta":
            text = as_str(delta.get("thinking"))
            if text is None:
                return None
            block.parts.append(text)
            return StreamChunk("", text)
        if kind == "input_json_delta":
            text = as_str(delta.get("partial_json"))
            if text is None or block.kind not in _TOOL_BLOCKS:
                return None
            block.parts.append(text)
            return StreamChunk(tool_calls=(ToolCallDelta(block.place, None, None, text),))
        if kind == "signature_delta":
            block.signature = (block.signature or "") + (as_str(delta.get("signature")) or "")
        return None  # citations, and what the vendor may add

    def _block(self, payload: dict[str, Any], kind: object) -> _Block | None:
        """The block that a delta belongs to; some compatible servers leave the start of a text out."""
        index = payload.get("index")
        if type(index) is not int:
            return None
        block = self._answer.blocks.get(index)
        if block is None and kind in ("text_delta", "thinking_delta"):
            return self._answer.open(index, {"type": "text" if kind == "text_delta" else "thinking"})
        return block

    def _start(self, payload: dict[str, Any]) -> StreamChunk | None:
        index = payload.get("index")
        if type(index) is not int:
            return None
        block = self._answer.open(index, as_dict(payload.get("content_block")))
        if block.kind in _TOOL_BLOCKS:
            return StreamChunk(tool_calls=(ToolCallDelta(block.place, block.call_id, block.name),))
        said = "".join(block.parts)
        if not said:
            return None
        return StreamChunk("", said) if block.kind == "thinking" else StreamChunk(said)

    def _stop(self, payload: dict[str, Any]) -> StreamChunk | None:
        block = self._block(payload, None)
        if block is None or block.parts or not block.given:
            return None
        arguments = _json(block.given)  # it came whole at the start
        block.parts.append(arguments)
        return StreamChunk(tool_calls=(ToolCallDelta(block.place, None, None, arguments),))

    def _take_message(self, message: dict[str, Any], holder: dict[str, Any]) -> None:
        self._stop_reason = as_str(message.get("stop_reason")) or self._stop_reason
        # The counts are cumulative; those that a later event leaves out stay.
        usage = as_dict(holder.get("usage"))
        self._counts.update({key: value for key, value in usage.items() if value is not None})

    def finish(self) -> StreamChunk:
        """The last chunk, at the end of the body.

        Raises:
            ProviderError: STREAM_INTERRUPTED when neither a stop reason nor `message_stop` was seen.
        """
        if not self._stopped and self._stop_reason is None:
            raise self._fault(ErrorCode.STREAM_INTERRUPTED, "the stream ended before the answer was finished")
        return StreamChunk(finish_reason=self._unified(), usage=read_usage(self._counts), done=True)

    def response(self) -> CompletionResponse:
        """The answer so far."""
        return CompletionResponse(
            text=self._answer.text,
            thinking=self._answer.thinking(),
            tool_calls=self._answer.tool_calls(),
            finish_reason=self._unified() if self._stopped or self._stop_reason else "unknown",
            raw_finish_reason=self._stop_reason,
            usage=read_usage(self._counts),
            model=self._reported or self._model,
            provider=self._provider,
            id=self._id,
            request_id=self._request_id,
        )

    def _unified(self) -> FinishReason:
        if self._stop_reason is None:  # a clean end all the same
            return "tool_calls" if self._answer.tool_calls() else "stop"
        return finish_reason(self._stop_reason)

    def _fault(self, code: ErrorCode, message: str) -> ProviderError:
        return self._named(ProviderError(code, message, provider=self._provider, model=self._model))

    def _named(self, error: ProviderError) -> ProviderError:
        error.request_id = error.request_id or self._request_id
        return error
