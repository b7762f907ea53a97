"""OpenAI's Responses protocol, answers and streams in. No input or output happens here.

Protocol: the types of the openai package 3.54 (`openai.types.responses`); of its some sixty events those that carry
content or an end are read, all others are skipped.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.accumulate import parse_arguments
from providers.classify import classify_payload
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

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.done"})


def decode(body: Any, *, provider: str, model: str, request_id: str | None) -> CompletionResponse:
    """A plain answer.

    Raises:
        ProviderError: the error that the body carries, or PROTOCOL_ERROR when it is no response.
    """
    if not isinstance(body, dict) or not isinstance(body.get("output"), list):
        raise ProviderError(
            ErrorCode.PROTOCOL_ERROR,
            "the answer has no output, so it is no response",
            provider=provider,
            model=model,
            request_id=request_id,
        )
    answer = _Answer(provider, model, request_id)
    for index, item in enumerate(as_list(body["output"])):
        answer.whole(index, as_dict(item))
    answer.end(body)
    return msgspec.structs.replace(answer.response(), raw=body)


def read_usage(raw: object) -> Usage:
    usage = as_dict(raw)
    given = as_dict(usage.get("input_tokens_details"))
    made = as_dict(usage.get("output_tokens_details"))
    return Usage(
        as_count(usage.get("input_tokens")),
        as_count(usage.get("output_tokens")),
        as_count(given.get("cached_tokens")),
        as_count(given.get("cache_write_tokens")),
        as_count(made.get("reasoning_tokens")),
    )


class _Item:
    """One output item that is being put together."""

    __slots__ = ("arguments", "call_id", "kind", "name", "opaque", "place", "refused", "text", "thinking")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.text: list[str] = []
        self.thinking: list[str] = []
        self.arguments: list[str] = []
        self.call_id = ""
        self.name = ""
        self.place = 0  # among the tool calls
        self.refused = False
        self.opaque: dict[str, Any] | None = None


class _Answer:
    """The items of one response, by `output_index`, and what is known of the whole."""

    def __init__(self, provider: str, model: str, request_id: str | None) -> None:
        self.provider = provider
        self.model = model
        self.request_id = request_id
        self.id: str | None = None
        self.reported: str | None = None
        self.status: str | None = None
        self.incomplete: str | None = None
        self.usage = Usage()
        self.items: dict[int, _Item] = {}
        self._calls = 0

    def item(self, index: int, source: dict[str, Any]) -> _Item:
        """The item at an index, opened by what is known of it."""
        found = self.items.get(index)
        if found is None:
            found = self.items[index] = _Item(as_str(source.get("type")) or "message")
            if found.kind == "function_call":
                found.place = self._calls
                self._calls += 1
                found.name = as_str(source.get("name")) or ""
                found.call_id = as_str(source.get("call_id")) or synthetic_id(found.place, found.name)
        return found

    def whole(self, index: int, source: dict[str, Any]) -> StreamChunk | None:
        """Take a finished item; gives what of it had not come in pieces."""
        is_new = index not in self.items
        item = self.item(index, source)
        if item.kind == "function_call":
            return self._whole_call(item, source, is_new)
        if item.kind == "reasoning":
            item.opaque = source
            if item.thinking:
                return None
            text = _texts(source.get("summary")) or _texts(source.get("content"))
            item.thinking.append(text)
            return StreamChunk("", text) if text else None
        if item.kind != "message" or item.text:
            return None
        text = ""
        for part in map(as_dict, as_list(source.get("content"))):
            item.refused = item.refused or part.get("type") == "refusal"
            text += as_str(part.get("text")) or as_str(part.get("refusal")) or ""
        item.text.append(text)
        return StreamChunk(text) if text else None

    def _whole_call(self, item: _Item, source: dict[str, Any], is_new: bool) -> StreamChunk | None:
        missing = "" if item.arguments else as_str(source.get("arguments")) or ""
        if missing:
            item.arguments.append(missing)
        if is_new:
            return StreamChunk(tool_calls=(ToolCallDelta(item.place, item.call_id, item.name, missing),))
        return StreamChunk(tool_calls=(ToolCallDelta(item.place, None, None, missing),)) if missing else None

    def end(self, body: dict[str, Any]) -> None:
        """Take the response object that ends it.

        Raises:
            ProviderError: it failed.
        """
        self.begin(body)
        self.status = as_str(body.get("status"))
        self.incomplete = as_str(as_dict(body.get("incomplete_details")).get("reason"))
        self.usage = read_usage(body.get("usage"))
        if body.get("error") or self.status == "failed":
            error = classify_payload({"error": body.get("error")}, provider=self.provider, model=self.model)
            error.request_id = self.request_id
            raise error

    def begin(self, body: dict[str, Any]) -> None:
        self.id = as_str(body.get("id")) or self.id
        self.reported = as_str(body.get("model")) or self.reported

    def finish_reason(self) -> FinishReason:
        if self.incomplete is not None:
            length = self.incomplete in ("max_output_tokens", "max_tokens")
            return "length" if length else "content_filter" if self.incomplete == "content_filter" else "unknown"
        if self._calls:
            return "tool_calls"
        if any(item.refused for item in self.items.values()):
            return "content_filter"
        return "stop" if self.status in (None, "completed", "complete") else "unknown"

    def thinking(self) -> tuple[ThinkingPart, ...]:
        """The reasoning, each with its place among the texts and calls."""
        found = []
        said = called = 0
        origin = f"{self.provider}/{self.model}"
        for item in self.items.values():
            if item.kind == "reasoning" or item.thinking:
                text = "".join(item.thinking)
                found.append(ThinkingPart(text, opaque=item.opaque, origin=origin, after=(said, called)))
            elif item.kind == "function_call":
                called += 1
            else:
                said += sum(map(len, item.text))
        return tuple(found)

    def response(self) -> CompletionResponse:
        items = self.items.values()
        return CompletionResponse(
            text="".join("".join(item.text) for item in items),
            thinking=self.thinking(),
            tool_calls=tuple(_tool_call(item) for item in items if item.kind == "function_call"),
            finish_reason="unknown" if self.status is None else self.finish_reason(),
            raw_finish_reason=self.incomplete or self.status,
            usage=self.usage,
            model=self.reported or self.model,
            provider=self.provider,
            id=self.id,
            request_id=self.request_id,
        )


def _tool_call(item: _Item) -> ToolCall:
    raw = "".join(item.arguments)
    return ToolCall(item.call_id, item.name, parse_arguments(raw), raw)


def _texts(parts: object) -> str:
    return "".join(as_str(as_dict(part).get("text")) or "" for part in as_list(parts))


class ResponsesStreamDecoder:
    """Events in, chunks out; one per stream."""

    def __init__(self, provider: str, model: str, request_id: str | None) -> None:
        self._answer = _Answer(provider, model, request_id)
        self._ended = False

    def feed(self, event: SSEEvent) -> StreamChunk | None:
        """Take one event; None when it brings nothing to show.

        Raises:
            ProviderError: the error that the event carries, or PROTOCOL_ERROR when it is no JSON object.
        """
        answer = self._answer
        payload = read_event(event, answer.provider, answer.model, answer.request_id)
        if payload is None:
            return None
        kind = as_str(payload.get("type")) or event.event
        if kind == "error" or (kind is None and payload.get("error")):
            raise self._named(classify_payload(payload, provider=answer.provider, model=answer.model))
        if kind in _ENDS:
            self._ended = True
            answer.end(as_dict(payload.get("response")))
            return None
        index = payload.get("output_index")
        if kind == "response.created":
            answer.begin(as_dict(payload.get("response")))
        if type(index) is not int:
            return None
        if kind == "response.output_item.done":
            return answer.whole(index, as_dict(payload.get("item")))
        if kind == "response.output_item.added":
            return self._added(index, as_dict(payload.get("item")))
        piece = as_str(payload.get("delta"))
        return None if piece is None else self._delta(kind, index, piece)

    def _delta(self, kind: str | None, index: int, piece: str) -> StreamChunk | None:
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            item = self._answer.item(index, {"type": "message"})
            item.refused = item.refused or kind == "response.refusal.delta"
            item.text.append(piece)
            return StreamChunk(piece)
        if kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            self._answer.item(index, {"type": "reasoning"}).thinking.append(piece)
            return StreamChunk("", piece)
        if kind == "response.function_call_arguments.delta":
            item = self._answer.item(index, {"type": "function_call"})
            item.arguments.append(piece)
            return StreamChunk(tool_calls=(ToolCallDelta(item.place, None, None, piece),))
        return None

    def _added(self, index: int, source: dict[str, Any]) -> StreamChunk | None:
        item = self._answer.item(index, source)
        if item.kind != "function_call":
            return None
        return StreamChunk(tool_calls=(ToolCallDelta(item.place, item.call_id, item.name),))

    def finish(self) -> StreamChunk:
        """The last chunk, at the end of the body.

        Raises:
            ProviderError: STREAM_INTERRUPTED when the response's end was not seen.
        """
        if not self._ended:
            raise self._fault(ErrorCode.STREAM_INTERRUPTED, "the stream ended before the answer was finished")
        return StreamChunk(finish_reason=self._answer.finish_reason(), usage=self._answer.usage, done=True)

    def response(self) -> CompletionResponse:
        """The answer so far."""
        return self._answer.response()

    def _fault(self, code: ErrorCode, message: str) -> ProviderError:
        return self._named(ProviderError(code, message, provider=self._answer.provider, model=self._answer.model))

    def _named(self, error: ProviderError) -> ProviderError:
        error.request_id = error.request_id or self._answer.request_id
        return error
