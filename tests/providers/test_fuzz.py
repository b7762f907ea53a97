"""No bytes whatever make a decoder hang, recurse without bound, or raise anything but ProviderError."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.accumulate import parse_arguments
from providers.anthropic import decode as messages
from providers.classify import classify, parse_json
from providers.errors import ErrorCode, ProviderError
from providers.ollama import chat as ollama
from providers.openai import chat_decode as chat
from providers.openai import responses_decode as responses
from providers.transport.lines import NDJSONDecoder, SSEDecoder
from providers.types import CompletionRequest, Message

REQUEST = CompletionRequest(model="m", messages=(Message.user("hi"),))
NAMES = {"provider": "p", "model": "m", "request_id": None}
STREAMS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "chat": (SSEDecoder, lambda: chat.ChatStreamDecoder("p", "m", None)),
    "responses": (SSEDecoder, lambda: responses.ResponsesStreamDecoder("p", "m", None)),
    "anthropic": (SSEDecoder, lambda: messages.MessagesStreamDecoder("p", "m", None)),
    "ollama": (NDJSONDecoder, lambda: ollama.ChatStreamDecoder("p", REQUEST, None)),
}
PLAIN: dict[str, Callable[[Any], Any]] = {
    "chat": lambda body: chat.decode(body, **NAMES),
    "responses": lambda body: responses.decode(body, **NAMES),
    "anthropic": lambda body: messages.decode(body, **NAMES),
    "ollama": lambda body: ollama.decode(body, REQUEST, provider="p", request_id=None),
}

DEEP = b"[" * 100_000
NASTY = [
    DEEP,
    b'{"a":' * 50_000,
    b'{"choices":[{"delta":{"content":' + DEEP,
    b'{"type":"content_block_delta","index":0,"delta":' + DEEP,
    b'{"message":{"content":' + DEEP,
    b'{"choices":[{"delta":{"content":"\xff\xfe"}}]}',
    b'{"choices":[{"delta":{"content":"\\ud800"}}]}',
    b'{"a": NaN}',
    b'{"a": 1e999999}',
    b'{"usage": {"prompt_tokens": 1' + b"0" * 5000 + b"}}",
    b"\x00" * 1000,
    b"data: data: data:",
    b"null",
    b"[]",
    b'"text"',
    b"12",
    b"{}" * 1000,
    b'{"type":"content_block_start","index":-1,"content_block":{"type":"tool_use","input":[1]}}',
    b'{"type":"content_block_stop","index":[]}',
    b'{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","arguments":{"a":1}}}',
    b'{"message":{"tool_calls":[{"function":{"name":1,"arguments":[]}}]}}',
]


def streamed(name: str, pieces: list[bytes]) -> None:
    cutter, decoder = STREAMS[name][0](), STREAMS[name][1]()
    with suppress(ProviderError):
        for piece in pieces:
            for event in cutter.feed(piece):
                decoder.feed(event)
        for event in cutter.flush():
            decoder.feed(event)
        decoder.finish()
    decoder.response()


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
def test_nasty_streams(name: str, nasty: bytes) -> None:
    """Alone, as an event, as an error event, and after a sound beginning."""
    for frame in (nasty, b"data: " + nasty + b"\n\n", b"event: error\ndata: " + nasty + b"\n\n", nasty + b"\n"):
        streamed(name, [frame])
        streamed(name, [b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n', frame])


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
def test_nasty_answers(name: str, nasty: bytes) -> None:
    """A body that is no JSON is a ValueError of the parser; one that is gives an answer or a ProviderError."""
    with suppress(ProviderError, ValueError):
        PLAIN[name](parse_json(nasty))
    for status in (200, 400, 429, 500, None):
        assert isinstance(classify(status, nasty, provider="p", model="m").code, ErrorCode)


@pytest.mark.parametrize("name", STREAMS)
@given(
    pieces=st.lists(
        st.binary(max_size=40) | st.sampled_from([b"data: ", b"\n\n", b"\n", b"event: error\n", b"{", b"}"])
    )
)
def test_any_bytes(name: str, pieces: list[bytes]) -> None:
    """Chunks, or a ProviderError."""
    streamed(name, pieces)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("choices", "message", "delta", "content", "tool_calls", "function", "name", "arguments", "id"),
                    *("type", "index", "usage", "error", "output", "text", "thinking", "input", "summary", "item"),
                    *("finish_reason", "stop_reason", "done", "done_reason", "prompt_eval_count", "model", "code"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("name", PLAIN)
@given(body=JSON)
def test_any_json(name: str, body: Any) -> None:
    """An answer, or a ProviderError; and an error of any shape has a code."""
    with suppress(ProviderError):
        PLAIN[name](body)
    assert isinstance(classify(400, json.dumps(body).encode(), provider="p", model="m").code, ErrorCode)
    streamed(name, [b"data: " + json.dumps(body).encode() + b"\n\n", json.dumps(body).encode() + b"\n"])


@given(st.text(max_size=60) | st.sampled_from(["[" * 100_000, '{"a":' * 50_000, "\ud800", "NaN"]))
def test_any_arguments(raw: str) -> None:
    """A dict, or None."""
    assert isinstance(parse_arguments(raw), dict | None)
