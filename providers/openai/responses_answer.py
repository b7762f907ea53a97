"""The items of one answer of OpenAI's Responses protocol, as they are put together."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.accumulate import newer_usage
from providers.answer_parts import Others, as_bytes, read_annotations, read_cost, read_logprobs
from providers.classify import classify_payload
from providers.lenient_json import arguments_text, as_count, as_dict, as_list, as_str, as_word
from providers.ordering import moved
from providers.tool_calls import ToolCallAssembler
from providers.types import (
    Citation,
    CompletionResponse,
    FinishReason,
    ImagePart,
    ServerToolPart,
    StreamChunk,
    ThinkingPart,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

# Calls, and the field of their arguments. A custom tool's input is free text.
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}


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

    __slots__ = ("call_id", "citations", "ended", "kind", "opaque", "other", "parts", "place", "refused", "started")

    def __init__(self, kind: str, place: int) -> None:
        self.kind = kind
        self.place = place  # among all items
        self.parts: list[str] = []  # of text, of thinking, or of a custom tool's input
        self.call_id: str | None = None
        self.started = False  # whether the event of its start came
        self.ended = False  # whether the event of its end came
        self.refused = False
        self.opaque: dict[str, Any] | None = None
        self.citations: list[Citation] = []  # of a message, with their places in it
        self.other: ImagePart | ServerToolPart | None = None


class Answer:
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
        self.cost: float | None = None
        self.logprobs: list[TokenLogprob] = []
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
            return self._other(item, source)
        text, told = "", item.citations
        item.citations = []
        content = source.get("content")
        for part in [{"text": content}] if isinstance(content, str) else map(as_dict, as_list(content)):
            item.refused = item.refused or part.get("type") == "refusal"
            item.citations += [moved(one, len(text)) for one in read_annotations(part.get("annotations"))]
            text += as_str(part.get("text")) or as_str(part.get("refusal")) or ""
            if part.get("logprobs") and not self.logprobs:
                self.logprobs += read_logprobs(part["logprobs"])
        chunk = self._missing(item, text)
        if told or not item.citations:
            item.citations = item.citations or told
            return chunk
        return msgspec.structs.replace(chunk or StreamChunk(), others=self._citations(item))

    def _other(self, item: _Item, source: dict[str, Any]) -> StreamChunk | None:
        """Take an image that was made, or what a tool of the vendor did, or an item of a kind that is new."""
        image = as_bytes(source.get("result")) if item.kind == "image_generation_call" else b""
        if not item.kind or not source:
            return None
        if image:
            form = as_str(source.get("output_format")) or "png"
            item.other = ImagePart(None, image, f"image/{form}", None, as_str(source.get("id")), self.provider)
        else:
            item.other = ServerToolPart(item.kind, source, f"{self.provider}/{self.model}")
        return StreamChunk(others=(item.other,))

    def cite(self, item: _Item, annotation: object) -> StreamChunk | None:
        """Take a citation of a text under way."""
        found = read_annotations([annotation])
        item.citations += found
        return StreamChunk(others=self._citations(item)[-1:]) if found else None

    def _citations(self, item: _Item) -> tuple[Citation, ...]:
        """Those of a message, with their places in the whole text."""
        before = sum(
            len(piece) for other in self.items[: item.place] if other.kind == "message" for piece in other.parts
        )
        return tuple(moved(one, before) for one in item.citations)

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
            others=tuple(part for chunk in found for part in chunk.others),
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
        told = read_cost(body.get("usage"))
        self.cost = self.cost if told is None else told
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

    def others(self) -> Others:
        """What there is beside text, thinking and calls, each at its place."""
        found = Others()
        found.logprobs = self.logprobs
        said = called = thought = 0
        for item in self.items:
            if item.kind == "message":
                found.citations += [moved(one, said) for one in item.citations]
                said += sum(map(len, item.parts))
            elif item.kind in _CALLS:
                called += 1
            elif item.kind == "reasoning":
                thought += 1
            elif item.other is not None:
                found.add(item.other, said, called, thought)
        return found

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
            cost=self.cost,
            **self.others().fields(),
        )


def _kind(source: dict[str, Any]) -> str:
    return as_str(source.get("type")) or ("message" if "content" in source else "")


def _call_chunk(delta: ToolCallDelta | None) -> StreamChunk | None:
    return None if delta is None else StreamChunk(tool_calls=(delta,))


def _texts(parts: object) -> str:
    return "".join(as_str(as_dict(part).get("text")) or "" for part in as_list(parts))
