"""Anthropic's usual event brings text alone, and is read in one go; which way others are read must not be told."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from providers import ProviderError
from providers.anthropic.decode import MessagesStreamDecoder
from providers.transport.lines import SSEEvent

DELTA = {"type": "text_delta", "text": "Hello"}
BLOCKS = ({"type": "thinking", "thinking": ""}, {"type": "text", "text": ""})
DELTAS: tuple[Any, ...] = (
    *(DELTA, {**DELTA, "text": ""}, {**DELTA, "text": None}, {**DELTA, "extra": 1}, {"text": "x"}, {}, None, "x"),
    {"type": "thinking_delta", "thinking": "hm"},
    {"type": "signature_delta", "signature": "s"},
    {"type": "input_json_delta", "partial_json": "{}"},
    {"type": "new_delta", "text": "x"},
)


def told(payload: dict[str, Any], name: str | None) -> Any:
    """What a stream is that has one such event between its blocks' starts and its end."""
    decoder = MessagesStreamDecoder("p", "m", "r")
    starts = [{"type": "content_block_start", "index": place, "content_block": b} for place, b in enumerate(BLOCKS)]
    given: list[Any] = []
    try:
        for each in (*starts, {"type": "content_block_delta", "index": 1, "delta": DELTA}):
            decoder.feed(SSEEvent(each["type"], json.dumps(each).encode()))
        given += [decoder.feed(SSEEvent(name, json.dumps(payload).encode()))]
        decoder.feed(SSEEvent(None, b'{"type": "message_stop"}'))
        return given, decoder.finish(), decoder.response()
    except ProviderError as error:
        return given, error.code, error.message


@given(
    st.sampled_from(DELTAS),
    st.sampled_from([0, 1, 2, 7, -1, None, "1", 1.0, True]),
    st.sampled_from([{}, {"error": "no"}, {"type": "error"}, {"type": "ping"}, {"extra": []}]),
)
@example(DELTA, 1, {})
@example(DELTA, 0, {})
def test_both_ways_tell_the_same(delta: Any, index: Any, more: dict[str, Any]) -> None:
    payload = {"type": "content_block_delta", "index": index, "delta": delta, **more}
    # An event without a name is read by what it holds, and is not usual.
    assert told(payload, "content_block_delta") == told(payload, None)


def test_text_in_a_block_that_has_begun_is_usual() -> None:
    decoder = MessagesStreamDecoder("p", "m", None)
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    decoder.feed(SSEEvent("content_block_start", json.dumps(start).encode()))
    event = json.dumps({"type": "content_block_delta", "index": 0, "delta": DELTA}).encode()
    assert decoder.text_of(SSEEvent("content_block_delta", event)) == "Hello"
    assert decoder.response().text == "Hello"
