"""Sources, likelihoods, speech, pictures and uses of vendors' tools: what is written is read, over all pairs of wires.

What a protocol has no words for is left out, or said otherwise: of speech the words, of a vendor's tool the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from providers.accumulate import as_chunks
from providers.content import placed
from providers.types import (
    AudioPart,
    Citation,
    CompletionResponse,
    ImagePart,
    ServerToolPart,
    StreamChunk,
    TextPart,
    ThinkingPart,
    TokenLogprob,
    ToolCall,
    Usage,
)
from tests.support.answer_ways import PAIRS, WAYS, streamed

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True)
NUMBERS = st.floats(-50, 0, allow_nan=False)
PNG = b"\x89PNG\r\n\x1a\n"
MANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
both = pytest.mark.parametrize("as_stream", [False, True], ids=["plain", "streamed"])

# How a search looks in each protocol that shows one.
CLAUDES = (
    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "a"}},
    {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u"}]},
)
ITEM = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "a"}}
SEARCHES: tuple[tuple[dict[str, Any], ...], ...] = ((), CLAUDES, (ITEM,))


@st.composite
def answers(draw: st.DrawFn) -> CompletionResponse:
    """Thinking, a search, a text with its sources or speech, pictures, calls: all of it, or some."""
    text = draw(TEXTS)
    speech = None
    if not text and draw(st.booleans()):
        speech = AudioPart(draw(st.binary(min_size=1, max_size=9)), None, draw(WORDS), "audio_1", "p")
    thinking = (ThinkingPart(draw(WORDS), origin="p/m"),) if draw(st.booleans()) else ()
    thoughts = len(thinking)
    sources = draw(st.lists(st.tuples(NAMES, WORDS), max_size=2)) if text else []
    pictures = [] if speech else [PNG + data for data in draw(st.lists(st.binary(max_size=5), max_size=2))]
    end = (len(text), 0, thoughts)
    others = [
        *(placed(ServerToolPart(str(block["type"]), block, "p/m"), (0, 0, thoughts)) for block in draw(searches())),
        *([] if speech is None else [placed(speech, end)]),
        *(placed(ImagePart(data=picture, media_type="image/png"), end) for picture in pictures),
    ]
    tokens = draw(st.lists(st.tuples(WORDS, NUMBERS, st.lists(st.tuples(WORDS, NUMBERS), max_size=2)), max_size=3))
    arguments = draw(st.lists(st.dictionaries(NAMES, WORDS, max_size=2), max_size=1))
    return CompletionResponse(
        text=text,
        thinking=thinking,
        tool_calls=tuple(ToolCall("c1", "f", each, json.dumps(each)) for each in arguments),
        citations=tuple(Citation(f"https://{name}.example", title, start=0, end=len(text)) for name, title in sources),
        others=tuple(others),
        logprobs=tuple(TokenLogprob(token, number, tuple(top)) for token, number, top in tokens) if text else None,
        finish_reason="tool_calls" if arguments else "stop",
        usage=Usage(1, 2),
        model="m",
        provider="p",
    )


def searches() -> st.SearchStrategy[tuple[dict[str, Any], ...]]:
    return st.sampled_from(SEARCHES)


HAS_CITATIONS = ("chat", "responses", "anthropic")
HAS_LOGPROBS = ("chat", "responses", "ollama")
HAS_PICTURES = ("chat", "responses")


def said_by(protocol: str, answer: CompletionResponse) -> CompletionResponse:
    """What a protocol can say of an answer."""
    others = []
    text, spoken = answer.text, 0
    for other in answer.others:
        part = other.part
        if isinstance(part, AudioPart) and protocol != "chat":
            text, spoken = text + (part.transcript or ""), len(part.transcript or "")
        elif isinstance(part, ImagePart) and protocol in HAS_PICTURES:
            others.append(replace(other, after=(other.after[0] + spoken, *other.after[1:])))
        elif isinstance(part, AudioPart) or _is_of(protocol, part):
            others.append(other)
    return replace(
        answer,
        text=text,
        others=tuple(others),
        citations=answer.citations if protocol in HAS_CITATIONS else (),
        logprobs=answer.logprobs if protocol in HAS_LOGPROBS else None,
    )


def _is_of(protocol: str, part: object) -> bool:
    """Whether it is a use of a tool that this protocol shows."""
    return isinstance(part, ServerToolPart) and protocol == ("responses" if part.data is ITEM else "anthropic")


def meaning(answer: CompletionResponse) -> dict[str, Any]:
    return {
        "parts": [_shown(part) for part in answer.parts if not (isinstance(part, TextPart) and not part.text)],
        "citations": [(one.url, one.title, one.start, one.end) for one in answer.citations],
        "logprobs": answer.logprobs or None,
    }


def _shown(part: Any) -> Any:
    if isinstance(part, TextPart):
        return part.text, [one.url for one in part.citations]
    if isinstance(part, ImagePart):
        return part.data, part.media_type
    if isinstance(part, AudioPart):
        return part.data, part.transcript, part.id, part.origin
    if isinstance(part, ServerToolPart):
        return part.type, part.data
    return part.text if isinstance(part, ThinkingPart) else (part.name, part.arguments)


def told(protocol: str, answer: CompletionResponse, chunks: Iterator[StreamChunk] | None) -> CompletionResponse:
    """An answer as a client of the protocol reads it."""
    way = WAYS[protocol]
    if chunks is None:
        return way.decode(json.loads(msgspec.json.encode(way.render(answer))))
    return streamed(way, answer, chunks)


def read(protocol: str, answer: CompletionResponse, as_stream: bool) -> CompletionResponse:
    return told(protocol, answer, iter(as_chunks(answer, size=3)) if as_stream else None)


@both
@pytest.mark.parametrize("protocol", WAYS)
@MANY
@given(answer=answers())
def test_what_is_written_is_read(protocol: str, as_stream: bool, answer: CompletionResponse) -> None:
    """In order, with the places of sources, plain and in pieces."""
    assert meaning(read(protocol, answer, as_stream)) == meaning(said_by(protocol, answer))


@both
@pytest.mark.parametrize(("first", "second"), PAIRS)
@FEW
@given(answer=answers())
def test_what_both_protocols_can_say_crosses(
    first: str, second: str, as_stream: bool, answer: CompletionResponse
) -> None:
    wanted = said_by(second, said_by(first, answer))
    assert meaning(read(second, read(first, answer, as_stream), as_stream)) == meaning(wanted)


@pytest.mark.parametrize("protocol", ["chat", "responses", "ollama"])
@MANY
@given(tokens=st.lists(WORDS, min_size=1, max_size=6), numbers=st.lists(NUMBERS, min_size=6, max_size=6))
def test_likelihoods_come_with_their_tokens(protocol: str, tokens: list[str], numbers: list[float]) -> None:
    """As a vendor streams them: a token and its likelihood in one chunk."""
    likely = [TokenLogprob(token, number) for token, number in zip(tokens, numbers, strict=False)]
    chunks = [StreamChunk(one.token, logprobs=(one,)) for one in likely]
    chunks.append(StreamChunk(finish_reason="stop", usage=Usage(1, 1), done=True))
    found = told(protocol, CompletionResponse(model="m"), iter(chunks))
    assert found.text == "".join(tokens)
    assert found.logprobs == tuple(likely)
