"""What is asked in one protocol and sent on in another, and the answer's way back: all pairs of the four."""

from __future__ import annotations

import json
import random
from itertools import product

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from providers.accumulate import as_chunks
from providers.types import CompletionRequest, CompletionResponse, StreamChunk, ToolCallDelta, Usage
from providers.validation import validate
from tests.providers.wire import test_round_trip_answers as answers_way
from tests.providers.wire import test_round_trip_requests as requests_way

PAIRS = [pytest.param(*pair, id="-".join(pair)) for pair in product(requests_way.WAYS, repeat=2)]
SOME = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def on(protocol: str, request: CompletionRequest) -> tuple[CompletionRequest, CompletionRequest]:
    """What the protocol can say of a request, and what is read of it there."""
    way = requests_way.WAYS[protocol]
    said = way.said(request)
    wanted = said.response_format
    if protocol in ("chat", "responses") and isinstance(wanted, dict):  # which have a name for it
        said = replace(said, response_format={"name": "answer", **wanted})
    return said, way.server.read_request(requests_way.there(way, said))


@pytest.mark.parametrize(("first", "second"), PAIRS)
@SOME
@given(request=requests_way.requests())
def test_a_request_goes_on_in_another_protocol(first: str, second: str, request: CompletionRequest) -> None:
    """Texts, pictures, calls, results, tools, the format and all parameters that both have words for."""
    said, read = on(first, request)
    assert requests_way.canonical(read) == requests_way.canonical(said)
    said, read = on(second, read)
    assert requests_way.canonical(read) == requests_way.canonical(said)
    validate(read)


def told(protocol: str, answer: CompletionResponse, streamed: bool) -> CompletionResponse:
    """An answer as a client of the protocol reads it."""
    way = answers_way.WAYS[protocol]
    if not streamed:
        return way.decode(json.loads(msgspec.json.encode(way.render(answer))))
    return answers_way.streamed(way, answer, iter(as_chunks(answer, size=3)))


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(("first", "second"), PAIRS)
@SOME
@given(answer=answers_way.answers())
def test_an_answer_goes_back_in_another_protocol(
    first: str, second: str, streamed: bool, answer: CompletionResponse
) -> None:
    """Text, thinking, calls, the finish reason and the counts that both have words for."""
    wanted = answers_way.expected(second, answers_way.expected(first, answer))
    if second == "responses" and first == "ollama":  # a client of Responses takes all counts for given
        wanted = replace(wanted, usage=replace(wanted.usage, cache_read_tokens=0, reasoning_tokens=0))
        wanted = replace(wanted, usage=replace(wanted.usage, cache_write_tokens=0))
    found = told(second, told(first, answer, streamed), streamed)
    assert answers_way.meaning(found) == answers_way.meaning(wanted)


@pytest.mark.parametrize(("first", "second"), PAIRS)
@SOME
@given(answer=answers_way.answers(), seed=st.integers(0, 1000))
def test_interleaved_calls_of_one_protocol_are_told_apart_in_another(
    first: str, second: str, answer: CompletionResponse, seed: int
) -> None:
    """The chunks that our client of the first makes of a mixed stream are what the writer of the second is given."""
    way, other = answers_way.WAYS[first], answers_way.WAYS[second]
    answer = replace(answer, thinking=())
    writer, decoder, lines = way.writer(answer), way.decoder(), way.lines()
    mixed = answers_way.mixed(answer, random.Random(seed))
    data = writer.start() + b"".join(map(writer.chunk, mixed)) + writer.end()
    chunks = [chunk for event in [*lines.feed(data), *lines.flush()] if (chunk := decoder.feed(event)) is not None]
    found = answers_way.streamed(other, decoder.response(), iter([*chunks, decoder.finish()]))
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
    for protocol, way in answers_way.WAYS.items():
        found = answers_way.streamed(way, CompletionResponse(), iter(chunks))
        calls = {(call.id, call.name, str(call.arguments)) for call in found.tool_calls}
        assert calls == {("c7", "f", "{'a': 1}"), ("c3", "g", "{}")}, protocol
