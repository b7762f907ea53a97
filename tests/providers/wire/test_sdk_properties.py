"""Whatever a model answers, the official SDKs read it as it was: plain, and in pieces of any size and order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, get_args

import httpx
import httpx2
import msgspec
import ollama
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from providers.types import (
    CompletionResponse,
    FinishReason,
    StreamChunk,
    ThinkingPart,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from providers.wire import ollama_chat, openai_responses
from providers.wire.writing import Head

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend

HEAD = Head("0123abcd", "m", 1_750_000_000.0)
ORIGIN = "p/m"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SOME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
COUNTS = st.none() | st.integers(0, 10_000)
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


@st.composite
def thoughts(draw: st.DrawFn, place: int) -> ThinkingPart:
    """Plain, sealed with or without a summary, or signed by another vendor."""
    said = draw(SOME)
    kind = draw(st.sampled_from(["plain", "sealed", "hidden", "signed"]))
    if kind in ("plain", "signed"):
        return ThinkingPart(said, signature="s" if kind == "signed" else None, origin=ORIGIN)
    said = f"{place} {said}" if kind == "sealed" else ""
    summary = [{"type": "summary_text", "text": said}] if said else []
    item = {"type": "reasoning", "id": f"rs_{place}", "summary": summary, "encrypted_content": f"seal {place}"}
    return ThinkingPart(said, opaque=item, origin=ORIGIN)


@st.composite
def answers(draw: st.DrawFn) -> CompletionResponse:
    arguments = draw(st.lists(st.dictionaries(TEXTS, JSON, max_size=3), max_size=3))
    calls = tuple(
        ToolCall(f"call_{place}", draw(NAMES), each, msgspec.json.encode(each).decode() if each else draw(EMPTY))
        for place, each in enumerate(arguments)
    )
    return CompletionResponse(
        text=draw(TEXTS),
        thinking=tuple(draw(thoughts(place)) for place in range(draw(st.integers(0, 1)))),
        tool_calls=calls,
        finish_reason=draw(st.sampled_from(get_args(FinishReason))),
        usage=draw(st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)),
        model="m",
        provider="p",
    )


EMPTY = st.sampled_from(["", "{}"])


def pieces(text: str, rng: random.Random) -> Iterator[str]:
    while text:
        size = rng.randint(1, 7)
        yield text[:size]
        text = text[size:]


def chunks(answer: CompletionResponse, rng: random.Random) -> Iterator[StreamChunk]:
    """Thinking, text, and the fragments of all calls interleaved at random, each call's own in order."""
    for part in answer.thinking:
        yield from (StreamChunk(thinking=piece) for piece in pieces(part.text, rng))
    yield from (StreamChunk(piece) for piece in pieces(answer.text, rng))
    left = {place: _deltas(place, call, rng) for place, call in enumerate(answer.tool_calls)}
    begun: list[int] = []
    while left:
        # Vendors begin the calls in order, whatever follows.
        place = rng.choice([each for each in left if each in begun] + [each for each in left if each not in begun][:1])
        begun.append(place)
        yield StreamChunk(tool_calls=(left[place].pop(0),))
        if not left[place]:
            del left[place]
    yield StreamChunk(finish_reason=answer.finish_reason, usage=answer.usage, done=True)


def _deltas(place: int, call: ToolCall, rng: random.Random) -> list[ToolCallDelta]:
    first = ToolCallDelta(place, call.id, call.name)
    return [first, *(ToolCallDelta(place, arguments=piece) for piece in pieces(call.raw_arguments, rng))]


def cut(data: bytes, rng: random.Random) -> Iterator[bytes]:
    """As a network delivers it: in pieces that end anywhere."""
    while data:
        size = rng.choice((1, 5, 40, 400))
        yield data[:size]
        data = data[size:]


class Answering:
    """Both SDKs, over a transport that answers with what it was given last."""

    def __init__(self) -> None:
        self.status, self.kind, self.data = 200, "", lambda: iter([b""])
        self.openai = openai.OpenAI(
            base_url="http://127.0.0.1/v1",
            api_key="k",
            max_retries=0,
            http_client=httpx2.Client(transport=httpx2.MockTransport(lambda _: self._answer(httpx2.Response))),
        )
        self.ollama = ollama.Client(transport=httpx.MockTransport(lambda _: self._answer(httpx.Response)))

    def _answer(self, make: Callable[..., Any]) -> Any:
        return make(self.status, headers={"content-type": self.kind}, content=self.data())

    def whole(self, body: dict[str, Any]) -> None:
        self.kind, self.data = "application/json", lambda: iter([msgspec.json.encode(body)])

    def stream(self, kind: str, data: bytes, rng: random.Random) -> None:
        self.kind, self.data = kind, lambda: cut(data, rng)


