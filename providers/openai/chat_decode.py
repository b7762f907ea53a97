"""OpenAI's chat completions protocol: requests out, answers and streams in. No input or output happens here.

Protocol: the types of the openai package 3.54, the sources of vLLM, llama.cpp and Ollama, and what compatible
servers were recorded to send, which is read leniently.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.accumulate import newer_usage
from providers.answer_parts import Other, Others, read_cost, read_logprobs, read_sources
from providers.classify import classify, classify_payload, error_in, parse_json
from providers.errors import ErrorCode, ProviderError
from providers.events import is_keep_alive
from providers.finish_reasons import finish_reason
from providers.lenient_json import as_dict, as_list, as_str, as_word
from providers.openai.chat_encode import encode
from providers.openai.chat_pieces import (
    DETAILS,
    SEALED,
    add_call,
    calls_in,
    came_in,
    is_cumulative,
    join_details,
    opaque_of,
    others_in,
    read_usage,
    text_and_thinking,
)
from providers.openai.chat_plain import NO_DETAILS, Piece, PieceChunk, PlainAnswer, TextChunk
from providers.think_tags import ThinkSplitter
from providers.tool_calls import ToolCallAssembler
from providers.transport.lines import SSEEvent
from providers.types import (
    CompletionResponse,
    StreamChunk,
    ThinkingPart,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

__all__ = ["ChatStreamDecoder", "decode", "encode"]

_decode_text = msgspec.json.Decoder(TextChunk).decode
_decode_piece = msgspec.json.Decoder(PieceChunk).decode


def decode(
    body: Any, *, provider: str, model: str, request_id: str | None, think_tags: bool = False
) -> CompletionResponse:
    """A plain answer; `think_tags` takes `<think>…</think>` out of its text.

    Raises:
        ProviderError: the error that the body carries, or PROTOCOL_ERROR when it is no chat completion.
    """
    try:
        answer = msgspec.convert(body, PlainAnswer)
    except (msgspec.ValidationError, UnicodeError, RecursionError):
        answer = None
    if answer is None or think_tags:
        return decode_leniently(body, provider=provider, model=model, request_id=request_id, think_tags=think_tags)
    choice, counts = answer.choices[0], answer.usage
    read, made = counts.prompt_tokens_details or NO_DETAILS, counts.completion_tokens_details or NO_DETAILS
    usage: Usage | None = Usage(
        counts.prompt_tokens,
        counts.completion_tokens,
        read.cached_tokens,
        read.cache_write_tokens,
        made.reasoning_tokens,
    )
    if made.reasoning_tokens:  # not every vendor counts it within the output
        usage = read_usage(body["usage"])
    return CompletionResponse(
        text=choice.message.content,
        finish_reason=choice.finish_reason,
        raw_finish_reason=choice.finish_reason,
        usage=usage or Usage(),
        model=answer.model,
        provider=provider,
        id=answer.id,
        request_id=request_id,
        raw=body,
    )


def decode_leniently(
    body: Any, *, provider: str, model: str, request_id: str | None, think_tags: bool = False
) -> CompletionResponse:
    """As `decode`, which it does all for but the usual answer: whatever is of use is taken."""
    if error_in(body):
        raise classify_payload(body, provider=provider, model=model)
    choices = body.get("choices") if isinstance(body, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise ProviderError(
            ErrorCode.PROTOCOL_ERROR,
            "the answer has no choices, so it is no chat completion",
            provider=provider,
            model=model,
            request_id=request_id,
        )
    message = as_dict(choice.get("message"))  # Azure leaves it out when its filter struck
    text, thinking = text_and_thinking(message)
    if think_tags:
        text, thought = ThinkSplitter().whole(text)
        thinking += thought
    refusal = as_str(message.get("refusal"))
    calls = ToolCallAssembler()
    if not _OF_CALLS.isdisjoint(message):
        calls.attach_beside(message)
        for place, entry in enumerate(calls_in(message)):  # whole, so that the places in the list are their indexes
            add_call(calls, place, entry)
    raw_finish = as_word(choice.get("finish_reason"))
    origin = f"{provider}/{model}"
    others = Others()
    for part in (*others_in(message, origin), *read_sources(body)):
        others.add(part, len(text or refusal or ""), 0, 1)
    others.logprobs += read_logprobs(choice.get("logprobs"))
    return CompletionResponse(
        text=text or refusal or "",
        thinking=_thinking(thinking, {**opaque_of(message), **came_in(message)}, origin),
        tool_calls=calls.calls(origin),
        finish_reason=finish_reason(raw_finish, has_calls=bool(calls), refused=refusal is not None),
        raw_finish_reason=raw_finish,
        usage=_usage_of(body, choice) or Usage(),
        model=as_str(body.get("model")) or model,
        provider=provider,
        id=as_str(body.get("id")),
        request_id=request_id,
        raw=body,
        cost=read_cost(body.get("usage")),
        **others.fields(),
    )


_OF_CALLS = frozenset({"tool_calls", "function_call", "extra_content"})


def _usage_of(body: dict[str, Any], choice: object = None) -> Usage | None:
    """The counts where they belong, or where Groq and Moonshot put them."""
    places = (body, as_dict(body.get("x_groq")), as_dict(choice))
    return next((usage for place in places if (usage := read_usage(place.get("usage"))) is not None), None)


def _thinking(text: str, opaque: dict[str, Any], origin: str) -> tuple[ThinkingPart, ...]:
    if not text and not opaque:
        return ()
    return (ThinkingPart(text, opaque=opaque or None, origin=origin),)


class ChatStreamDecoder:
    """Events in, chunks out; one per stream."""

    def __init__(self, provider: str, model: str, request_id: str | None, *, think_tags: bool = False) -> None:
        self._provider = provider
        self._model = model
        self._splitter = ThinkSplitter() if think_tags else None
        self._request_id = request_id
        self._id: str | None = None
        self._reported: str | None = None
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._refused = False
        self._calls = ToolCallAssembler()
        self._opaque: dict[str, Any] = {}
        self._goes_on = False  # the last chunk was of a thought or a call, and the next may well be
        self._finish: str | None = None
        self.ended = False  # `[DONE]` came: what follows is no part of the answer
        self._usage: Usage | None = None
        self._cost: float | None = None
        self._others = Others()

    def feed(self, event: SSEEvent) -> StreamChunk | None:
        """Take one event; None when it brings nothing to show.

        Raises:
            ProviderError: the error that the event carries, or PROTOCOL_ERROR when it is no JSON object.
        """
        piece = self._piece_in(event) if self._goes_on else None
        if piece is not None:
            return self._take_piece(piece)
        text = self.text_of(event)
        if text:
            self._goes_on = False
            return StreamChunk(text)
        chunk = self._feed_rare(event)
        self._goes_on = chunk is not None and bool(chunk.thinking or chunk.tool_calls)
        return chunk

    def text_of(self, event: SSEEvent) -> str:
        """The text of an event that brings nothing else, which is taken; "" for all others, which `feed` takes."""
        if self._splitter is not None or event.event == "error":
            return ""
        try:
            text = _decode_text(event.data).choices[0].delta.content
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return ""
        self._text.append(text)
        return text

    def _piece_in(self, event: SSEEvent) -> Piece | None:
        """What goes on with a thought or with a call, of an event that brings nothing else; None for all others."""
        if self._splitter is not None or event.event == "error":
            return None
        try:
            piece = _decode_piece(event.data).choices[0].delta
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        is_thought = bool(piece.reasoning_content or piece.reasoning)
        return piece if is_thought != bool(piece.tool_calls) and (self._thinking or not is_thought) else None

    def _take_piece(self, piece: Piece) -> StreamChunk | None:
        if not piece.tool_calls:
            thought = piece.reasoning_content or piece.reasoning or ""
            self._thinking.append(thought)
            return StreamChunk("", thought)
        call = piece.tool_calls[0]
        shown = self._calls.add(call.index, None, None, call.function.arguments)
        return None if shown is None else StreamChunk(tool_calls=(shown,))

    def _feed_rare(self, event: SSEEvent) -> StreamChunk | None:
        data = event.data.strip()
        if event.event == "error" and data:
            raise self.error(data)
        if data == b"[DONE]":
            self.ended = True
            return None
        if not data:
            return None  # a keep-alive
        try:
            payload = parse_json(data)
        except ValueError:
            if is_keep_alive(data):
                return None
            raise self._fault(ErrorCode.PROTOCOL_ERROR, "an event of the stream is no JSON") from None
        if isinstance(payload, dict) or error_in(payload):
            return self._take(payload)
        if payload is None:
            return None
        raise self._fault(ErrorCode.PROTOCOL_ERROR, "an event of the stream is no JSON object")

    def _take(self, payload: Any) -> StreamChunk | None:
        if error_in(payload):
            raise self._named(classify_payload(payload, provider=self._provider, model=self._model))
        self._id = self._id or as_str(payload.get("id"))
        self._reported = self._reported or as_str(payload.get("model"))
        self._usage = newer_usage(self._usage, _usage_of(payload))
        if payload.get("usage"):
            told = read_cost(payload["usage"])
            self._cost = self._cost if told is None else told
        text = thinking = ""
        deltas: list[ToolCallDelta] = []
        others: list[Other] = [] if self._others.citations else [*read_sources(payload)]
        logprobs: list[TokenLogprob] = []
        for choice in as_list(payload.get("choices")):
            if not isinstance(choice, dict) or choice.get("index"):
                continue  # asked for several answers, the first is given
            self._finish = as_word(choice.get("finish_reason")) or self._finish
            self._usage = newer_usage(self._usage, read_usage(choice.get("usage")))
            delta = choice.get("delta")
            if delta is None and not (self._text or self._thinking or self._calls):
                delta = choice.get("message")  # the answer came whole; some servers also close with it
            if isinstance(delta, dict):
                more_text, more_thinking = self._take_delta(delta, deltas)
                text += more_text
                thinking += more_thinking
                others += others_in(delta, f"{self._provider}/{self._model}")
            if choice.get("logprobs"):
                logprobs += read_logprobs(choice["logprobs"])
        if self._splitter is not None:
            text, thought = self._splitter.feed(text)
            thinking += thought
            self._move_text(self._splitter)
        chunk = self._kept(text, thinking, deltas)
        return self._with_others(chunk, others, logprobs) if others or logprobs else chunk

    def _with_others(
        self, chunk: StreamChunk | None, others: list[Other], logprobs: list[TokenLogprob]
    ) -> StreamChunk | None:
        kept = self._others
        for part in others:
            kept.add(part, sum(map(len, self._text)), 0, 1 if self._thinking else 0)
        kept.logprobs += logprobs
        return msgspec.structs.replace(chunk or StreamChunk(), others=tuple(others), logprobs=tuple(logprobs))

    def _move_text(self, splitter: ThinkSplitter) -> None:
        if splitter.text_was_thinking:
            self._thinking += self._text
            self._text.clear()
            splitter.text_was_thinking = False

    def _kept(self, text: str, thinking: str, deltas: list[ToolCallDelta]) -> StreamChunk | None:
        if text:
            self._text.append(text)
        if thinking:
            self._thinking.append(thinking)
        if not (text or thinking or deltas):
            return None
        return StreamChunk(text, thinking, tuple(deltas))

    def _take_delta(self, delta: dict[str, Any], deltas: list[ToolCallDelta]) -> tuple[str, str]:
        text, thinking = text_and_thinking(delta)
        if thinking and self._opaque.get("field") == DETAILS and is_cumulative(delta):
            thinking = thinking.removeprefix("".join(self._thinking))
        refusal = as_str(delta.get("refusal"))
        if refusal:
            self._refused = True
            text += refusal
        for entry in calls_in(delta):
            part = add_call(self._calls, as_dict(entry).get("index"), entry)
            if part is not None:
                deltas.append(part)
        if "extra_content" in delta:
            self._calls.attach_beside(delta)
        for key, value in opaque_of(delta).items():
            if key == SEALED:
                self._opaque[key] = value
            else:
                join_details(self._opaque.setdefault(key, []), value)
        if thinking and not self._thinking:
            self._opaque.update(came_in(delta))
        return text, thinking

    def error(self, data: bytes) -> ProviderError:
        """The error that an error event stands for."""
        return self._named(classify(None, data, provider=self._provider, model=self._model))

    @property
    def may_end(self) -> bool:
        """Whether a finish reason came: only counts and the end itself are still due."""
        return self._finish is not None

    def finish(self) -> StreamChunk:
        """The last chunk, at the end of the body.

        Raises:
            ProviderError: STREAM_INTERRUPTED when neither a finish reason nor `[DONE]` was seen.
        """
        if self._finish is None and not self.ended:
            raise self._fault(ErrorCode.STREAM_INTERRUPTED, "the stream ended before the answer was finished")
        said = thought = ""
        if self._splitter is not None:
            said, thought = self._splitter.flush()
            self._move_text(self._splitter)
        self._kept(said, thought, [])
        rest = self._calls.finish()
        return StreamChunk(said, thought, rest, finish_reason=self._unified(), usage=self._usage, done=True)

    def response(self) -> CompletionResponse:
        """The answer so far."""
        ended = self._finish is not None or self.ended
        origin = f"{self._provider}/{self._model}"
        return CompletionResponse(
            text="".join(self._text),
            thinking=_thinking("".join(self._thinking), self._opaque, origin),
            tool_calls=self._calls.calls(origin),
            finish_reason=self._unified() if ended else "unknown",
            raw_finish_reason=self._finish,
            usage=self._usage or Usage(),
            model=self._reported or self._model,
            provider=self._provider,
            id=self._id,
            request_id=self._request_id,
            cost=self._cost,
            **self._others.fields(),
        )

    def _unified(self) -> Any:
        return finish_reason(self._finish, has_calls=bool(self._calls), refused=self._refused)

    def _fault(self, code: ErrorCode, message: str) -> ProviderError:
        return self._named(ProviderError(code, message, provider=self._provider, model=self._model))

    def _named(self, error: ProviderError) -> ProviderError:
        error.request_id = error.request_id or self._request_id
        return error
