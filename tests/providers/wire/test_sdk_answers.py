"""Any answer goes through the official SDKs as it was: plain, and streamed in any chunks, cut anywhere."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import anthropic
import httpx2
import msgspec
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from providers.accumulate import as_chunks
from providers.anthropic.decode import MessagesStreamDecoder
from providers.anthropic.decode import decode as decode_message
from providers.openai.chat_decode import ChatStreamDecoder
from providers.openai.chat_decode import decode as decode_chat
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
from providers.wire import anthropic_messages, openai_chat, openai_completions
from providers.wire.writing import Head, StreamWriter

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend

HEAD = Head("0123abcd", "m", 1_750_000_000.0, input_tokens=3)
USER: Any = [{"role": "user", "content": "hi"}]
EXAMPLES = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# --- answers

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


# --- the SDKs


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


# --- chat


def check_chat(reply: Any, answer: CompletionResponse, usage: bool = True) -> None:
    (choice,) = reply.choices
    message = choice.message
    assert (reply.id, reply.created, reply.model) == ("chatcmpl-0123abcd", 1_750_000_000, "m")
    assert (message.content or "") == answer.text
    assert getattr(message, "reasoning_content", "") == "".join(part.text for part in answer.thinking)
    found = [
        (call.id, call.function.name, json.loads(call.function.arguments or "{}")) for call in message.tool_calls or ()
    ]
    assert sorted(found, key=str) == calls_of(answer)
    assert choice.finish_reason == FINISHES[answer.finish_reason][0]
    counts = answer.usage
    if not usage or (counts.input_tokens is None and counts.output_tokens is None):
        assert reply.usage is None
        return
    made, given = counts.output_tokens or 0, counts.input_tokens or 0
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (given, made)
    assert reply.usage.total_tokens == given + made
    assert reply.usage.prompt_tokens_details.cached_tokens == counts.cache_read_tokens
    assert reply.usage.completion_tokens_details.reasoning_tokens == counts.reasoning_tokens


@EXAMPLES
@given(answer=answers())
def test_chat_plain(answer: CompletionResponse) -> None:
    """Text, thinking, calls, finish reason and usage; no text beside calls is null."""
    data = msgspec.json.encode(openai_chat.render_response(answer, HEAD))
    reply = openai_sdk(data).chat.completions.create(model="m", messages=USER)
    if not answer.thinking:
        assert not hasattr(reply.choices[0].message, "reasoning_content")
        reply.choices[0].message.reasoning_content = ""  # type: ignore[attr-defined]  # a field of other servers
    elif not any(part.text for part in answer.thinking):
        reply.choices[0].message.reasoning_content = ""  # type: ignore[attr-defined]  # as above
    check_chat(reply, answer)
    if answer.tool_calls and not answer.text:
        assert reply.choices[0].message.content is None
    found = decode_chat(json.loads(data), provider="p", model="m", request_id=None)
    assert (found.text, calls_of(found)) == (answer.text, calls_of(answer))


@EXAMPLES
@given(answer=answers(), seed=st.integers(0, 1000), usage=st.booleans())
def test_chat_streamed(answer: CompletionResponse, seed: int, usage: bool) -> None:
    """The same, put together by the SDK; the usage only where it was asked for."""
    rng = random.Random(seed)
    writer = openai_chat.ChatStreamWriter(HEAD, usage=usage)
    data = written(writer, chunks(answer, rng))
    with openai_sdk(data, writer.content_type, seed).chat.completions.stream(model="m", messages=USER) as stream:
        reply = stream.until_done().current_completion_snapshot  # the final one is refused where it was cut
    if not any(part.text for part in answer.thinking):
        reply.choices[0].message.reasoning_content = ""  # type: ignore[attr-defined]  # a field of other servers
    check_chat(reply, answer, usage)
    assert len(
        list(openai_sdk(data, writer.content_type).chat.completions.create(model="m", messages=USER, stream=True))
    )
    found = read_back(data, ChatStreamDecoder("p", "m", None))
    assert (found.text, sorted(calls_of(found), key=str)) == (answer.text, calls_of(answer))


@EXAMPLES
@given(answer=answers(), seed=st.integers(0, 1000), usage=st.booleans())
def test_the_form_of_a_chat_stream(answer: CompletionResponse, seed: int, usage: bool) -> None:
    """The role first; ids and names once; calls counted from 0; the reason alone; usage without choices; the end."""
    *told, end = events(written(openai_chat.ChatStreamWriter(HEAD, usage=usage), chunks(answer, random.Random(seed))))
    assert end == "[DONE]"
    assert {(each["id"], each["created"], each["object"], each["model"]) for each in told} == {
        ("chatcmpl-0123abcd", 1_750_000_000, "chat.completion.chunk", "m")
    }
    counted = [each for each in told if not each["choices"]]
    known = answer.usage.input_tokens is not None or answer.usage.output_tokens is not None
    assert counted == (told[-1:] if usage and known else [])
    assert all(("usage" in each) is usage for each in told)
    choices = [each["choices"][0] for each in told if each["choices"]]
    assert choices[0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert choices[-1]["delta"] == {}
    reasons = [choice["finish_reason"] for choice in choices]
    assert reasons == [None] * (len(choices) - 1) + [FINISHES[answer.finish_reason][0]]
    assert sum("role" in choice["delta"] for choice in choices) == 1
    entries = [entry for choice in choices for entry in choice["delta"].get("tool_calls", ())]
    named = [(entry["index"], entry["id"], entry["function"]["name"]) for entry in entries if "id" in entry]
    assert [index for index, _, _ in named] == list(range(len(answer.tool_calls)))
    assert sorted(named, key=lambda entry: entry[1]) == sorted(
        ((index, call.id, call.name) for call in answer.tool_calls for index, ident, _ in named if ident == call.id),
        key=lambda entry: entry[1],
    )
    assert all(set(entry["function"]) == {"arguments"} for entry in entries if "id" not in entry)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_function_is_called_as_its_client_knows_it(stream: bool) -> None:
    """Who offers `functions` reads `function_call`."""
    body = {"model": "m", "messages": USER, "functions": [{"name": "look"}]}
    assert openai_chat.wants_function_call(body)
    assert not openai_chat.wants_function_call({"model": "m", "messages": USER, "functions": []})
    calls = tuple(ToolCall(f"c{place}", "look", {"at": place}, json.dumps({"at": place})) for place in range(2))
    answer = CompletionResponse(tool_calls=calls, finish_reason="tool_calls", model="m")
    if stream:
        writer = openai_chat.ChatStreamWriter(HEAD, function_call=True)
        data = written(writer, iter(as_chunks(answer)))
        sdk = openai_sdk(data, writer.content_type)
        deltas = [chunk.choices[0] for chunk in sdk.chat.completions.create(model="m", messages=USER, stream=True)]
        found = [choice.delta.function_call for choice in deltas if choice.delta.function_call]
        assert [call.name for call in found if call.name] == ["look"]
        assert json.loads("".join(call.arguments or "" for call in found)) == {"at": 0}
        assert not any(choice.delta.tool_calls for choice in deltas)
        assert deltas[-1].finish_reason == "function_call"
    else:
        data = msgspec.json.encode(openai_chat.render_response(answer, HEAD, function_call=True))
        (choice,) = openai_sdk(data).chat.completions.create(model="m", messages=USER).choices
        assert choice.message.function_call is not None
        assert choice.message.function_call.name == "look"
        assert (choice.message.content, choice.message.tool_calls) == (None, None)
        assert choice.finish_reason == "function_call"


# --- completions


@EXAMPLES
@given(answer=answers(), seed=st.integers(0, 1000), usage=st.booleans())
def test_completions(answer: CompletionResponse, seed: int, usage: bool) -> None:
    """The older protocol: the text, why it ended, and the usage."""
    data = msgspec.json.encode(openai_completions.render_response(answer, HEAD))
    reply = openai_sdk(data).completions.create(model="m", prompt="hi")
    writer = openai_completions.CompletionStreamWriter(HEAD, usage=usage)
    data = written(writer, chunks(answer, random.Random(seed)))
    sdk = openai_sdk(data, writer.content_type, seed)
    told = list(sdk.completions.create(model="m", prompt="hi", stream=True))
    choices = [each.choices[0] for each in told if each.choices]
    finish = FINISHES[answer.finish_reason][0].replace("tool_calls", "stop")
    assert (reply.id, reply.object) == ("cmpl-0123abcd", "text_completion")
    assert {(each.id, each.object) for each in told} == {(reply.id, reply.object)}
    assert reply.choices[0].text == "".join(choice.text for choice in choices) == answer.text
    assert (reply.choices[0].finish_reason, choices[-1].finish_reason) == (finish, finish)
    assert [choice.finish_reason for choice in choices[:-1]] == [None] * (len(choices) - 1)
    assert [each.usage for each in told if each.usage] == ([reply.usage] if usage and reply.usage else [])
    assert data.endswith(b"data: [DONE]\n\n")


# --- Anthropic


def blocks_of(content: Sequence[Any]) -> list[Any]:
    """The blocks, those of calls last and in one order: their fragments come in any."""
    found = [
        {
            "thinking": lambda block: (block.thinking, block.signature),
            "redacted_thinking": lambda block: block.data,
        }.get(
            block.type, lambda block: (block.id, block.name, block.input) if block.type == "tool_use" else block.text
        )(block)
        for block in content
    ]
    return sorted(found, key=lambda entry: str(entry) if isinstance(entry, tuple) and len(entry) == 3 else "")


def meant(answer: CompletionResponse) -> list[Any]:
    found: list[Any] = []
    for piece in in_order(answer.message, lambda _: True):
        if isinstance(piece, ThinkingPart):
            found.append(piece.opaque["data"] if piece.opaque else (piece.text, piece.signature or ""))
        elif isinstance(piece, ToolCall):
            found.append((piece.id, piece.name, piece.arguments))
        elif isinstance(piece, TextPart):
            found.append(piece.text)
    return found


def check_message(reply: Any, answer: CompletionResponse, unknown: int) -> None:
    assert (reply.id, reply.model, reply.role, reply.type) == ("msg_0123abcd", "m", "assistant", "message")
    assert reply.stop_reason == FINISHES[answer.finish_reason][1]
    counts = answer.usage
    cached = (counts.cache_read_tokens or 0) + (counts.cache_write_tokens or 0)
    known = counts.input_tokens
    assert reply.usage.input_tokens == (unknown if known is None else known - cached)
    assert reply.usage.output_tokens == (counts.output_tokens or 0)
    assert reply.usage.cache_read_input_tokens == counts.cache_read_tokens
    assert reply.usage.cache_creation_input_tokens == counts.cache_write_tokens


@EXAMPLES
@given(answer=answers())
def test_a_message_plain(answer: CompletionResponse) -> None:
    """Blocks in the order in which they were made, with what seals them; calls without arguments have an object."""
    data = msgspec.json.encode(anthropic_messages.render_response(answer, HEAD))
    reply = anthropic_sdk(data).messages.create(model="m", max_tokens=9, messages=USER)
    check_message(reply, answer, unknown=0)
    assert blocks_of(reply.content) == (meant(answer) or [""])
    found = decode_message(json.loads(data), provider="p", model="m", request_id=None)
    assert (found.text, calls_of(found)) == (answer.text, calls_of(answer))


@EXAMPLES
@given(answer=answers(), seed=st.integers(0, 1000))
def test_a_message_streamed(answer: CompletionResponse, seed: int) -> None:
    """The same, put together by the SDK; what the beginning told of the prompt stands where nothing better is known."""
    data, kind = message_stream(answer, seed)
    with anthropic_sdk(data, kind, seed).messages.stream(model="m", max_tokens=9, messages=USER) as stream:
        reply = stream.get_final_message()
    check_message(reply, answer, unknown=3)
    assert blocks_of(reply.content) == meant(answer)
    found = read_back(data, MessagesStreamDecoder("p", "m", None))
    assert (found.text, sorted(calls_of(found), key=str)) == (answer.text, calls_of(answer))
    assert [(part.text, part.signature) for part in found.thinking] == [
        (part.text, part.signature) for part in answer.thinking
    ]


@EXAMPLES
@given(answer=answers(), seed=st.integers(0, 1000))
def test_the_form_of_a_message_stream(answer: CompletionResponse, seed: int) -> None:
    """Blocks one after the other, each begun and ended; a signature just before the end; the counts last."""
    data, _ = message_stream(answer, seed)
    told = events(data)
    names = [line.removeprefix("event: ") for line in data.decode().split("\n") if line.startswith("event: ")]
    assert names == [each["type"] for each in told]
    told = [each for each in told if each["type"] != "ping"]
    assert len(names) - len(told) <= 1
    first, *inner, counts, end = told
    assert (first["type"], counts["type"], end["type"]) == ("message_start", "message_delta", "message_stop")
    assert first["message"]["content"] == []
    place = -1
    opened: list[Any] = []
    for each in inner:
        kind = each["type"]
        if kind == "content_block_start":
            assert not opened
            place += 1
        assert each["index"] == place
        opened.append(each)
        if kind == "content_block_stop":
            check_block(opened)
            opened = []
    assert not opened


def check_block(told: list[Any]) -> None:
    start, *deltas, _ = told
    kinds = [each["delta"]["type"] for each in deltas]
    begun = start["content_block"]
    if begun["type"] == "tool_use":
        assert begun["input"] == {}
        assert kinds
        assert set(kinds) == {"input_json_delta"}
        json.loads("".join(each["delta"]["partial_json"] for each in deltas))
    elif begun["type"] == "thinking":
        assert "signature_delta" not in kinds[:-1]
        assert set(kinds) <= {"thinking_delta", "signature_delta"}
    else:
        assert set(kinds) <= {"text_delta"}


def message_stream(answer: CompletionResponse, seed: int) -> tuple[bytes, str]:
    known: list[ThinkingPart] = []
    writer = anthropic_messages.MessagesStreamWriter(HEAD, lambda: known)
    return written(writer, chunks(answer, random.Random(seed), known)), writer.content_type


def read_back(data: bytes, decoder: Any) -> CompletionResponse:
    """What our own client reads of a stream."""
    lines = SSEDecoder()
    for event in [*lines.feed(data), *lines.flush()]:
        decoder.feed(event)
    decoder.finish()
    found: CompletionResponse = decoder.response()
    return found


def test_a_stop_sequence_is_told_where_it_is_known() -> None:
    """By the vendor's own word, plain and at a stream's end; never in the place of a call."""
    answer = CompletionResponse(text="a", finish_reason="stop", raw_finish_reason="stop_sequence", model="m")
    assert anthropic_messages.render_response(answer, HEAD)["stop_reason"] == "stop_sequence"
    called = replace(answer, tool_calls=(ToolCall("c", "f", {}),), finish_reason="tool_calls")
    assert anthropic_messages.render_response(called, HEAD)["stop_reason"] == "tool_use"
    for word, reason in (("stop_sequence", "stop_sequence"), (None, "end_turn")):
        writer = anthropic_messages.MessagesStreamWriter(HEAD)
        writer.chunk(StreamChunk("a", finish_reason="stop"))
        assert events(writer.end(raw_finish_reason=word))[-2]["delta"]["stop_reason"] == reason


def test_a_call_whose_arguments_are_no_object_reaches_the_client() -> None:
    """In an object, so that the model can be told what it wrote."""
    broken = CompletionResponse(tool_calls=(ToolCall("c", "f", None, "{oops"),), finish_reason="tool_calls")
    (block,) = anthropic_messages.render_response(broken, HEAD)["content"]
    assert block["input"] == {"_raw": "{oops"}
    plain = openai_chat.render_response(broken, HEAD)
    assert plain["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{oops"


@pytest.mark.parametrize("writer", [openai_chat.ChatStreamWriter, anthropic_messages.MessagesStreamWriter])
def test_half_a_character_of_a_vendor_breaks_no_stream(writer: type[StreamWriter]) -> None:
    """Emoji come cut in two; half of one is no JSON."""
    made = writer(HEAD)
    data = made.start() + made.chunk(StreamChunk("so \ud83d")) + made.chunk(StreamChunk("!")) + made.end()
    assert "so \N{REPLACEMENT CHARACTER}" in data.decode()