@pytest.fixture(scope="module")
def sdks() -> Iterator[Answering]:
    made = Answering()
    yield made
    made.openai.close()
    made.ollama.close()


class Read(NamedTuple):
    """What an SDK made of an answer."""

    text: str
    thinking: str
    calls: list[tuple[str, Any]]
    finish: tuple[Any, ...]
    usage: tuple[int | None, ...] | None


def of_response(reply: Response) -> Read:
    usage = reply.usage
    return Read(
        reply.output_text,
        "".join(part.text for item in reply.output if item.type == "reasoning" for part in item.summary),
        [(item.name, json.loads(item.arguments)) for item in reply.output if item.type == "function_call"],
        (reply.status, reply.incomplete_details and reply.incomplete_details.reason),
        usage
        and (
            usage.input_tokens,
            usage.output_tokens,
            usage.total_tokens,
            usage.input_tokens_details.cached_tokens,
            usage.output_tokens_details.reasoning_tokens,
        ),
    )


ENDS: dict[FinishReason, tuple[str, str | None]] = {
    "length": ("incomplete", "max_output_tokens"),
    "content_filter": ("incomplete", "content_filter"),
    "error": ("failed", None),
}


def wanted_of_responses(answer: CompletionResponse) -> Read:
    """Counts that are not known are told as 0 beside others that are."""
    usage = answer.usage
    told = None
    if (usage.input_tokens, usage.output_tokens) != (None, None):
        given, made = usage.input_tokens or 0, usage.output_tokens or 0
        told = (given, made, given + made, usage.cache_read_tokens or 0, usage.reasoning_tokens or 0)
    return Read(
        answer.text,
        "".join(part.text for part in answer.thinking),
        [(call.name, call.arguments) for call in answer.tool_calls],
        ENDS.get(answer.finish_reason, ("completed", None)),
        told,
    )


def seals(items: Iterable[Any]) -> list[tuple[str | None, str]]:
    """What goes back unread, with the ids that its makers gave."""
    return [
        (None if item.id.startswith("rs_sb") else item.id, item.encrypted_content)
        for item in items
        if item.type == "reasoning" and item.encrypted_content
    ]


def wanted_seals(answer: CompletionResponse) -> list[tuple[str | None, str]]:
    return [
        (part.opaque["id"], part.opaque["encrypted_content"]) if part.opaque else (None, f"{part.signature}~signature")
        for part in answer.thinking
        if part.opaque or part.signature
    ]


MANY = settings(suppress_health_check=list(HealthCheck))


@MANY
@given(answer=answers())
def test_plain_responses(sdks: Answering, answer: CompletionResponse) -> None:
    """By the official SDK, whose models it also fits exactly."""
    body = openai_responses.render_response(answer, HEAD)
    Response.model_validate_json(msgspec.json.encode(body))
    sdks.whole(body)
    reply = sdks.openai.responses.create(model="m", input="hi")
    assert of_response(reply) == wanted_of_responses(answer)
    assert seals(reply.output) == wanted_seals(answer)


@MANY
@given(answer=answers(), seed=st.integers(0, 2**20))
def test_streamed_responses(sdks: Answering, answer: CompletionResponse, seed: int) -> None:
    """The response at the end, what the deltas add up to, and the items as each was done are one and the same."""
    rng = random.Random(seed)
    writer = openai_responses.ResponsesStreamWriter(HEAD, lambda: answer.thinking)
    data = writer.start() + b"".join(map(writer.chunk, chunks(answer, rng))) + writer.end()
    sdks.stream(writer.content_type, data, rng)
    seen = list(sdks.openai.responses.create(model="m", input="hi", stream=True))
    check_order(seen)
    reply = seen[-1].response  # type: ignore[union-attr]  # the last event has it
    found, wanted = of_response(reply), wanted_of_responses(answer)
    assert found == wanted
    assert seals(reply.output) == wanted_seals(answer)
    done = [event.item for event in seen if event.type == "response.output_item.done"]
    assert done == reply.output
    if reply.status == "completed":
        sdks.stream(writer.content_type, data, rng)
        with sdks.openai.responses.stream(model="m", input="hi") as events:
            assert of_response(events.get_final_response()) == found


PIECES = {
    "response.output_text.delta": "response.output_text.done",
    "response.reasoning_summary_text.delta": "response.reasoning_summary_text.done",
    "response.function_call_arguments.delta": "response.function_call_arguments.done",
    "response.custom_tool_call_input.delta": "response.custom_tool_call_input.done",
}


