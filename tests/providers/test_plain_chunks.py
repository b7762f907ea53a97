"""The usual chunk of a chat stream is text alone, or goes on with a thought or a call, and is read in one go; which way
others are read must not be told."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from providers import ProviderError
from providers.openai.chat_decode import ChatStreamDecoder
from providers.transport.lines import SSEEvent

USUAL: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "delta": {"content": "Hello"}, "logprobs": None, "finish_reason": None}],
}
CALL: dict[str, Any] = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": "x'}}


def chunk(**delta: Any) -> dict[str, Any]:
    return {**USUAL, "choices": [{**USUAL["choices"][0], "delta": delta}]}


# How a stream has begun, and what it usually goes on with.
BEGUN: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "text": ([USUAL], USUAL),
    "thought": ([chunk(reasoning_content="hm")], chunk(content=None, reasoning_content=" so")),
    "thought elsewhere": ([chunk(reasoning="hm")], chunk(content="", reasoning=" so")),
    "a call": ([chunk(tool_calls=[CALL])], chunk(tool_calls=[{"index": 0, "function": {"arguments": " y"}}])),
    "a thought and a call": (
        [chunk(reasoning_content="hm"), chunk(tool_calls=[CALL])],
        chunk(tool_calls=[{"index": 0, "function": {"arguments": " y"}}]),
    ),
}
GONE = object()
PLACES: tuple[tuple[Any, ...], ...] = (
    *((name,) for name in ("choices", "usage", "error", "success", "base_resp", "citations", "extra")),
    *(("choices", 0, name) for name in ("index", "delta", "finish_reason", "error", "usage", "logprobs", "message")),
    *(("choices", 0, "delta", name) for name in ("role", "content", "refusal", "tool_calls", "function_call")),
    *(("choices", 0, "delta", name) for name in ("reasoning_content", "reasoning", "reasoning_details", "thinking")),
    *(("choices", 0, "delta", name) for name in ("reasoning_opaque", "audio", "images", "annotations", "extra")),
)
CALL_PLACES: tuple[tuple[Any, ...], ...] = (
    *(("choices", 0, "delta", "tool_calls", 0, name) for name in ("index", "id", "type", "function", "extra_content")),
    *(("choices", 0, "delta", "tool_calls", 0, "function", name) for name in ("name", "arguments")),
    ("choices", 0, "delta", "tool_calls", 0, "provider_specific_fields"),
)
VALUES: tuple[Any, ...] = (
    *(GONE, None, True, False, "", "x", "stop", "error", "assistant", [], {}, 0, 1, 7.5, [None], {"error": "no"}),
    [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}],
    [{"delta": {"content": "second"}, "index": 1}],
    {"content": [{"token": "x", "logprob": -0.1}]},
    {"prompt_tokens": 3, "completion_tokens": 4},
    {"status_code": 1008},
    *('{"a": "x', '{"a": "x y"}', '"}', "c1", {"thought_signature": "s"}, {"google": {"thought_signature": "s"}}),
    {"arguments": '"}', "name": "f"},
)


def told(begun: str, payload: Any) -> Any:
    """What a stream is that has one chunk between the usual ones."""
    first, usual = BEGUN[begun]
    decoder = ChatStreamDecoder("p", "m", "r")
    given: list[Any] = []
    try:
        for each in (*first, usual, payload, usual, {**USUAL, "choices": [{"delta": {}, "finish_reason": "stop"}]}):
            given += [decoder.feed(SSEEvent(None, json.dumps(each).encode()))]
        return given, decoder.finish(), decoder.response()
    except ProviderError as error:
        return given, error.code, error.message


@pytest.mark.parametrize("begun", BEGUN)
@given(st.lists(st.tuples(st.sampled_from(PLACES + CALL_PLACES), st.sampled_from(VALUES)), max_size=3))
@example([])
@example([(("choices", 0, "delta", "reasoning_content"), "hm")])
@example([(("choices", 0, "delta", "content"), "")])
@example([(("choices", 0, "delta", "content"), "x")])
@example([(("choices", 0, "error"), {"error": "no"})])
@example([(("choices", 0, "delta", "tool_calls", 0, "id"), "c1")])
@example([(("choices", 0, "delta", "tool_calls", 0, "index"), 1)])
@example([(("choices", 0, "delta", "tool_calls", 0, "index"), GONE)])
@example([(("choices", 0, "delta", "tool_calls", 0, "function", "arguments"), '{"a": "x y"}')])
def test_both_ways_tell_the_same(begun: str, changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    payload = copy.deepcopy(BEGUN[begun][1])
    for path, value in changes:
        holder: Any = payload
        for step in path[:-1]:
            try:
                holder = holder[step]
            except (LookupError, TypeError):
                holder = None
        if not isinstance(holder, dict):
            continue
        holder.pop(path[-1], None) if value is GONE else holder.update({path[-1]: copy.deepcopy(value)})
    # An object there means nothing, and is not usual.
    assert told(begun, payload) == told(begun, {**payload, "x_groq": {}})


@pytest.mark.parametrize(
    "more", [{}, {"role": "assistant"}, {"refusal": None, "tool_calls": None, "reasoning_content": None}]
)
def test_text_that_nothing_stands_beside_is_usual(more: dict[str, Any]) -> None:
    """As vendors send it: with a role in each chunk, or with all fields that could be."""
    decoder = ChatStreamDecoder("p", "m", None)
    payload = {**USUAL, "choices": [{"index": 0, "delta": {"content": "Hi", **more}, "finish_reason": None}]}
    assert decoder.text_of(SSEEvent(None, json.dumps(payload).encode())) == "Hi"
    assert decoder.response().text == "Hi"


def test_thinking_in_tags_is_taken_out_of_usual_chunks_too() -> None:
    decoder = ChatStreamDecoder("p", "m", None, think_tags=True)
    for text in ("<think>", "hm", "</think>", "Hi"):
        decoder.feed(SSEEvent(None, json.dumps({"choices": [{"delta": {"content": text}}]}).encode()))
    decoder.feed(SSEEvent(None, b"[DONE]"))
    decoder.finish()
    assert (decoder.response().text, decoder.response().thinking[0].text) == ("Hi", "hm")
