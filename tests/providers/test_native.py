"""A client's own body goes through to a vendor of the same protocol, and the vendor's own events come back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from providers import CompletionRequest, ErrorCode, Message, ProviderError, ThinkingPart
from providers.types import Native
from tests.support.corpus import FOLDER
from tests.support.native import (
    CHAT,
    CHAT_EVENTS,
    COUNTS,
    KEY,
    MESSAGES,
    OLLAMA,
    RESPONSES,
    WIRES,
    Wire,
    http,
    sse,
    vendor,
)

every_wire = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())
STREAMED = {wire.protocol: http(wire.stream, wire.content_type) for wire in WIRES.values()}
PLAIN = {wire.protocol: http(json.dumps(wire.answer).encode()) for wire in WIRES.values()}


def sent_by(wire: Wire, **changes: Any) -> dict[str, Any]:
    """What arrives of a client's plain body."""
    body = {**wire.body, "model": "target", "stream": False, **changes}
    return {key: value for key, value in body.items() if key != "stream_options"}


@every_wire
async def test_a_plain_body_goes_through_unread(wire: Wire) -> None:
    """All of it but the model; and the answer is the vendor's own as well as ours."""
    async with vendor(wire, PLAIN[wire.protocol]) as there:
        reply = await there.provider.complete(wire.request())
        assert there.bodies == [sent_by(wire)]
    assert (reply.native, reply.raw, reply.text) == (True, wire.answer, "Héllo")


@every_wire
async def test_a_stream_goes_through_unread(wire: Wire) -> None:
    async with vendor(wire, STREAMED[wire.protocol]) as there:
        chunks, reply = await there.chunks(wire.request(stream=True))
        assert there.bodies == [{**wire.body, "model": "target", "stream": True}]
    assert b"".join(chunk.raw for chunk in chunks) == wire.stream
    assert "".join(chunk.text for chunk in chunks) == reply.text == "Héllo"
    assert chunks[0].raw
    assert chunks[-1].done


@every_wire
@pytest.mark.parametrize("step", [1, 7, 100])
async def test_in_whatever_pieces_it_comes(wire: Wire, step: int) -> None:
    async with vendor(wire, STREAMED[wire.protocol], step=step) as there:
        chunks, _ = await there.chunks(wire.request(stream=True))
    assert b"".join(chunk.raw for chunk in chunks) == wire.stream


@every_wire
async def test_the_normalised_answer_is_that_of_a_translated_request(wire: Wire) -> None:
    """Figures, limits, costs and the cache live on it."""
    request = wire.request(stream=True)
    plain = CompletionRequest(
        model="target", messages=request.messages, max_tokens=request.max_tokens, affinity=request.affinity
    )
    async with vendor(wire, STREAMED[wire.protocol]) as there:
        chunks, reply = await there.chunks(request)
        others, same = await there.chunks(plain)
    assert reply == same
    told = [
        ("".join(chunk.text for chunk in each), each[-1].usage, [part for chunk in each for part in chunk.others])
        for each in (chunks, others)  # what came together is one chunk of the client's own
    ]
    assert told[0] == told[1]
    assert not any(chunk.raw for chunk in others)


@every_wire
@pytest.mark.parametrize("stream", [False, True])
async def test_another_protocols_body_is_translated(wire: Wire, stream: bool) -> None:
    other = next(each for each in WIRES.values() if each.kind != wire.kind)
    request = replace(wire.request(stream=stream), server_tools=())  # which not every vendor has
    plain = CompletionRequest(**{**_fields(request), "native": None})
    bodies = []
    async with vendor(other, (STREAMED if stream else PLAIN)[other.protocol]) as there:
        for asked in (request, plain):
            if stream:
                chunks, _ = await there.chunks(asked)
                assert not any(chunk.raw for chunk in chunks)
            else:
                assert not (await there.provider.complete(asked)).native
        bodies = there.bodies
    assert bodies[0] == bodies[1]


def _fields(request: CompletionRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in request.__struct_fields__}


async def test_chat_and_responses_are_two_protocols() -> None:
    """Of one and the same kind of provider."""
    async with vendor(CHAT, PLAIN["openai.chat"]) as there:
        reply = await there.provider.complete(RESPONSES.request())
        assert "messages" in there.bodies[0]
    assert not reply.native


