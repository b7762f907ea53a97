"""The usual chunk of a chat stream is text alone, and read in one go; which way others are read must not be told."""

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
GONE = object()
PLACES: tuple[tuple[Any, ...], ...] = (
    *((name,) for name in ("id", "choices", "usage", "error", "success", "base_resp", "citations", "extra")),
    *(("choices", 0, name) for name in ("index", "delta", "finish_reason", "error", "usage", "logprobs", "message")),
    *(("choices", 0, "delta", name) for name in ("role", "content", "refusal", "tool_calls", "function_call")),
    *(("choices", 0, "delta", name) for name in ("reasoning_content", "reasoning", "reasoning_details", "thinking")),
    *(("choices", 0, "delta", name) for name in ("reasoning_opaque", "audio", "images", "annotations", "extra")),
)
VALUES: tuple[Any, ...] = (
    *(GONE, None, True, False, "", "x", "stop", "error", "assistant", [], {}, 0, 1, 7.5, [None], {"error": "no"}),
    [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}],
    [{"delta": {"content": "second"}, "index": 1}],
    {"content": [{"token": "x", "logprob": -0.1}]},
    {"prompt_tokens": 3, "completion_tokens": 4},
    {"status_code": 1008},
)


def told(payload: Any) -> Any:
    """What a stream is that has one chunk between the usual ones."""
    decoder = ChatStreamDecoder("p", "m", "r")
    given: list[Any] = []
    try:
        for each in (USUAL, payload, {**USUAL, "choices": [{"delta": {}, "finish_reason": "stop"}]}):
            given += [decoder.feed(SSEEvent(None, json.dumps(each).encode()))]
        return given, decoder.finish(), decoder.response()
    except ProviderError as error:
        return given, error.code, error.message


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(VALUES)), max_size=3))
@example([])
@example([(("choices", 0, "delta", "reasoning_content"), "hm")])
@example([(("choices", 0, "delta", "content"), "")])
@example([(("choices", 0, "error"), {"error": "no"})])
def test_both_ways_tell_the_same(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    payload = copy.deepcopy(USUAL)
    for path, value in changes:
        holder: Any = payload
        for step in path[:-1]:
            try:
                holder = holder[step]
            except (LookupError, TypeError):
                holder = None
        if not isinstance(holder, dict):
            continue
        holder.pop(path[-1], None) if value is GONE else holder.update({path[-1]: value})
    # An object there means nothing, and is not usual.
    assert told(payload) == told({**payload, "x_groq": {}})


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
