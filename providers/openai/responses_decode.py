"""OpenAI's Responses protocol, answers and streams in. No input or output happens here.

Protocol: the types of the openai package 3.54 (`openai.types.responses`); of its some sixty events those that carry
content or an end are read, all others are skipped.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.accumulate import newer_usage
from providers.classify import classify_payload, error_in
from providers.errors import ErrorCode, ProviderError
from providers.events import read_event
from providers.lenient_json import arguments_text, as_count, as_dict, as_list, as_str, as_word
from providers.tool_calls import ToolCallAssembler
from providers.transport.lines import SSEEvent
from providers.types import (
    CompletionResponse,
    FinishReason,
    StreamChunk,
    ThinkingPart,
    ToolCallDelta,
    Usage,
)

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.done"})
# Calls, and the field of their arguments. A custom tool's input is free text.
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
# The kind of item that a piece of each event belongs to.
_PIECES = {
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.function_call_arguments.delta": "function_call",
    "response.custom_tool_call_input.delta": "custom_tool_call",
}
# Events that say again, whole, what the deltas said: the kind of item, and their field.
_WHOLES = {
    "response.output_text.done": ("message", "text"),
    "response.refusal.done": ("message", "refusal"),
    "response.function_call_arguments.done": ("function_call", "arguments"),
    "response.custom_tool_call_input.done": ("custom_tool_call", "input"),
}


def decode(body: Any, *, provider: str, model: str, request_id: str | None) -> CompletionResponse:
    """A plain answer.

    Raises:
        ProviderError: the error that the body carries, or PROTOCOL_ERROR when it is no response.
    """
    if error_in(body):
        raise classify_payload(body, provider=provider, model=model)
    if not isinstance(body, dict) or not isinstance(body.get("output"), list):
        raise ProviderError(
            ErrorCode.PROTOCOL_ERROR,
            "the answer has no output, so it is no response",
            provider=provider,
            model=model,
            request_id=request_id,
        )
    answer = _Answer(provider, model, request_id)
    for index, item in enumerate(map(as_dict, as_list(body["output"]))):
        answer.whole(answer.open(index, item), item)
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

    __slots__ = ("call_id", "ended", "kind", "opaque", "parts", "place", "refused", "started")

    def __init__(self, kind: str, place: int) -> None:
        self.kind = kind
        self.place = place  # among all items
        self.parts: list[str] = []  # of text, of thinking, or of a custom tool's input
        self.call_id: str | None = None
        self.started = False  # whether the event of its start came
        self.ended = False  # whether the event of its end came
        self.refused = False
        self.opaque: dict[str, Any] | None = None


class _Answer:
    """The items of one response, and what is known of the whole.

    An item goes by its id, then by `output_index`, then by its kind: servers leave ids or indexes out, make new ids
    for each event, or number every item 0.
    """

    def __init__(self, provider: str, model: str, request_id: str | None) -> None:
        self.provider = provider
        self.model = model
        self.request_id = request_id
        self.id: str | None = None
        self.reported: str | None = None
        self.status: str | None = None
        self.incomplete: str | None = None
        self.usage = Usage()
        self.items: list[_Item] = []
        self.calls = ToolCallAssembler()
        self._by_id: dict[str, _Item] = {}
        self._by_index: dict[int, _Item] = {}

    # --- which item

    def open(self, index: object, source: dict[str, Any]) -> _Item:
        """A new item."""
        item = _Item(_kind(source), len(self.items))
        self.items.append(item)
        if item.kind in _CALLS:
            self.calls.begin(item.place)
        self._name(item, index, as_str(source.get("id")))
        return item

    def find(self, kind: str, index: object, item_id: str | None, call_id: str | None = None) -> _Item | None:
        """The item under way that an event speaks of; None where it is a new one."""
        item = self._by_id.get(item_id) if item_id is not None else None
        if item is None or item.kind != kind:
            item = self._by_index.get(index) if type(index) is int else None
            if item is None and type(index) is int:
                return None
            if item is None or item.kind != kind:
                item = next((other for other in reversed(self.items) if other.kind == kind), None)
        if item is None or item.ended or (call_id and item.call_id and call_id != item.call_id):
            return None
        return item

    def item(self, kind: str, payload: dict[str, Any]) -> _Item:
        """The item that a piece belongs to."""
        index, item_id = payload.get("output_index"), as_str(payload.get("item_id"))
        return self.find(kind, index, item_id) or self.open(index, {"type": kind, "id": item_id})

    def _name(self, item: _Item, index: object, item_id: str | None) -> None:
        if type(index) is int:
            self._by_index[index] = item
        if item_id is not None:
            self._by_id[item_id] = item

    # --- what it holds

    def start(self, index: object, source: dict[str, Any]) -> StreamChunk | None:
        """Take an item's start."""
        item = self.find(_kind(source), index, as_str(source.get("id")))
        if item is None or item.started:
            item = self.open(index, source)
        self._name(item, index, as_str(source.get("id")))
        item.started = True
        return self._call(item, source, "")

    def end_item(self, index: object, source: dict[str, Any]) -> StreamChunk | None:
        """Take a finished item; gives what of it had not come in pieces."""
        kind, call_id = _kind(source), as_word(source.get("call_id"))
        item = self.find(kind, index, as_str(source.get("id")), call_id) or self.open(index, source)
        return self.whole(item, source)

    def whole(self, item: _Item, source: dict[str, Any]) -> StreamChunk | None:
        item.ended = True
        if item.kind in _CALLS:
            return self._call(item, source, arguments_text(source.get(_CALLS[item.kind])))
        if item.kind == "reasoning":
            item.opaque = source
            text = "" if item.parts else _texts(source.get("summary")) or _texts(source.get("content"))
            return self._missing(item, text)
        if item.kind != "message":
            return None
        text = ""
        for part in map(as_dict, as_list(source.get("content"))):
            item.refused = item.refused or part.get("type") == "refusal"
            text += as_str(part.get("text")) or as_str(part.get("refusal")) or ""
        return self._missing(item, text)

    def piece(self, item: _Item, text: str) -> StreamChunk | None:
        if item.kind == "function_call":
            return _call_chunk(self.calls.add(item.place, None, None, text))
        item.parts.append(text)
        if item.kind == "custom_tool_call":
            return _call_chunk(self.calls.add(item.place, None, None, text, literal=True))
        return StreamChunk("", text) if item.kind == "reasoning" else StreamChunk(text)

    def repeated(self, item: _Item, text: str) -> StreamChunk | None:
        """Take what the pieces said, whole."""
        if item.kind == "function_call":
            return _call_chunk(self.calls.add(item.place, None, None, text))
        return None if item.parts else self._missing(item, text)

    def _missing(self, item: _Item, text: str) -> StreamChunk | None:
        known = "".join(item.parts)
        missing = text[len(known) :] if text.startswith(known) else ""
        return self.piece(item, missing) if missing else None

    def _call(self, item: _Item, source: dict[str, Any], arguments: str) -> StreamChunk | None:
        if item.kind not in _CALLS:
            return None
        literal = item.kind == "custom_tool_call"
        if literal:
            known = "".join(item.parts)
            arguments = arguments[len(known) :] if arguments.startswith(known) else ""
            item.parts.append(arguments)
        item.call_id = as_word(source.get("call_id")) or item.call_id
        name = as_word(source.get("name"))
        return _call_chunk(self.calls.add(item.place, item.call_id, name, arguments, literal=literal))

    def rest(self, output: object) -> StreamChunk:
        """What the whole response, which comes at the end, has and its events did not bring."""
        sources = [as_dict(source) for source in as_list(output)]
        chunks = [self._late(source, sources) for source in sources]
        found = [chunk for chunk in chunks if chunk is not None]
        return StreamChunk(
            "".join(chunk.text for chunk in found),
            "".join(chunk.thinking for chunk in found),
            tuple(delta for chunk in found for delta in chunk.tool_calls),
        )

    def _late(self, source: dict[str, Any], sources: list[dict[str, Any]]) -> StreamChunk | None:
        kind = _kind(source)
        same = [other for other in sources if _kind(other) == kind]
        known = [item for item in self.items if item.kind == kind]
        call_id = as_word(source.get("call_id"))
        item = next((item for item in known if call_id is not None and item.call_id == call_id), None)
        if item is None and len(known) >= len(same):
            item = known[next(place for place, other in enumerate(same) if other is source)]
        if item is None:
            return self.whole(self.open(None, source), source)
        return None if item.ended else self.whole(item, source)

    # --- the response

    def end(self, body: dict[str, Any]) -> None:
        """Take the response object that ends it.

        Raises:
            ProviderError: it failed.
        """
        self.begin(body)
        self.status = as_str(body.get("status"))
        self.incomplete = as_str(as_dict(body.get("incomplete_details")).get("reason"))
        self.usage = newer_usage(self.usage, read_usage(body.get("usage"))) or self.usage
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
        if self.calls:
            return "tool_calls"
        if any(item.refused for item in self.items):
            return "content_filter"
        return "stop" if self.status in (None, "completed", "complete", "done") else "unknown"

    def thinking(self) -> tuple[ThinkingPart, ...]:
        """The reasoning, each with its place among the texts and calls."""
        found = []
        said = called = 0
        origin = f"{self.provider}/{self.model}"
        for item in self.items:
            if item.kind == "reasoning":
                text = "".join(item.parts)
                found.append(ThinkingPart(text, opaque=item.opaque, origin=origin, after=(said, called)))
            elif item.kind in _CALLS:
                called += 1
            elif item.kind == "message":
                said += sum(map(len, item.parts))
        return tuple(found)

    def response(self) -> CompletionResponse:
        return CompletionResponse(
            text="".join("".join(item.parts) for item in self.items if item.kind == "message"),
            thinking=self.thinking(),
            tool_calls=self.calls.calls(),
            finish_reason="unknown" if self.status is None else self.finish_reason(),
            raw_finish_reason=self.incomplete or self.status,
            usage=self.usage,
            model=self.reported or self.model,
            provider=self.provider,
            id=self.id,
            request_id=self.request_id,
        )