@pytest.mark.parametrize("wire", [CHAT, RESPONSES], ids=["chat", "responses"])
async def test_openai_speaks_both(wire: Wire) -> None:
    """Where nothing else is set a model is asked in the protocol in which its client speaks."""
    async with vendor(wire, PLAIN[wire.protocol], dialect="openai", api=None) as there:
        assert (await there.provider.complete(wire.request(model="gpt-4o"))).native
        assert there.bodies == [sent_by(wire, model="gpt-4o")]


@pytest.mark.parametrize("wire", [CHAT, OLLAMA], ids=["chat", "ollama"])
async def test_who_has_think_tags_taken_out_gets_a_translation(wire: Wire) -> None:
    async with vendor(wire, PLAIN[wire.protocol], think_tags=True) as there:
        assert not (await there.provider.complete(wire.request())).native


async def test_a_body_that_asks_for_a_stream_can_be_asked_whole() -> None:
    """Fields that belong to streams alone would be refused."""
    request = CHAT.request(stream=True)
    async with vendor(CHAT, PLAIN["openai.chat"]) as there:
        await there.provider.complete(request)
        assert there.bodies == [sent_by(CHAT)]


async def test_a_long_plain_answer_is_the_vendors_own_too() -> None:
    """Translated ones are streamed underneath."""
    async with vendor(MESSAGES, PLAIN["anthropic.messages"]) as there:
        assert (await there.provider.complete(MESSAGES.request(body={"max_tokens": 64_000}))).native
        assert there.bodies[0]["stream"] is False


async def test_a_model_that_chat_cannot_serve_is_asked_by_responses() -> None:
    body = {"tools": [{"type": "function", "function": {"name": "f"}}], "reasoning_effort": "low"}
    async with vendor(RESPONSES, PLAIN["openai.responses"], dialect="openai", api=None) as there:
        reply = await there.provider.complete(CHAT.request(model="gpt-5.4", body=body))
        assert "input" in there.bodies[0]
    assert not reply.native


# --- the counts of a chat


@pytest.mark.parametrize("asked", [{}, {"stream_options": None}, {"stream_options": {"include_obfuscation": False}}])
async def test_counts_that_were_not_asked_for_are_kept_from_the_client(asked: dict[str, Any]) -> None:
    """They are asked for all the same, since somebody has to pay."""
    body = {key: value for key, value in CHAT.body.items() if key != "stream_options"} | asked
    request = CompletionRequest(
        model="target", messages=(Message.user("Hi"),), native=Native("openai.chat", {**body, "stream": True})
    )
    async with vendor(CHAT, STREAMED["openai.chat"]) as there:
        chunks, reply = await there.chunks(request)
        options = there.bodies[0]["stream_options"]
    assert options == {**(asked.get("stream_options") or {}), "include_usage": True}
    assert b"".join(chunk.raw for chunk in chunks) == sse(*CHAT_EVENTS, "[DONE]")
    assert reply.usage.output_tokens == 2


async def test_chunks_without_choices_that_are_no_counts_stay() -> None:
    filtered = {"choices": [], "prompt_filter_results": [{"x": '"usage"'}]}
    stream = sse(filtered, *CHAT_EVENTS, COUNTS, "[DONE]")
    request = CHAT.request(stream=True, body={"stream_options": None})
    async with vendor(CHAT, http(stream, "text/event-stream")) as there:
        chunks, _ = await there.chunks(request)
    assert b"".join(chunk.raw for chunk in chunks) == sse(filtered, *CHAT_EVENTS, "[DONE]")


async def test_a_server_that_takes_no_stream_options_is_sent_none() -> None:
    request = CHAT.request(stream=True, body={"stream_options": None})
    async with vendor(CHAT, STREAMED["openai.chat"], dialect="mistral") as there:
        await there.chunks(request)
        assert there.bodies[0]["stream_options"] is None


# --- what comes beside events


async def test_keep_alives_are_not_handed_on() -> None:
    """Clients would read them as JSON."""
    noisy = b": ping\n\ndata: [PING]\n\ndata: ping\n\n" + sse(*CHAT_EVENTS, COUNTS) + b": x\n\ndata: [DONE]\n\n"
    async with vendor(CHAT, http(noisy, "text/event-stream")) as there:
        chunks, _ = await there.chunks(CHAT.request(stream=True))
    assert b"".join(chunk.raw for chunk in chunks) == CHAT.stream


