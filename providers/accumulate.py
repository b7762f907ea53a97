"""Chunks put together again into the answer that they are pieces of."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.answer_parts import Others
from providers.lenient_json import meant_arguments
from providers.types import (
    CompletionResponse,
    FinishReason,
    StreamChunk,
    ThinkingPart,
    ToolCall,
    ToolCallDelta,
    Usage,
)


class Accumulator:
    """Collects the chunks of one stream; `response()` is the answer so far."""

    __slots__ = ("_calls", "_finish", "_model", "_opaque", "_others", "_provider", "_text", "_thinking", "_usage")

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._opaque: dict[int, dict[str, Any]] = {}  # of calls
        self._finish: FinishReason = "unknown"
        self._usage = Usage()
        self._others = Others()

    def add(self, chunk: StreamChunk) -> None:
        if chunk.restarted:
            self._text, self._thinking, self._calls, self._opaque = [], [], {}, {}
            self._others = Others()
        if chunk.text:
            self._text.append(chunk.text)
        if chunk.thinking:
            self._thinking.append(chunk.thinking)
        for delta in chunk.tool_calls:
            self._add_call(delta)
        for part in chunk.others:
            self._others.add(part, sum(map(len, self._text)), len(self._calls), 1 if self._thinking else 0)
        if chunk.logprobs:
            self._others.logprobs += chunk.logprobs
        if chunk.finish_reason is not None:
            self._finish = chunk.finish_reason
        if chunk.usage is not None:
            self._usage = chunk.usage

    def _add_call(self, delta: ToolCallDelta) -> None:
        call = self._calls.setdefault(delta.index, ["", "", ""])
        call[0] = delta.id or call[0]
        call[1] = delta.name or call[1]
        call[2] += delta.arguments
        if delta.opaque is not None:
            self._opaque[delta.index] = delta.opaque

    def response(self) -> CompletionResponse:
        thinking = "".join(self._thinking)
        origin = f"{self._provider}/{self._model}"
        return CompletionResponse(
            text="".join(self._text),
            thinking=(ThinkingPart(thinking, origin=origin),) if thinking else (),
            tool_calls=tuple(self._call(index, origin) for index in sorted(self._calls)),
            finish_reason=self._finish,
            usage=self._usage,
            model=self._model,
            provider=self._provider,
            **self._others.fields(),
        )

    def _call(self, index: int, origin: str) -> ToolCall:
        id_, name, raw = self._calls[index]
        opaque = self._opaque.get(index)
        return ToolCall(id_, name, parse_arguments(raw), raw, opaque, None if opaque is None else origin)


def parse_arguments(raw: str) -> dict[str, Any] | None:
    """The arguments of a tool call as a dict; `{}` for none, None when they are not a JSON object."""
    raw = meant_arguments(raw)
    if not raw.strip():
        return {}
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def newer_usage(known: Usage | None, told: Usage | None) -> Usage | None:
    """The counts after a further report. Reports are cumulative, and some servers end with zeros after real counts.

    So a report of a prompt, or of an output, counts where any of its numbers is more than 0.
    """
    if known is None or told is None:
        return known or told
    prompt = (told, known) if told.input_tokens or told.cache_read_tokens or told.cache_write_tokens else (known, told)
    output = (told, known) if told.output_tokens or told.reasoning_tokens else (known, told)
    return Usage(
        _first(prompt[0].input_tokens, prompt[1].input_tokens),
        _first(output[0].output_tokens, output[1].output_tokens),
        _first(prompt[0].cache_read_tokens, prompt[1].cache_read_tokens),
        _first(prompt[0].cache_write_tokens, prompt[1].cache_write_tokens),
        _first(output[0].reasoning_tokens, output[1].reasoning_tokens),
        _first(prompt[0].cache_write_1h_tokens, prompt[1].cache_write_1h_tokens),
    )


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def _texts(response: CompletionResponse, step: int) -> list[StreamChunk]:
    """The text in pieces, what stands between them, and the logprobs with the first. Sources come where the text ends
    that they are for, before what follows it.
    """
    chunks: list[StreamChunk] = []
    text, said, logprobs, left = response.text, 0, response.logprobs or (), list(response.citations)
    for end, part in [*((other.after[0], other.part) for other in response.others), (len(text), None)]:
        for start in range(said, end, step):
            chunks.append(StreamChunk(text=text[start : min(start + step, end)], logprobs=logprobs))
            logprobs = ()
        said = max(said, end)
        ended = tuple(one for one in left if said >= len(text) or (one.end is not None and one.end <= said))
        if ended:
            left = [one for one in left if one not in ended]
            chunks.append(StreamChunk(others=ended))
        if part is not None:
            chunks.append(StreamChunk(others=(part,)))
    return [*chunks, StreamChunk(logprobs=logprobs)] if logprobs else chunks


def as_chunks(response: CompletionResponse, *, size: int = 0) -> list[StreamChunk]:
    """The chunks that a whole answer would have come in; `size` characters of text each, 0 = all at once."""
    chunks = [StreamChunk(thinking=part.text) for part in response.thinking if part.text]
    chunks += _texts(response, size or len(response.text) or 1)
    for index, call in enumerate(response.tool_calls):
        delta = ToolCallDelta(index, call.id, call.name, call.raw_arguments, call.opaque)
        chunks.append(StreamChunk(tool_calls=(delta,)))
    chunks.append(StreamChunk(finish_reason=response.finish_reason, usage=response.usage, done=True))
    return chunks