def _kind(source: dict[str, Any]) -> str:
    return as_str(source.get("type")) or ("message" if "content" in source else "")


def _call_chunk(delta: ToolCallDelta | None) -> StreamChunk | None:
    return None if delta is None else StreamChunk(tool_calls=(delta,))


def _texts(parts: object) -> str:
    return "".join(as_str(as_dict(part).get("text")) or "" for part in as_list(parts))


class ResponsesStreamDecoder:
    """Events in, chunks out; one per stream."""

    def __init__(self, provider: str, model: str, request_id: str | None) -> None:
        self._answer = _Answer(provider, model, request_id)
        self._complete = False
        self.ended = False  # the event of the end came: what follows is no part of the answer

    def feed(self, event: SSEEvent) -> StreamChunk | None:
        """Take one event; None when it brings nothing to show.

        Raises:
            ProviderError: the error that the event carries, or PROTOCOL_ERROR when it is no JSON object.
        """
        answer = self._answer
        payload = read_event(event, answer.provider, answer.model, answer.request_id)
        if payload is None:
            self.ended = self.ended or event.data.strip() == b"[DONE]"
            return None
        kind = as_str(payload.get("type")) or event.event
        if kind == "error" or (kind is None and payload.get("error")):
            raise self._named(classify_payload(payload, provider=answer.provider, model=answer.model))
        piece = _PIECES.get(kind or "")
        if piece is not None:
            text = as_str(payload.get("delta"))
            if text is None:
                return None
            item = answer.item(piece, payload)
            item.refused = item.refused or kind == "response.refusal.delta"
            return answer.piece(item, text)
        if kind in _ENDS:
            self._complete = self.ended = True
            response = as_dict(payload.get("response"))
            answer.end({"status": str(kind).removeprefix("response."), **response})
            rest = answer.rest(response.get("output"))
            return rest if rest.has_content else None
        return self._about_an_item(kind, payload)

    def _about_an_item(self, kind: str | None, payload: dict[str, Any]) -> StreamChunk | None:
        answer, index = self._answer, payload.get("output_index")
        if kind == "response.output_item.done":
            return answer.end_item(index, as_dict(payload.get("item")))
        if kind == "response.output_item.added":
            return answer.start(index, as_dict(payload.get("item")))
        if kind == "response.created":
            answer.begin(as_dict(payload.get("response")))
        whole = _WHOLES.get(kind or "")
        text = None if whole is None else as_str(payload.get(whole[1]))
        if whole is None or text is None:
            return None
        return answer.repeated(answer.item(whole[0], payload), text)

    @property
    def may_end(self) -> bool:
        """Whether a finish reason came: only counts and the end itself are still due."""
        return self.ended

    def finish(self) -> StreamChunk:
        """The last chunk, at the end of the body.

        Raises:
            ProviderError: STREAM_INTERRUPTED when the response's end was not seen.
        """
        if not self._complete:
            raise self._fault(ErrorCode.STREAM_INTERRUPTED, "the stream ended before the answer was finished")
        answer = self._answer
        calls = answer.calls.finish()
        return StreamChunk(tool_calls=calls, finish_reason=answer.finish_reason(), usage=answer.usage, done=True)

    def response(self) -> CompletionResponse:
        """The answer so far."""
        return self._answer.response()

    def _fault(self, code: ErrorCode, message: str) -> ProviderError:
        return self._named(ProviderError(code, message, provider=self._answer.provider, model=self._answer.model))

    def _named(self, error: ProviderError) -> ProviderError:
        error.request_id = error.request_id or self._answer.request_id
        return error