async def test_events_come_in_the_form_that_every_client_reads() -> None:
    """CRLF, no blank after the colon, data in several lines, a BOM, no blank line at the end."""
    odd = "\ufeff" + CHAT.stream.decode().replace("data: ", "data:").replace('"id"', '\ndata:"id"').rstrip("\n")
    async with vendor(CHAT, http(odd.replace("\n", "\r\n").encode(), "text/event-stream")) as there:
        chunks, _ = await there.chunks(CHAT.request(stream=True))
    raw = b"".join(chunk.raw for chunk in chunks)
    assert raw.replace(b' "id"', b'"id"') == CHAT.stream.replace(b' "id"', b'"id"')


async def test_an_answer_that_came_whole_has_no_events() -> None:
    """Who asked for a stream has it written from our chunks."""
    async with vendor(CHAT, PLAIN["openai.chat"]) as there:
        chunks, reply = await there.chunks(CHAT.request(stream=True))
    assert not any(chunk.raw for chunk in chunks)
    assert reply.text == "Héllo"


async def test_a_stream_that_begins_anew_leaves_out_what_is_void() -> None:
    first = MESSAGES.stream.partition(b"event: content_block_stop")[0]
    async with vendor(MESSAGES, http(first + MESSAGES.stream, "text/event-stream")) as there:
        chunks, _ = await there.chunks(MESSAGES.request(stream=True))
    place = next(place for place, chunk in enumerate(chunks) if chunk.restarted)
    assert b"".join(chunk.raw for chunk in chunks[place:]) == MESSAGES.stream


async def test_a_break_has_the_events_until_then() -> None:
    cut = sse(*CHAT_EVENTS[:2])
    found = []
    async with vendor(CHAT, http(cut, "text/event-stream")) as there:
        with pytest.raises(ProviderError) as caught:
            async with there.provider.stream(CHAT.request(stream=True)) as stream:
                async for chunk in stream:
                    found += [chunk.raw]
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert b"".join(found) == cut


# --- headers


async def test_the_clients_headers_go_along_and_join_the_providers_betas() -> None:
    headers = {"anthropic-beta": "b-2, b-3"}
    request = MESSAGES.request(native={"headers": headers}, extra_headers={"x-mine": "1"})
    async with vendor(MESSAGES, PLAIN["anthropic.messages"], betas=["b-1", "b-2"]) as there:
        await there.provider.complete(request)
        await there.provider.complete(MESSAGES.request())
        first, second = there.heads
    assert "anthropic-beta: b-1,b-2,b-3\r\n" in first
    assert "x-mine: 1" in first
    assert "anthropic-beta: b-1,b-2\r\n" in second


async def test_a_translated_request_has_none_of_the_clients_headers() -> None:
    async with vendor(CHAT, PLAIN["openai.chat"]) as there:
        request = MESSAGES.request(native={"headers": {"anthropic-beta": "b-2"}})
        await there.provider.complete(replace(request, server_tools=()))
        assert "anthropic-beta" not in there.heads[0]


async def test_no_clients_credential_and_no_header_of_its_connection_goes_along() -> None:
    headers = {"Authorization": "Bearer theirs", "x-api-key": "theirs", "Host": "elsewhere", "openai-beta": "x"}
    async with vendor(CHAT, PLAIN["openai.chat"]) as there:
        await there.provider.complete(CHAT.request(native={"headers": headers}))
        (head,) = there.heads
    assert "theirs" not in head
    assert "elsewhere" not in head
    assert "openai-beta: x" in head


@every_wire
async def test_a_key_that_a_vendor_sends_back_stays_here(wire: Wire) -> None:
    answer = {**wire.answer, "model": f"model of {KEY}"}
    stream = wire.stream.replace(b"vendor-model", KEY.encode()).replace(b"H\\u00e9", KEY.encode())
    async with vendor(wire, http(json.dumps(answer).encode()), http(stream, wire.content_type)) as there:
        assert not (await there.provider.complete(wire.request())).native
        chunks, _ = await there.chunks(wire.request(stream=True))
    assert KEY.encode() in stream
    raw = b"".join(chunk.raw for chunk in chunks)
    assert (KEY.encode() in raw, b"[key]" in raw) == (False, True)


# --- refusals


def _refused(message: str, status: int = 400) -> bytes:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    return http(json.dumps(body).encode(), status=status)


