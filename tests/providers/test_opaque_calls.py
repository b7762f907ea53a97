"""`ToolCall.opaque`: what a vendor wants back with a call goes round unread, to its maker alone."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from providers import CompletionResponse, Message, StreamChunk, ToolCall, ToolCallDelta
from providers.accumulate import Accumulator, as_chunks
from providers.anthropic.encode import encode as encode_anthropic
from providers.coerce import coerce_messages
from providers.ollama.chat import encode as encode_ollama
from providers.openai.chat_decode import ChatStreamDecoder, decode
from providers.openai.chat_encode import encode
from providers.openai.dialects import DIALECTS
from providers.openai.responses_encode import encode as encode_responses
from providers.transport.lines import SSEEvent
from providers.types import CompletionRequest
from providers.wire import anthropic_messages, ollama_chat, openai_chat, openai_responses
from providers.wire.writing import Head
from router.cache.codec import Entry
from router.cache.codec import decode as read_entry
from router.cache.codec import encode as written_entry

GOOGLE = {"extra_content": {"google": {"thought_signature": "SIG"}}}
LITELLM = {"provider_specific_fields": {"thought_signature": "SIG"}}
MODEL = "gemini-3-pro"
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

every_form = pytest.mark.parametrize("opaque", [GOOGLE, LITELLM], ids=["google", "litellm"])


def plain(**message: Any) -> CompletionResponse:
    body = {"choices": [{"message": {"role": "assistant", **message}, "finish_reason": "tool_calls"}]}
    return decode(body, provider="p", model=MODEL, request_id=None)


def streamed(*deltas: dict[str, Any]) -> tuple[CompletionResponse, list[StreamChunk]]:
    decoder = ChatStreamDecoder("p", MODEL, None)
    fed = [
        decoder.feed(SSEEvent(None, json.dumps({"choices": [{"delta": delta, "finish_reason": end}]}).encode()))
        for delta, end in [*((delta, None) for delta in deltas), ({}, "tool_calls")]
    ]
    chunks = [*(chunk for chunk in fed if chunk is not None), decoder.finish()]
    return decoder.response(), chunks


def accumulated(chunks: list[StreamChunk]) -> CompletionResponse:
    found = Accumulator("p", MODEL)
    for chunk in chunks:
        found.add(chunk)
    return found.response()


def sent(turn: Message, *, dialect: str = "gemini", provider: str = "p", model: str = MODEL) -> dict[str, Any]:
    """The first call of the turn as a chat server gets it."""
    request = CompletionRequest(model=model, messages=(turn,))
    body = encode(request, DIALECTS[dialect], stream=False, provider=provider)
    call: dict[str, Any] = body["messages"][0]["tool_calls"][0]
    return call


@every_form
def test_a_plain_answers_call_has_it(opaque: dict[str, Any]) -> None:
    reply = plain(tool_calls=[{**CALL, **opaque}])
    (call,) = reply.tool_calls
    assert (call.opaque, call.origin) == (opaque, f"p/{MODEL}")
    assert reply.thinking == ()


@pytest.mark.parametrize(
    "deltas",
    [
        [{"tool_calls": [{"index": 0, **CALL, **GOOGLE}]}],
        [{"tool_calls": [{"index": 0, **CALL}]}, {"tool_calls": [{"index": 0, **GOOGLE}]}],
        [{"tool_calls": [{"index": 0, **CALL}]}, GOOGLE],
        [GOOGLE, {"tool_calls": [{"index": 0, **CALL}]}],
    ],
    ids=["with it", "after it", "beside it", "before it"],
)
def test_a_streamed_call_has_it_and_so_has_what_its_chunks_add_up_to(deltas: list[dict[str, Any]]) -> None:
    reply, chunks = streamed(*deltas)
    for call in (*reply.tool_calls, *accumulated(chunks).tool_calls):
        assert (call.opaque, call.origin, call.arguments) == (GOOGLE, f"p/{MODEL}", {})


def test_each_call_has_its_own() -> None:
    second = {"extra_content": {"google": {"thought_signature": "OTHER"}}}
    entries = [{"index": 0, **CALL, **GOOGLE}, {"index": 1, **CALL, "id": "c2", **second}, {**CALL, "id": "c3"}]
    entries[2]["index"] = 2
    for reply in (plain(tool_calls=entries), streamed(*({"tool_calls": [entry]} for entry in entries))[0]):
        assert [call.opaque for call in reply.tool_calls] == [GOOGLE, second, None]
        assert reply.tool_calls[2].origin is None


@every_form
def test_it_goes_back_to_its_maker_alone(opaque: dict[str, Any]) -> None:
    """Same provider and same model; no other vendor, model or wire sees it."""
    turn = plain(tool_calls=[{**CALL, **opaque}]).message
    assert opaque.items() <= sent(turn).items()
    for how in ({"provider": "q"}, {"model": "gemini-3-flash"}, {"dialect": "openai", "provider": "q", "model": "m"}):
        assert "SIG" not in str(sent(turn, **how))
    conversation = Message.user("?"), turn, Message.tool("c1", "42")
    request = CompletionRequest(model="m", messages=conversation)
    assert "SIG" not in str(encode_anthropic(request, stream=False, provider="a"))
    assert "SIG" not in str(encode_ollama(request, stream=False, provider="l", options={}))
    assert "SIG" not in str(encode_responses(request, DIALECTS["openai"], stream=False, provider="o"))


@every_form
def test_of_an_apps_dicts_it_goes_where_such_fields_are_known(opaque: dict[str, Any]) -> None:
    (turn,) = coerce_messages([{"role": "assistant", "tool_calls": [{**CALL, **opaque}]}])
    assert (turn.tool_calls[0].opaque, turn.tool_calls[0].origin) == (opaque, None)
    assert opaque.items() <= sent(turn).items()
    assert "SIG" not in str(sent(turn, dialect="openai", model="m"))


def test_it_survives_the_cache_pickling_copies_and_chunks() -> None:
    reply = plain(tool_calls=[{**CALL, **GOOGLE}])
    kept = read_entry(written_entry(Entry(0.0, reply))).response
    for again in (kept, pickle.loads(pickle.dumps(reply)), copy.deepcopy(reply), accumulated(as_chunks(reply))):
        assert again.tool_calls == reply.tool_calls


def test_a_chat_client_is_told_and_gives_it_back() -> None:
    """By the server's side of the wire: plain, streamed, and read again."""
    reply = plain(tool_calls=[{**CALL, **GOOGLE}])
    body = openai_chat.render_response(reply, Head("1", MODEL, 0.0))
    told = body["choices"][0]["message"]
    assert GOOGLE.items() <= told["tool_calls"][0].items()
    writer = openai_chat.ChatStreamWriter(Head("1", MODEL, 0.0))
    lines = b"".join([writer.start(), *map(writer.chunk, as_chunks(reply)), writer.end()]).split(b"\n\n")
    deltas = [json.loads(line[6:])["choices"][0]["delta"] for line in lines if line[6:7] == b"{"]
    assert streamed(*deltas)[0].tool_calls == reply.tool_calls
    asked = {"model": "m", "messages": [{"role": "user", "content": "?"}, told]}
    assert openai_chat.read_request(asked).messages[1].tool_calls[0].opaque == GOOGLE


@pytest.mark.parametrize(
    "writer",
    [anthropic_messages.MessagesStreamWriter, ollama_chat.OllamaStreamWriter, openai_responses.ResponsesStreamWriter],
)
def test_where_a_protocol_has_no_place_the_answer_is_as_without(writer: Any) -> None:
    """A signature that comes last, alone, is no piece of a call."""
    call = ToolCall("c1", "f", {}, "{}")
    written = []
    for tail in (ToolCallDelta(0, opaque=GOOGLE),), ():
        out = writer(Head("1", MODEL, 0.0))
        chunks = [*as_chunks(CompletionResponse(tool_calls=(call,)))[:-1], StreamChunk(tool_calls=tail, done=True)]
        written.append(b"".join([out.start(), *map(out.chunk, chunks), out.end()]))
    assert written[0] == written[1]


def test_what_comes_last_alone_is_one_piece_of_a_chat_stream() -> None:
    """No empty arguments beside it."""
    writer = openai_chat.ChatStreamWriter(Head("1", MODEL, 0.0))
    written = writer.chunk(StreamChunk(tool_calls=(ToolCallDelta(0, opaque=GOOGLE),)))
    assert (written.count(b"data: "), b"arguments" in written, b"SIG" in written) == (1, False, True)
