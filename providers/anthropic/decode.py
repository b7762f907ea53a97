"""Anthropic's Messages protocol, answers and streams in. No input or output happens here.

Protocol: Anthropic's Messages API reference and its page on streaming; unknown blocks, events and deltas are
skipped, as the vendor asks.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from providers.answer_parts import read_cost, read_location
from providers.anthropic.answer import MIXED_UP, Answer
from providers.anthropic.plain import FINISHED, PlainMessage
from providers.classify import classify_payload, error_in
from providers.errors import ErrorCode, ProviderError
from providers.events import read_event
from providers.finish_reasons import finish_reason
from providers.lenient_json import as_count, as_dict, as_list, as_str, as_word
from providers.transport.lines import SSEEvent
from providers.types import (
    CompletionResponse,
    FinishReason,
    StreamChunk,
    ToolCallDelta,
    Usage,
)

_PROMPT_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
# The kind of block that each kind of delta belongs to, and the delta's field.
_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "input_json_delta": ("tool_use", "partial_json"),
}


class _Text(msgspec.Struct):
    type: Literal["text_delta"]
    text: Annotated[str, msgspec.Meta(min_length=1)]


class _TextEvent(msgspec.Struct):
    """An event that brings a piece of text and nothing else, as nearly all do."""

    type: Literal["content_block_delta"]
    index: int
    delta: _Text


_decode_text = msgspec.json.Decoder(_TextEvent).decode


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
        cache_write_1h_tokens=as_count(as_dict(raw.get("cache_creation")).get("ephemeral_1h_input_tokens")),
    )


def decode(body: Any, *, provider: str, model: str, request_id: str | None) -> CompletionResponse:
    """A plain answer.

    Raises:
        ProviderError: the error that the body carries, or PROTOCOL_ERROR when it is no message.
    """
    try:
        answer = msgspec.convert(body, PlainMessage)
    except (msgspec.ValidationError, UnicodeError, RecursionError):
        return decode_leniently(body, provider=provider, model=model, request_id=request_id)
    return CompletionResponse(
        text="".join([block.text for block in answer.content]),
        finish_reason=FINISHED[answer.stop_reason],
        raw_finish_reason=answer.stop_reason,
        usage=answer.usage.usage(),
        model=answer.model,
        provider=provider,
        id=answer.id,
        request_id=request_id or answer.request_id or None,
        raw=body,
    )


def decode_leniently(body: Any, *, provider: str, model: str, request_id: str | None) -> CompletionResponse:
    """As `decode`, which it does all for but the usual answer: whatever is of use is taken."""
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
    answer = Answer(f"{provider}/{model}")
    for source in as_list(body["content"]):
        block, _ = answer.open(as_dict(source))
        answer.close(block)
    raw_finish = as_word(body.get("stop_reason"))
    return CompletionResponse(
        text=answer.text,
        thinking=answer.thinking(),
        tool_calls=answer.calls.calls(),
        finish_reason=finish_reason(raw_finish, has_calls=bool(answer.calls)) if raw_finish else "unknown",
        raw_finish_reason=raw_finish,
        usage=read_usage(as_dict(body.get("usage"))),
        model=as_str(body.get("model")) or model,
        provider=provider,
        id=as_str(body.get("id")),
        request_id=request_id or as_str(body.get("request_id")),
        raw=body,
        cost=read_cost(body.get("usage")),
        **answer.others().fields(),
    )


def _call_chunk(delta: ToolCallDelta | None) -> StreamChunk | None:
    return None if delta is None else StreamChunk(tool_calls=(delta,))


class MessagesStreamDecoder:
    """Events in, chunks out; one per stream."""

    def __init__(self, provider: str, model: str, request_id: str | None) -> None:
        self._provider = provider
        self._model = model
        self._reported: str | None = None
        self._request_id = request_id
        self._id: str | None = None
        self._answer = Answer(f"{provider}/{model}")
        self._stop_reason: str | None = None
        self._said_stop = False
        self.ended = False  # `message_stop` came: what follows is no part of the answer
        self._counts: dict[str, Any] = {}

    def feed(self, event: SSEEvent) -> StreamChunk | None:
        """Take one event; None when it brings nothing to show.

        Raises:
            ProviderError: the error that the event carries, or PROTOCOL_ERROR when it is no JSON object.
        """
        text = self.text_of(event)
        if text:
            return StreamChunk(text)
        payload = read_event(event, self._provider, self._model, self._request_id)
        if payload is None:
            self.ended = self.ended or event.data.strip() == b"[DONE]"
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
            begun = bool(self._answer.blocks)
            if begun:  # a gateway asked again: the answer begins anew
                self._answer = Answer(f"{self._provider}/{self._model}")
            self._id = as_str(message.get("id"))
            self._reported = as_str(message.get("model"))
            self._take_message(message, message)
            return StreamChunk(restarted=True) if begun else None
        elif kind == "message_delta":
            self._take_message(as_dict(payload.get("delta")), payload)
        elif kind == "message_stop":
            self._said_stop = self.ended = True
        return None  # pings, and what the vendor may add

    def text_of(self, event: SSEEvent) -> str:
        """The text of an event that brings nothing else, which is taken; "" for all others, which `feed` takes."""
        if event.event != "content_block_delta":
            return ""
        try:
            told = _decode_text(event.data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return ""
        block = self._answer.by_index.get(told.index)
        if block is None or block.kind != "text":
            return ""
        block.parts.append(told.delta.text)
        return told.delta.text

    def _delta(self, payload: dict[str, Any]) -> StreamChunk | None:
        delta = as_dict(payload.get("delta"))
        kind = as_str(delta.get("type")) or ""
        if kind not in _DELTAS:
            if kind == "citations_delta":
                self._cite(payload.get("index"), as_dict(delta.get("citation")))
            return None  # and what the vendor may add
        wanted, field = _DELTAS[kind]
        text = as_str(delta.get(field))
        if text is None:
            return None
        answer, index = self._answer, payload.get("index")
        block = answer.by_index.get(index) if type(index) is int else None
        if block is None or block.kind != wanted:
            own = block is not None and block.kind not in MIXED_UP
            if block is not None and own and kind == "input_json_delta":
                block.parts.append(text)  # what a tool of the vendor is called with
            block = answer.block_for(index, wanted)
            if block is None:
                return None
        if wanted == "tool_use":
            block.given = ""
            return _call_chunk(answer.calls.add(block.place, None, None, text))
        if kind == "signature_delta":
            block.signature = (block.signature or "") + text
            return None
        block.parts.append(text)
        return StreamChunk(text) if wanted == "text" else StreamChunk("", text)

    def _cite(self, index: object, told: dict[str, Any]) -> None:
        block = self._answer.block_for(index, "text") if told else None
        if block is not None:
            block.citations.append(read_location(told))

    def _start(self, payload: dict[str, Any]) -> StreamChunk | None:
        index = payload.get("index")
        block, call = self._answer.open(as_dict(payload.get("content_block")))
        if type(index) is int:
            self._answer.by_index[index] = block
        if call is not None:
            return _call_chunk(call)
        said = "".join(block.parts)
        if not said:
            return None
        return StreamChunk("", said) if block.kind == "thinking" else StreamChunk(said)

    def _stop(self, payload: dict[str, Any]) -> StreamChunk | None:
        index, answer = payload.get("index"), self._answer
        last = answer.blocks[-1] if answer.blocks else None
        block = answer.by_index.get(index, last) if type(index) is int else last
        if block is None:
            return None
        others = answer.tell(block)
        return StreamChunk(others=others) if others else _call_chunk(answer.close(block))

    def _take_message(self, message: dict[str, Any], holder: dict[str, Any]) -> None:
        self._stop_reason = as_word(message.get("stop_reason")) or self._stop_reason
        # The counts are cumulative; those that a later event leaves out stay. Some servers report zeros after real
        # counts: a report of the prompt counts where any of its numbers is more than 0.
        told = {name: count for name, count in as_dict(holder.get("usage")).items() if count is not None}
        if not any(told.get(name) for name in _PROMPT_COUNTS):
            told = {name: count for name, count in told.items() if count or name not in self._counts}
        elif not told.get("output_tokens") and "output_tokens" in self._counts:
            told.pop("output_tokens", None)
        self._counts.update(told)

    @property
    def may_end(self) -> bool:
        """Whether a finish reason came: only counts and the end itself are still due."""
        return self._stop_reason is not None

    def finish(self) -> StreamChunk:
        """The last chunk, at the end of the body.

        Raises:
            ProviderError: STREAM_INTERRUPTED when neither a stop reason nor `message_stop` was seen.
        """
        if self._stop_reason is None and not self._said_stop:
            raise self._fault(ErrorCode.STREAM_INTERRUPTED, "the stream ended before the answer was finished")
        answer = self._answer
        given = [call for block in answer.blocks if (call := answer.close(block)) is not None]
        calls = (*given, *answer.calls.finish())
        others = tuple(part for block in answer.blocks for part in answer.tell(block))
        usage = read_usage(self._counts)
        return StreamChunk(tool_calls=calls, finish_reason=self._unified(), usage=usage, done=True, others=others)

    def response(self) -> CompletionResponse:
        """The answer so far."""
        return CompletionResponse(
            text=self._answer.text,
            thinking=self._answer.thinking(),
            tool_calls=self._answer.calls.calls(),
            finish_reason=self._unified() if self._said_stop or self._stop_reason else "unknown",
            raw_finish_reason=self._stop_reason,
            usage=read_usage(self._counts),
            model=self._reported or self._model,
            provider=self._provider,
            id=self._id,
            request_id=self._request_id,
            cost=read_cost(self._counts),
            **self._answer.others().fields(),
        )

    def _unified(self) -> FinishReason:
        return finish_reason(self._stop_reason, has_calls=bool(self._answer.calls))

    def _fault(self, code: ErrorCode, message: str) -> ProviderError:
        return self._named(ProviderError(code, message, provider=self._provider, model=self._model))

    def _named(self, error: ProviderError) -> ProviderError:
        error.request_id = error.request_id or self._request_id
        return error