@every_wire
async def test_what_one_vendor_refuses_another_may_take(wire: Wire) -> None:
    """Nobody here has written the body: a 400 is no proof that it makes no sense."""
    async with vendor(wire, _refused("there is something wrong with it")) as there:
        with pytest.raises(ProviderError) as caught:
            await there.provider.complete(wire.request())
        assert caught.value.code is ErrorCode.UNSUPPORTED
        with pytest.raises(ProviderError) as caught:
            await there.provider.complete(CompletionRequest(model="m", messages=(Message.user("Hi"),), max_tokens=9))
        assert caught.value.code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_within_an_answer_is_one_as_well(stream: bool) -> None:
    told = {"error": {"message": "there is something wrong with it", "code": 400, "type": "invalid_request_error"}}
    refused = http(sse(told), "text/event-stream") if stream else http(json.dumps(told).encode())
    async with vendor(CHAT, refused) as there:
        with pytest.raises(ProviderError) as caught:
            if stream:
                await there.chunks(CHAT.request(stream=True))
            else:
                await there.provider.complete(CHAT.request())
    assert caught.value.code is ErrorCode.UNSUPPORTED


async def test_what_no_vendor_takes_is_still_told_as_such() -> None:
    """The request's own fields are checked as ever."""
    async with vendor(CHAT, PLAIN["openai.chat"]) as there:
        with pytest.raises(ProviderError, match="temperature") as caught:
            await there.provider.complete(CHAT.request(temperature=7))
    assert caught.value.code is ErrorCode.INVALID_REQUEST


async def test_a_clients_own_field_is_not_left_out() -> None:
    """It was meant; the next target may take it."""
    refused = _refused("Unsupported parameter: 'seed'")
    async with vendor(CHAT, refused, PLAIN["openai.chat"]) as there:
        with pytest.raises(ProviderError) as caught:
            await there.provider.complete(CHAT.request(body={"seed": 1}))
        assert len(there.bodies) == 1
    assert caught.value.code is ErrorCode.UNSUPPORTED


async def test_a_field_that_we_added_is_left_out() -> None:
    refused = _refused("Unsupported parameter: 'stream_options'")
    request = CHAT.request(stream=True, body={"stream_options": None})
    body = {key: value for key, value in CHAT.body.items() if key != "stream_options"} | {"stream": True}
    request = CompletionRequest(model="target", messages=request.messages, native=Native("openai.chat", body))
    async with vendor(CHAT, refused, STREAMED["openai.chat"]) as there:
        await there.chunks(request)
        await there.chunks(request)
        first, second, third = there.bodies
    assert "stream_options" in first
    assert second == third == {**body, "model": "target"}


async def test_what_was_learnt_of_translated_requests_leaves_a_clients_fields_alone() -> None:
    refused = _refused("Unsupported parameter: 'seed'")
    async with vendor(CHAT, refused, PLAIN["openai.chat"]) as there:
        plain = CompletionRequest(model="target", messages=(Message.user("Hi"),), seed=1)
        await there.provider.complete(plain)
        await there.provider.complete(CHAT.request(body={"seed": 1}))
        await there.provider.complete(plain)
        assert ["seed" in body for body in there.bodies] == [True, False, True, False]


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "SIG"}
TURNS = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "Hello"}]},
    {"role": "user", "content": "And?"},
    {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "D"}]},
    {"role": "user", "content": "Well?"},
]


async def test_refused_thinking_of_earlier_turns_is_left_out() -> None:
    refused = _refused("messages.1.content.0: Invalid `signature` in `thinking` block")
    request = MESSAGES.request(body={"messages": TURNS})
    async with vendor(MESSAGES, refused, PLAIN["anthropic.messages"]) as there:
        reply = await there.provider.complete(request)
        first, second = there.bodies
    assert first["messages"] == TURNS
    kept = [TURNS[0], {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}, TURNS[2], TURNS[4]]
    assert second == {**first, "messages": kept}
    assert (reply.native, reply.left_out) == (True, ("thinking of earlier turns",))
    assert request.native is not None
    assert request.native.body["messages"] == TURNS


async def test_sealed_reasoning_of_another_key_is_left_out() -> None:
    """With the ids by which the server would miss it."""
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    items = [
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "X"},
        call,
        {"type": "function_call_output", "id": "fco_1", "call_id": "c", "output": "1"},
    ]
    told = {"error": {"code": "invalid_encrypted_content", "message": "The encrypted content X could not be verified."}}
    refused = http(json.dumps(told).encode(), status=400)
    async with vendor(RESPONSES, refused, PLAIN["openai.responses"]) as there:
        assert (await there.provider.complete(RESPONSES.request(body={"input": items}))).native
        second = there.bodies[1]
    bare = {key: value for key, value in call.items() if key != "id"}
    assert second["input"] == [items[0], bare, items[3]]


