"""Sound streams, spoilt: only a ProviderError may come of it, and what came before the fault is kept as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.accumulate import Accumulator
from providers.anthropic.decode import MessagesStreamDecoder
from providers.errors import ProviderError
from providers.ollama.chat import ChatStreamDecoder as OllamaDecoder
from providers.openai.chat_decode import ChatStreamDecoder
from providers.openai.responses_decode import ResponsesStreamDecoder
from providers.transport.lines import NDJSONDecoder, SSEDecoder
from providers.types import CompletionRequest, CompletionResponse, Message

pytestmark = pytest.mark.slow

REQUEST = CompletionRequest(model="m", messages=(Message.user("hi"),))
WORDS = ["Under", "stood", ": 7 \u00b0C", ' "so"', "\n{}", " end."]
TEXT = "".join(WORDS)


def _chat() -> list[Any]:
    call = {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}
    more = [{"index": 0, "function": {"arguments": piece}} for piece in ('{"ci', 'ty":"Os', 'lo"}')]
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in WORDS)]
    deltas += [{"tool_calls": [entry]} for entry in (call, *more)]
    made = [{"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
    return [*made, {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}, {"usage": usage}]


def _responses() -> list[Any]:
    call = {"type": "function_call", "id": "i2", "call_id": "c1", "name": "f", "arguments": '{"city":"Oslo"}'}
    message = {"type": "message", "id": "i1", "content": [{"type": "output_text", "text": TEXT}]}
    text = {"type": "response.output_text.delta", "output_index": 0, "item_id": "i1"}
    args = {"type": "response.function_call_arguments.delta", "output_index": 1, "item_id": "i2"}
    return [
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**message, "content": []}},
        *({**text, "delta": word} for word in WORDS),
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {"type": "response.output_item.added", "output_index": 1, "item": {**call, "arguments": ""}},
        *({**args, "delta": piece} for piece in ('{"city":', '"Oslo"}')),
        {"type": "response.output_item.done", "output_index": 1, "item": call},
        {"type": "response.completed", "response": {"status": "completed", "output": [message, call]}},
    ]


def _anthropic() -> list[Any]:
    def block(index: int, kind: str, **fields: Any) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}

    tool = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
    return [
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 9, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(block(0, "text_delta", text=word) for word in WORDS),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": tool},
        *(block(1, "input_json_delta", partial_json=piece) for piece in ('{"city":', '"Oslo"}')),
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]


def _ollama() -> list[Any]:
    entry = {"function": {"name": "f", "arguments": {"city": "Oslo"}}}
    lines: list[Any] = [{"model": "m", "message": {"content": word}, "done": False} for word in WORDS]
    lines.append({"message": {"content": "", "tool_calls": [entry]}, "done": False})
    return [*lines, {"message": {"content": ""}, "done": True, "done_reason": "stop", "eval_count": 5}]


def _events(payloads: list[Any]) -> list[bytes]:
    return [b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads]


def _lines(payloads: list[Any]) -> list[bytes]:
    return [json.dumps(payload).encode() + b"\n" for payload in payloads]


WIRES: dict[str, tuple[list[bytes], Callable[[], Any], Callable[[], Any]]] = {
    "chat": ([*_events(_chat()), b"data: [DONE]\n\n"], SSEDecoder, lambda: ChatStreamDecoder("p", "m", None)),
    "chat, tags": (
        [*_events(_chat()), b"data: [DONE]\n\n"],
        SSEDecoder,
        lambda: ChatStreamDecoder("p", "m", None, think_tags=True),
    ),
    "responses": (_events(_responses()), SSEDecoder, lambda: ResponsesStreamDecoder("p", "m", None)),
    "anthropic": (_events(_anthropic()), SSEDecoder, lambda: MessagesStreamDecoder("p", "m", None)),
    "ollama": (_lines(_ollama()), NDJSONDecoder, lambda: OllamaDecoder("p", REQUEST, None)),
}


def read(wire: str, pieces: list[bytes]) -> tuple[CompletionResponse, CompletionResponse, ProviderError | None]:
    """The answer, what the chunks were, and the error that ended them."""
    _, make_lines, make_decoder = WIRES[wire]
    lines, decoder, shown = make_lines(), make_decoder(), Accumulator("p", "m")
    failed: ProviderError | None = None
    try:
        for batch in (*map(lines.feed, pieces), lines.flush()):
            for event in batch:
                chunk = None if decoder.ended else decoder.feed(event)
                if chunk is not None:
                    shown.add(chunk)
        shown.add(decoder.finish())
    except ProviderError as error:
        failed = error
    return decoder.response(), shown.response(), failed


def cut(body: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place for place in places if place < len(body)), len(body)]
    return [body[start:end] for start, end in pairwise(bounds)]


PLACES = st.lists(st.integers(0, 3000), max_size=5)


@pytest.mark.parametrize("wire", WIRES)
@given(places=PLACES)
def test_the_sound_stream_is_read_whole(wire: str, places: list[int]) -> None:
    """However it is cut."""
    answer, shown, failed = read(wire, cut(b"".join(WIRES[wire][0]), places))
    assert failed is None
    assert answer.text == shown.text == TEXT
    assert [call.arguments for call in answer.tool_calls] == [{"city": "Oslo"}]
    assert shown.tool_calls == answer.tool_calls
    assert answer.finish_reason == shown.finish_reason == "tool_calls"


@pytest.mark.parametrize("wire", WIRES)
@given(end=st.integers(0, 3000), places=PLACES)
def test_a_cut_stream_keeps_its_beginning(wire: str, end: int, places: list[int]) -> None:
    """The text is a beginning of the whole, and chunks and answer agree."""
    answer, shown, _ = read(wire, cut(b"".join(WIRES[wire][0])[:end], places))
    assert TEXT.startswith(answer.text)
    assert answer.text.startswith(shown.text)
    assert all('{"city":"Oslo"}'.startswith(call.raw_arguments) for call in answer.tool_calls)


JUNK = st.sampled_from(
    [
        *(b"", b"null", b"3", b"[]", b"{}", b"[1]", b'"x"', b"{broken", b"\xff\xfe", b"[" * 2000, b"[DONE]", b": ping"),
        *(
            b'{"choices":null}',
            b'{"choices":[null]}',
            b'{"choices":[{"delta":[]}]}',
            b'{"usage":{"prompt_tokens":1e400}}',
        ),
        *(b'{"type":"content_block_delta","index":[],"delta":{"type":["x"]}}', b'{"type":{},"delta":3}'),
        *(b'{"type":"content_block_start","index":7,"content_block":{"type":"tool_use","input":"{"}}',),
        *(b'{"type":"response.output_item.done","item":{"type":[],"id":{}}}', b'{"message":{"tool_calls":{"a":1}}}'),
        *(b'{"error":{"message":"boom"}}', b'{"message":{"tool_calls":[null,{"function":[]}]}}'),
        *(b'{"choices":[{"delta":{"tool_calls":[{"index":{},"id":[],"function":{"name":{},"arguments":3}}]}}]}',),
    ]
)


@pytest.mark.parametrize("wire", WIRES)
@given(spoils=st.lists(st.tuples(st.integers(0, 20), JUNK), min_size=1, max_size=4), data=st.data())
def test_a_spoilt_stream_keeps_what_came_before(
    wire: str, spoils: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    """Events put in, left out, doubled, or with a byte changed: chunks or a ProviderError, and no text made up."""
    pieces = list(WIRES[wire][0])
    frame = (b"", b"\n") if wire == "ollama" else (b"data: ", b"\n\n")
    for place, junk in spoils:
        pieces.insert(min(place, len(pieces)), frame[0] + junk + frame[1])
    first = min(place for place, _ in spoils)
    before = read(wire, pieces[:first])[0].text
    answer, shown, _ = read(wire, pieces)
    assert answer.text.startswith(before)
    assert answer.text.startswith(shown.text)
    assert TEXT.startswith(answer.text)
    body = bytearray(b"".join(pieces))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    read(wire, [bytes(body)])
