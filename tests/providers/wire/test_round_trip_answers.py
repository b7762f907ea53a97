"""What the servers' side writes our clients read: the same answer, plain and streamed, in all four protocols."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from providers.accumulate import as_chunks
from providers.types import (
    CompletionResponse,
    StreamChunk,
    ThinkingPart,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from providers.wire import openai_chat
from tests.support.answer_ways import HEAD, PAIRS, WAYS, streamed

ORIGIN = "p/m"

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SOME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
VALUES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXTS | st.lists(TEXTS, max_size=2)
COUNTS = st.integers(0, 10_000)


@st.composite
def answers(draw: st.DrawFn) -> CompletionResponse:
    thinking = draw(st.none() | SOME)
    arguments = draw(st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=3))
    calls = tuple(
        ToolCall(f"call_{place}", draw(NAMES), each, msgspec.json.encode(each).decode())
        for place, each in enumerate(arguments)
    )
    said = draw(TEXTS)
    finish = draw(st.sampled_from(["stop", "length", "content_filter"]))
    read, written = draw(COUNTS), draw(COUNTS)
    made = 1 + draw(COUNTS)  # a Messages stream begins with one token made, and an end of 0 is taken for no count
    usage = Usage(read + written + draw(COUNTS), made, read, written, draw(COUNTS))
    return CompletionResponse(
        text=said,
        thinking=(ThinkingPart(thinking, origin=ORIGIN),) if thinking else (),
        tool_calls=calls,
        finish_reason="tool_calls" if calls and finish != "length" else finish,
        usage=usage,
        model="m",
        provider="p",
    )


def expected(protocol: str, answer: CompletionResponse) -> CompletionResponse:
    """What each protocol has no words for, left out."""
    if protocol != "ollama":
        return answer
    return replace(answer, usage=Usage(answer.usage.input_tokens, answer.usage.output_tokens))


def meaning(answer: CompletionResponse) -> dict[str, Any]:
    return {
        "text": answer.text,
        "thinking": [(part.text, part.signature, part.origin) for part in answer.thinking],
        "calls": [(call.id, call.name, call.arguments) for call in answer.tool_calls],
        "finish": answer.finish_reason,
        "usage": answer.usage,
        "model": answer.model,
    }


def cut(answer: CompletionResponse, size: int) -> Iterator[StreamChunk]:
    """The answer as a vendor streams it: text in pieces, calls one after the other in fragments."""
    for chunk in as_chunks(answer, size=size):
        if not chunk.tool_calls:
            yield chunk
            continue
        place = chunk.tool_calls[0].index
        for delta in _fragments(place, answer.tool_calls[place], size):
            yield StreamChunk(tool_calls=(delta,))


def mixed(answer: CompletionResponse, rng: random.Random) -> Iterator[StreamChunk]:
    """The calls' fragments interleaved at random, each call's own in order."""
    yield StreamChunk(answer.text)
    left = {place: list(_fragments(place, call)) for place, call in enumerate(answer.tool_calls)}
    while left:
        place = rng.choice(list(left))
        yield StreamChunk(tool_calls=(left[place].pop(0),))
        if not left[place]:
            del left[place]
    yield StreamChunk(finish_reason=answer.finish_reason, usage=answer.usage, done=True)


def _fragments(place: int, call: ToolCall, size: int = 3) -> Iterator[ToolCallDelta]:
    yield ToolCallDelta(place, call.id, call.name)
    for start in range(0, len(call.raw_arguments), size):
        yield ToolCallDelta(place, arguments=call.raw_arguments[start : start + size])


@pytest.mark.parametrize("protocol", WAYS)
@given(answer=answers())
def test_a_plain_answer_is_read_as_it_was(protocol: str, answer: CompletionResponse) -> None:
    """Text, thinking, calls, finish reason, usage and model."""
    body = json.loads(msgspec.json.encode(WAYS[protocol].render(answer)))
    assert meaning(WAYS[protocol].decode(body)) == meaning(expected(protocol, answer))


@pytest.mark.parametrize("protocol", WAYS)
@given(answer=answers(), size=st.integers(1, 9))
def test_a_streamed_answer_is_read_as_it_was(protocol: str, answer: CompletionResponse, size: int) -> None:
    """The same, in pieces of any size."""
    found = streamed(WAYS[protocol], answer, cut(answer, size))
    assert meaning(found) == meaning(expected(protocol, answer))


@pytest.mark.parametrize("protocol", WAYS)
@given(answer=answers(), seed=st.integers(0, 1000))
def test_interleaved_calls_are_told_apart(protocol: str, answer: CompletionResponse, seed: int) -> None:
    """Vendors may send the fragments of several calls mixed: no client is given a mixture."""
    answer = replace(answer, thinking=())
    found = streamed(WAYS[protocol], answer, mixed(answer, random.Random(seed)))
    wanted, got = meaning(expected(protocol, answer)), meaning(found)
    assert sorted(got.pop("calls"), key=str) == sorted(wanted.pop("calls"), key=str)
    assert got == wanted


@pytest.mark.parametrize("as_stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("text", ["hm", ""])
def test_seals_of_thinking_are_given_out(text: str, as_stream: bool) -> None:
    """Signatures and sealed reasoning leave with the thinking that they belong to, or alone where it has no text."""
    summary = [{"type": "summary_text", "text": text}] if text else []
    item = {"type": "reasoning", "id": "rs_9", "summary": summary, "encrypted_content": "sealed"}
    redacted = {"type": "redacted_thinking", "data": "sealed"}
    signed = ThinkingPart("hm", "signature", origin=ORIGIN)
    hidden = ThinkingPart("", opaque=redacted, origin=ORIGIN)
    for protocol, part in (
        ("anthropic", signed if text else hidden),
        ("responses", ThinkingPart(text, opaque=item, origin=ORIGIN)),
    ):
        way = WAYS[protocol]
        answer = CompletionResponse(text="so", thinking=(part,), finish_reason="stop", model="m")
        if as_stream:
            found = streamed(way, answer, iter(as_chunks(answer)))
        else:
            found = way.decode(json.loads(msgspec.json.encode(way.render(answer))))
        assert found.thinking == (part,)
        assert found.text == "so"


def test_unknown_usage_is_not_told_as_nothing() -> None:
    """Where no counts are known, none are told; a stream tells them only when it was asked to."""
    answer = CompletionResponse(text="a", finish_reason="stop", model="m")
    for protocol, way in WAYS.items():
        if protocol != "anthropic":  # which has no way to say so
            assert way.decode(json.loads(msgspec.json.encode(way.render(answer)))).usage == Usage(), protocol
    writer = openai_chat.ChatStreamWriter(HEAD, usage=False)
    done = StreamChunk("a", finish_reason="stop", usage=Usage(1, 1), done=True)
    assert b"usage" not in writer.start() + writer.chunk(done) + writer.end()


@pytest.mark.parametrize("protocol", WAYS)
def test_a_new_beginning_cannot_be_told(protocol: str) -> None:
    """A chunk with which the answer begins anew is a mistake of the caller."""
    writer = WAYS[protocol].writer(CompletionResponse())
    writer.start()
    with pytest.raises(ValueError, match="begins anew"):
        writer.chunk(StreamChunk(restarted=True))


# --- from one protocol to another


def told(protocol: str, answer: CompletionResponse, as_stream: bool) -> CompletionResponse:
    """An answer as a client of the protocol reads it."""
    way = WAYS[protocol]
    if not as_stream:
        return way.decode(json.loads(msgspec.json.encode(way.render(answer))))
    return streamed(way, answer, iter(as_chunks(answer, size=3)))


@pytest.mark.parametrize("as_stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(("first", "second"), PAIRS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(answer=answers())
def test_an_answer_goes_back_in_another_protocol(
    first: str, second: str, as_stream: bool, answer: CompletionResponse
) -> None:
    """Text, thinking, calls, the finish reason and the counts that both have words for."""
    wanted = expected(second, expected(first, answer))
    if second == "responses" and first == "ollama":  # a client of Responses takes all counts for given
        wanted = replace(wanted, usage=replace(wanted.usage, cache_read_tokens=0, reasoning_tokens=0))
        wanted = replace(wanted, usage=replace(wanted.usage, cache_write_tokens=0))
    found = told(second, told(first, answer, as_stream), as_stream)
    assert meaning(found) == meaning(wanted)


@pytest.mark.parametrize(("first", "second"), PAIRS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(answer=answers(), seed=st.integers(0, 1000))
def test_interleaved_calls_of_one_protocol_are_told_apart_in_another(
    first: str, second: str, answer: CompletionResponse, seed: int
) -> None:
    """The chunks that our client of the first makes of a mixed stream are what the writer of the second is given."""
    way, other = WAYS[first], WAYS[second]
    answer = replace(answer, thinking=())
    writer, decoder, lines = way.writer(answer), way.decoder(), way.lines()
    data = writer.start() + b"".join(map(writer.chunk, mixed(answer, random.Random(seed)))) + writer.end()
    chunks = [chunk for event in [*lines.feed(data), *lines.flush()] if (chunk := decoder.feed(event)) is not None]
    found = streamed(other, decoder.response(), iter([*chunks, decoder.finish()]))
    calls = {(call.id, call.name, str(call.arguments)) for call in answer.tool_calls}
    assert {(call.id, call.name, str(call.arguments)) for call in found.tool_calls} == calls
    assert found.text == answer.text


def test_a_gap_in_the_numbers_of_calls() -> None:
    """Vendors number calls as they like, and begin a call within another's arguments."""
    chunks = [
        StreamChunk(tool_calls=(ToolCallDelta(7, "c7", "f", '{"a"'), ToolCallDelta(3, "c3", "g", "{}"))),
        StreamChunk(tool_calls=(ToolCallDelta(7, arguments=": 1}"),)),
        StreamChunk(finish_reason="tool_calls", usage=Usage(1, 1), done=True),
    ]
    for protocol, way in WAYS.items():
        found = streamed(way, CompletionResponse(), iter(chunks))
        calls = {(call.id, call.name, str(call.arguments)) for call in found.tool_calls}
        assert calls == {("c7", "f", "{'a': 1}"), ("c3", "g", "{}")}, protocol
