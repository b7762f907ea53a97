"""Any answer goes through Anthropic's SDK as it was: plain, and streamed in any chunks, cut anywhere."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from providers.anthropic.decode import MessagesStreamDecoder
from providers.anthropic.decode import decode as decode_message
from providers.turns import in_order
from providers.types import CompletionResponse, StreamChunk, TextPart, ThinkingPart, ToolCall
from providers.wire import anthropic_messages
from tests.support.any_answer import (
    FINISHES,
    HEAD,
    USER,
    answers,
    anthropic_sdk,
    calls_of,
    chunks,
    events,
    read_back,
    written,
)

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend


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


@given(answer=answers())
def test_a_message_plain(answer: CompletionResponse) -> None:
    """Blocks in the order in which they were made, with what seals them; calls without arguments have an object."""
    data = msgspec.json.encode(anthropic_messages.render_response(answer, HEAD))
    reply = anthropic_sdk(data).messages.create(model="m", max_tokens=9, messages=USER)
    check_message(reply, answer, unknown=0)
    assert blocks_of(reply.content) == (meant(answer) or [""])
    found = decode_message(json.loads(data), provider="p", model="m", request_id=None)
    assert (found.text, calls_of(found)) == (answer.text, calls_of(answer))


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


def test_thoughts_that_are_alike_keep_their_own_seals() -> None:
    """A signature is bound to its block: the other one would be refused."""
    thoughts = (ThinkingPart("hm", "s1"), ThinkingPart("hm", "s2", after=(1, 0)))
    answer = CompletionResponse(text="ab", thinking=thoughts, finish_reason="stop", model="m")
    data, kind = message_stream(answer, seed=0)
    with anthropic_sdk(data, kind).messages.stream(model="m", max_tokens=9, messages=USER) as stream:
        assert blocks_of(stream.get_final_message().content) == [("hm", "s1"), "a", ("hm", "s2"), "b"]