async def test_a_translated_request_loses_such_reasoning_as_well() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "X"}
    turn = Message("assistant", "Hello", thinking=(ThinkingPart("", opaque=item, origin="p/target"),))
    request = CompletionRequest(model="target", messages=(Message.user("Hi"), turn, Message.user("And?")))
    told = {"error": {"code": "invalid_encrypted_content", "message": "The encrypted content X could not be verified."}}
    async with vendor(RESPONSES, http(json.dumps(told).encode(), status=400), PLAIN["openai.responses"]) as there:
        await there.provider.complete(request)
        first, second = there.bodies
    assert item in first["input"]
    assert item not in second["input"]


# --- what a router adds


ADDED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "openai.chat": (
        {"temperature": 0.5, "max_tokens": 9, "thinking": "low", "parallel_tool_calls": False},
        {"temperature": 0.5, "max_tokens": 9, "reasoning_effort": "low", "parallel_tool_calls": False},
    ),
    "openai.responses": (
        {"temperature": 0.5, "max_tokens": 9, "thinking": "low", "response_format": "json"},
        {
            "temperature": 0.5,
            "max_output_tokens": 9,
            "reasoning": {"effort": "low"},
            "text": {"format": {"type": "json_object"}},
        },
    ),
    "anthropic.messages": ({"stop": ("x",)}, {"stop_sequences": ["x"]}),
    "ollama.chat": (
        {"temperature": 0.5, "thinking": "off"},
        {"options": {"mirostat": 2, "num_ctx": 2048, "temperature": 0.5}, "think": False},
    ),
}


@every_wire
async def test_what_a_router_adds_is_said_in_the_protocols_words(wire: Wire) -> None:
    fields, expected = ADDED[wire.protocol]
    request = wire.request(**fields, native={"added": tuple(fields)})
    async with vendor(wire, PLAIN[wire.protocol]) as there:
        await there.provider.complete(request)
        assert there.bodies == [sent_by(wire, **expected)]


async def test_what_cannot_stand_beside_it_goes() -> None:
    """Claude has one temperature beside thinking."""
    request = MESSAGES.request(
        model="claude-sonnet-4-5", body={"max_tokens": 9000}, thinking=2000, native={"added": ("thinking",)}
    )
    async with vendor(MESSAGES, PLAIN["anthropic.messages"]) as there:
        await there.provider.complete(request)
        body = there.bodies[0]
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert "temperature" not in body


async def test_what_the_client_said_stands() -> None:
    request = CHAT.request(body={"top_k": 5, "parallel_tool_calls": False}, extra_body={"top_k": 1, "min_p": 0.1})
    async with vendor(CHAT, PLAIN["openai.chat"]) as there:
        await there.provider.complete(request)
        body = there.bodies[0]
    assert (body["top_k"], body["min_p"], body["parallel_tool_calls"]) == (5, 0.1, False)


# --- what real clients send

CLIENTS = FOLDER / "clients"
_PROTOCOLS = {"chat": CHAT, "responses": RESPONSES, "messages": MESSAGES}


def recorded() -> list[Any]:
    found = []
    for path in sorted(CLIENTS.glob("*.json")):
        whole = json.loads(path.read_text())
        body, where = whole.get("body"), str(whole.get("path", ""))
        wire = next(
            (
                wire
                for end, wire in (
                    ("/chat/completions", CHAT),
                    ("/responses", RESPONSES),
                    ("/v1/messages", MESSAGES),
                    ("/api/chat", OLLAMA),
                )
                if where.partition("?")[0].endswith(end)
            ),
            None,
        )
        if wire is not None and isinstance(body, dict) and body:
            found.append(pytest.param(wire, body, id=path.stem))
    return found


@pytest.mark.skipif(not CLIENTS.exists(), reason="what clients were recorded to send is not part of the project")
@pytest.mark.parametrize(("wire", "body"), recorded())
async def test_what_real_clients_send_arrives_as_it_was(wire: Wire, body: dict[str, Any]) -> None:
    stream = wire.kind == "ollama" if body.get("stream") is None else body["stream"]
    request = CompletionRequest(model="target", messages=(Message.user("Hi"),), native=Native(wire.protocol, body))
    async with vendor(wire, (STREAMED if stream else PLAIN)[wire.protocol]) as there:
        if stream:
            await there.chunks(request)
        else:
            await there.provider.complete(request)
        arrived = there.bodies[0]
    added = {"stream_options": {"include_usage": True}} if wire is CHAT and stream else {}
    assert arrived == {**body, "model": "target", **added}
