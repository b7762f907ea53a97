"""Any answer, streamed in any chunks, and what the official SDKs and our own clients read of it; without a socket."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import openai
from hypothesis import strategies as st

from providers.transport.lines import SSEDecoder
from providers.turns import in_order
from providers.types import (
    CompletionResponse,
    StreamChunk,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from providers.wire.writing import Head, StreamWriter

HEAD = Head("0123abcd", "m", 1_750_000_000.0, input_tokens=3)
USER: Any = [{"role": "user", "content": "hi"}]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SOME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,12}", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
COUNTS = st.none() | st.integers(0, 10_000)
FINISHES = {  # ours: OpenAI's and Anthropic's
    "stop": ("stop", "end_turn"),
    "length": ("length", "max_tokens"),
    "tool_calls": ("tool_calls", "tool_use"),
    "content_filter": ("content_filter", "refusal"),
    "error": ("stop", "end_turn"),
    "unknown": ("stop", "end_turn"),
}


@st.composite
def answers(draw: st.DrawFn) -> CompletionResponse:
    """Thinking, also between texts, also sealed; text; calls, whose arguments are written in any way."""
    first, second = draw(TEXTS), draw(TEXTS)
    thinking = []
    if draw(st.booleans()):
        thinking.append(ThinkingPart(draw(SOME), draw(st.none() | NAMES)))
    if draw(st.booleans()):
        thinking.append(ThinkingPart("", opaque={"type": "redacted_thinking", "data": draw(NAMES)}))
    if first and draw(st.booleans()):
        thinking.append(ThinkingPart(draw(SOME), draw(st.none() | NAMES), after=(len(first), 0)))
    calls = []
    for place, sent in enumerate(draw(st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=3))):
        raw = draw(st.sampled_from([json.dumps(sent), json.dumps(sent, indent=1, ensure_ascii=False)]))
        if not sent:
            raw = draw(st.sampled_from(["", "{}"]))
        calls.append(ToolCall(f"call_{place}", draw(NAMES), sent, raw))
    read, written = draw(COUNTS), draw(COUNTS)
    fresh = draw(COUNTS)
    total = None if fresh is None else fresh + (read or 0) + (written or 0)
    return CompletionResponse(
        text=first + second,
        thinking=tuple(thinking),
        tool_calls=tuple(calls),
        finish_reason=draw(st.sampled_from(sorted(FINISHES))),
        usage=Usage(total, draw(COUNTS), read, written, draw(COUNTS)),
        model="m",
        provider="p",
    )


def chunks(
    answer: CompletionResponse, rng: random.Random, known: list[ThinkingPart] | None = None
) -> Iterator[StreamChunk]:
    """The answer as vendors stream it: in pieces of any size, the calls' fragments interleaved, each call's in order.

    Args:
        known: where the thinking that has ended is kept, as a router's stream keeps it.
    """
    fragments: list[list[ToolCallDelta]] = []
    for piece in in_order(answer.message, lambda _: True):
        if isinstance(piece, ThinkingPart):
            yield from (StreamChunk(thinking=part) for part in cut(piece.text, rng))
            if known is not None:
                known.append(piece)
        elif isinstance(piece, TextPart):
            yield from (StreamChunk(part) for part in cut(piece.text, rng))
        elif isinstance(piece, ToolCall):
            index = 2 * len(fragments) + 1  # some vendors count from 1, or leave gaps
            fragments.append(
                [
                    ToolCallDelta(index, piece.id, piece.name),
                    *(ToolCallDelta(index, arguments=part) for part in cut(piece.raw_arguments, rng)),
                ]
            )
    while fragments:
        chosen = rng.choice(fragments)
        yield StreamChunk(tool_calls=(chosen.pop(0),))
        fragments = [left for left in fragments if left]
    yield StreamChunk(finish_reason=answer.finish_reason)
    yield StreamChunk(usage=answer.usage, done=True)


def cut(text: str, rng: random.Random) -> Iterator[str]:
    while text:
        size = rng.randint(1, len(text))
        yield text[:size]
        text = text[size:]


def cut_bytes(data: bytes, rng: random.Random) -> Iterator[bytes]:
    """As a network may give them: also within a character."""
    while data:
        size = rng.choice([1, 7, 40, 1000])
        yield data[:size]
        data = data[size:]


def transport(parts: Callable[[], Iterator[bytes]], kind: str) -> httpx2.Client:
    def answered(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": kind}, content=parts())

    return httpx2.Client(transport=httpx2.MockTransport(answered))


def openai_sdk(data: bytes, kind: str = "application/json", seed: int = 0) -> openai.OpenAI:
    client = transport(lambda: cut_bytes(data, random.Random(seed)), kind)
    return openai.OpenAI(base_url="http://sdk.test/v1", api_key="k", max_retries=0, http_client=client)


def anthropic_sdk(data: bytes, kind: str = "application/json", seed: int = 0) -> anthropic.Anthropic:
    client = transport(lambda: cut_bytes(data, random.Random(seed)), kind)
    return anthropic.Anthropic(base_url="http://sdk.test", api_key="k", max_retries=0, http_client=client)


def written(writer: StreamWriter, pieces: Iterator[StreamChunk]) -> bytes:
    return writer.start() + b"".join(writer.chunk(chunk) for chunk in pieces) + writer.end()


def events(data: bytes) -> list[Any]:
    """The events' data; the end of OpenAI's streams as a string."""
    found = []
    for block in data.decode().removesuffix("\n\n").split("\n\n"):
        payload = block.rpartition("data: ")[2]
        found.append(payload if payload == "[DONE]" else json.loads(payload))
    return found


def calls_of(answer: CompletionResponse) -> list[tuple[str, str, Any]]:
    return [(call.id, call.name, call.arguments) for call in answer.tool_calls]


def read_back(data: bytes, decoder: Any) -> CompletionResponse:
    """What our own client reads of a stream."""
    lines = SSEDecoder()
    for event in [*lines.feed(data), *lines.flush()]:
        decoder.feed(event)
    decoder.finish()
    found: CompletionResponse = decoder.response()
    return found