def check_order(events: list[Any]) -> None:
    """Numbers without a gap, one item after the other under one id, pieces that add up, one end."""
    assert [event.sequence_number for event in events] == list(range(len(events)))
    for event in events:
        EVENTS.validate_python(event.model_dump(mode="json", exclude_unset=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    ends = [kind for kind in kinds if kind in ("response.completed", "response.incomplete", "response.failed")]
    assert ends == kinds[-1:]
    open_item: Any = None
    places = 0
    said: dict[str, list[str]] = {}
    for event in events[2:-1]:
        if event.type == "response.output_item.added":
            assert (open_item, event.output_index) == (None, places)
            open_item, places, said = event.item, places + 1, {}
        elif event.type == "response.output_item.done":
            assert (event.output_index, event.item.id) == (places - 1, open_item.id)
            open_item = None
        else:
            assert (event.output_index, event.item_id) == (places - 1, open_item.id)
            said.setdefault(event.type, []).append(getattr(event, "delta", ""))
            for piece, whole in PIECES.items():
                if event.type == whole:
                    told = [getattr(event, name) for name in ("text", "arguments", "input") if hasattr(event, name)]
                    assert told == ["".join(said.get(piece, []))]
    assert open_item is None


# --- Ollama


def of_lines(lines: list[Any]) -> Read:
    last = lines[-1]
    return Read(
        "".join(line.message.content or "" for line in lines),
        "".join(line.message.thinking or "" for line in lines),
        [
            (call.function.name, dict(call.function.arguments))
            for line in lines
            for call in line.message.tool_calls or ()
        ],
        (last.done, last.done_reason),
        (last.prompt_eval_count, last.eval_count),
    )


def wanted_of_ollama(answer: CompletionResponse) -> Read:
    reason = answer.finish_reason
    return Read(
        answer.text,
        "".join(part.text for part in answer.thinking),
        [(call.name, call.arguments) for call in answer.tool_calls],
        (True, reason if reason in ("length", "content_filter", "error") else "stop"),
        (answer.usage.input_tokens, answer.usage.output_tokens),
    )


DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


@MANY
@given(answer=answers())
def test_plain_ollama(sdks: Answering, answer: CompletionResponse) -> None:
    """By the official SDK, with all durations."""
    sdks.whole(ollama_chat.render_response(answer, HEAD, seconds=1.5))
    reply = sdks.ollama.chat("m", [{"role": "user", "content": "hi"}])
    assert of_lines([reply]) == wanted_of_ollama(answer)
    assert [getattr(reply, name) for name in DURATIONS] == [1_500_000_000, 0, 0, 1_500_000_000]


@MANY
@given(answer=answers(), seed=st.integers(0, 2**20))
def test_streamed_ollama(sdks: Answering, answer: CompletionResponse, seed: int) -> None:
    """Every line is one to a reader of text, whatever the model wrote; only the last is done."""
    rng = random.Random(seed)
    writer = ollama_chat.OllamaStreamWriter(HEAD)
    data = writer.start() + b"".join(map(writer.chunk, chunks(answer, rng))) + writer.end(seconds=1.5)
    assert b"" not in data.removesuffix(b"\n").split(b"\n")  # a blank line ends the SDK
    sdks.stream(writer.content_type, data, rng)
    lines = list(sdks.ollama.chat("m", [{"role": "user", "content": "hi"}], stream=True))
    found, wanted = of_lines(lines), wanted_of_ollama(answer)
    assert sorted(found.calls, key=str) == sorted(wanted.calls, key=str)
    assert found._replace(calls=[]) == wanted._replace(calls=[])
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]


@MANY
@given(answer=answers(), seed=st.integers(0, 2**20))
def test_generated_by_ollama(sdks: Answering, answer: CompletionResponse, seed: int) -> None:
    """The older sister, plain and in lines."""
    rng = random.Random(seed)
    whole = ollama_chat.render_response(answer, HEAD, seconds=1.5, generate=True)
    sdks.whole(whole)
    plain = sdks.ollama.generate("m", "hi")
    assert (plain.response, plain.thinking or "") == wanted_of_ollama(answer)[:2]
    writer = ollama_chat.OllamaStreamWriter(HEAD, generate=True)
    data = writer.start() + b"".join(map(writer.chunk, chunks(answer, rng))) + writer.end(seconds=1.5)
    sdks.stream(writer.content_type, data, rng)
    lines = list(sdks.ollama.generate("m", "hi", stream=True))
    assert "".join(line.response for line in lines) == answer.text
    assert "".join(line.thinking or "" for line in lines) == "".join(part.text for part in answer.thinking)
    assert (lines[-1].done, lines[-1].eval_count) == (True, answer.usage.output_tokens)
