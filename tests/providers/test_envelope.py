"""Opaque reasoning leaves in an envelope that says whose it is, and goes back to its maker alone."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import CompletionRequest, CompletionResponse, Message, StreamChunk, ThinkingPart, ToolCall, ToolCallDelta
from providers.envelope import (
    is_sealed,
    open_body,
    open_request,
    seal_body,
    seal_chunk,
    seal_raw,
    seal_response,
    without_reasoning,
)
from providers.sealed_ids import SealedIds, digest_of, plain_id, seal
from providers.wire import anthropic_messages, openai_chat, openai_responses
from providers.wire.writing import Head
from tests.support.native import CHAT, CHAT_EVENTS, MESSAGES, RESPONSES, http, sse, vendor

MAKER, OTHER = "anthropic/claude-opus-5", "p/target"
ORIGINS = {digest_of(origin): origin for origin in (MAKER, OTHER)}
HEAD = Head("x", "m", 0.0)
SIGNED = {"extra_content": {"google": {"thought_signature": "SIG=="}}}
LITELLM = {"provider_specific_fields": {"thought_signature": "SIG=="}}
every_form = pytest.mark.parametrize("opaque", [SIGNED, LITELLM], ids=["google", "litellm"])


def s(value: str, origin: str = MAKER) -> str:
    return f"sb1.{digest_of(origin)}.{value}"


def test_the_form_is_kept_by_clients() -> None:
    """What they hold from before an update has to be readable after it."""
    assert seal("abc=", "p/m") == "sb1.cbffe151.abc="


# --- through each protocol that has a field for it


def request_of(*messages: Message) -> CompletionRequest:
    return CompletionRequest(model="m", messages=(Message.user("Hi"), *messages))


def answer(*thinking: ThinkingPart, **fields: Any) -> CompletionResponse:
    return CompletionResponse(text="Hello", thinking=thinking, finish_reason="stop", **fields)


def test_anthropics_thinking_goes_round() -> None:
    blocks = (
        ThinkingPart("hm", "SIG", origin=MAKER),
        ThinkingPart("", opaque={"type": "redacted_thinking", "data": "DATA"}, origin=MAKER),
    )
    told = anthropic_messages.render_response(seal_response(answer(*blocks)), HEAD)
    assert [block.get("signature") or block.get("data") for block in told["content"][:2]] == [s("SIG"), s("DATA")]
    turn = {"role": "assistant", "content": told["content"]}
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}, turn]}
    back = open_request(anthropic_messages.read_request(body), ORIGINS).messages[1]
    assert [part for part in back.content if isinstance(part, ThinkingPart)] + list(back.thinking) == list(blocks)


def test_responses_reasoning_goes_round() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "X"}
    part = ThinkingPart("", opaque=item, origin=OTHER)
    told = openai_responses.render_response(seal_response(answer(part)), HEAD)
    assert told["output"][0] == {**item, "encrypted_content": s("X", OTHER)}
    body = {"model": "m", "input": [{"role": "user", "content": "Hi"}, *told["output"]]}
    back = open_request(openai_responses.read_request(body), ORIGINS).messages[1]
    assert back.thinking == (part,)
    assert item["encrypted_content"] == "X"


@every_form
@pytest.mark.parametrize("keeps_fields", [True, False], ids=["field", "id alone"])
def test_what_belongs_to_a_call_goes_round_in_chat(opaque: dict[str, Any], keeps_fields: bool) -> None:
    """Few clients keep a field that they do not know; all give the id back."""
    ids = SealedIds(lambda: 0.0)
    call = ToolCall("call_1", "f", {}, "{}", opaque, OTHER)
    told = openai_chat.render_response(seal_response(answer(tool_calls=(call,)), ids), HEAD)
    message = told["choices"][0]["message"]
    (entry,) = message["tool_calls"]
    assert len(entry["id"]) <= 40
    if not keeps_fields:
        message = {**message, "tool_calls": [{key: entry[key] for key in ("id", "type", "function")}]}
    result = {"role": "tool", "tool_call_id": entry["id"], "content": "1"}
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}, message, result]}
    back = open_request(openai_chat.read_request(ids.restored(body)), ORIGINS).messages
    assert back[1].tool_calls == (call,)
    assert back[2].tool_call_id == "call_1"


def test_a_call_without_anything_opaque_keeps_its_id() -> None:
    reply = answer(tool_calls=(ToolCall("call_1", "f", {}, "{}"),))
    assert seal_response(reply, SealedIds(lambda: 0.0)) is reply


@every_form
def test_a_streamed_calls_signature_comes_after_its_id(opaque: dict[str, Any]) -> None:
    ids = SealedIds(lambda: 0.0)
    chunk = StreamChunk(tool_calls=(ToolCallDelta(0, opaque=opaque),))
    (delta,) = seal_chunk(chunk, OTHER).tool_calls
    assert s("SIG==", OTHER) in str(delta.opaque)
    ids.keep("call_1", opaque, OTHER)
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]}
    (back,) = open_request(openai_chat.read_request(ids.restored(body)), ORIGINS).messages[0].tool_calls
    assert (back.id, back.opaque, back.origin) == ("call_1", opaque, OTHER)


def test_chunks_without_it_are_the_same_object() -> None:
    chunk = StreamChunk("hi", tool_calls=(ToolCallDelta(0, "c", "f", "{}"),))
    assert seal_chunk(chunk, OTHER) is chunk


# --- what comes back


@pytest.mark.parametrize("sealed", [s("SIG", "gone/model"), "sb1.00000000.SIG"])
def test_what_somebody_unknown_made_is_dropped(sealed: str) -> None:
    item = {"type": "reasoning", "encrypted_content": sealed}
    call = ToolCall("c", "f", {}, "{}", {"extra_content": {"google": {"thought_signature": sealed}}})
    turn = Message(
        "assistant",
        (ThinkingPart("a", sealed),),
        (call,),
        (ThinkingPart("b", sealed), ThinkingPart("", opaque=item)),
    )
    back = open_request(request_of(turn), ORIGINS).messages[1]
    assert (back.content, back.thinking) == ((), ())
    assert back.tool_calls == (ToolCall("c", "f", {}, "{}"),)


@pytest.mark.parametrize("signature", ["SIG", "sb1.", "sb1.xyz.SIG", "sb2.cbffe151.SIG", "x sb1.cbffe151.SIG", None])
def test_what_is_in_no_envelope_stays_as_it_is(signature: str | None) -> None:
    """It came from elsewhere, of a maker that is not known."""
    turn = Message("assistant", "a", (ToolCall("c~sb1.", "f", {}),), (ThinkingPart("b", signature),))
    assert open_request(request_of(turn), ORIGINS).messages[1] == turn


def test_a_signature_that_came_in_pieces_is_opened_whole() -> None:
    turn = Message("assistant", "", thinking=(ThinkingPart("b", s("SI") + s("G")),))
    assert open_request(request_of(turn), ORIGINS).messages[1].thinking[0].signature == "SIG"


def test_a_router_before_another_keeps_the_others_envelope() -> None:
    inner = seal("SIG", "their/model")
    turn = Message("assistant", "", thinking=(ThinkingPart("b", seal(inner, MAKER)),))
    assert open_request(request_of(turn), ORIGINS).messages[1].thinking[0].signature == inner


# --- native bodies


def claude(signature: str, data: str) -> dict[str, Any]:
    return {
        "model": "m",
        "system": [{"type": "text", "text": "signature"}],
        "messages": [
            {"role": "user", "content": "Hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": signature},
                    {"type": "redacted_thinking", "data": data},
                    {
                        "type": "tool_use",
                        "id": "t1",
                        "name": "f",
                        "input": {"type": "thinking", "signature": signature},
                    },
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": []}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": signature}]},
            {"role": "user", "content": [{"type": "document", "source": {"type": "base64", "data": data}}]},
        ],
        "metadata": {"signature": signature},
    }


def test_a_native_body_is_opened_for_its_maker() -> None:
    body = claude(s("SIG"), s("DATA"))
    before = copy.deepcopy(body)
    opened = open_body(body, MAKER)
    expected = claude("SIG", "DATA")
    # What models and people said is nobody's to open.
    expected["messages"][1]["content"][2]["input"]["signature"] = s("SIG")
    expected["messages"][4]["content"][0]["source"]["data"] = s("DATA")
    expected["metadata"]["signature"] = s("SIG")
    assert opened == expected
    assert body == before


def test_in_a_native_body_for_another_it_is_dropped() -> None:
    body = claude(s("SIG"), s("DATA"))
    kept = open_body(body, OTHER)["messages"]
    assert kept[1] == {"role": "assistant", "content": [body["messages"][1]["content"][2]]}
    assert [turn["role"] for turn in kept] == ["user", "assistant", "user", "user"]


def test_what_is_in_no_envelope_stays_in_a_native_body() -> None:
    body = claude("SIG", "DATA")
    assert open_body(body, OTHER) == body


def test_items_of_responses_lose_the_ids_of_what_is_dropped() -> None:
    """OpenAI looks for the reasoning that led to a call, by the call's id."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    items = [
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": s("X")},
        {**call, "id": "fc_1"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
        {"type": "compaction", "encrypted_content": "Y"},
    ]
    opened = open_body({"input": items}, MAKER)["input"]
    assert opened == [items[0], {**items[1], "encrypted_content": "X"}, *items[2:]]
    assert open_body({"input": items}, OTHER)["input"] == [items[0], call, *items[3:]]
    assert open_body({"input": "sb1.00000000.x"}, OTHER) == {"input": "sb1.00000000.x"}


@every_form
def test_a_chat_body_is_opened(opaque: dict[str, Any]) -> None:
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": s("A", OTHER)},
        {"type": "reasoning.encrypted", "data": s("B", MAKER)},
        {"type": "reasoning.summary", "summary": "hm"},
    ]
    sealed = seal_body(opaque, OTHER)
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": s("X")}}
    turn = {"role": "assistant", "content": None, "reasoning_details": details, "reasoning_opaque": s("C")}
    body = {"messages": [{**turn, "tool_calls": [{**call, **sealed}]}]}
    own = open_body(body, OTHER)["messages"][0]
    assert own["reasoning_details"] == [{**details[0], "signature": "A"}, details[2]]
    assert "reasoning_opaque" not in own
    assert own["tool_calls"] == [{**call, **opaque}]
    others = open_body(body, "x/y")["messages"][0]
    assert others["tool_calls"] == [call]
    assert others["content"] is None


@every_form
def test_in_a_native_chat_body_it_rides_in_the_id(opaque: dict[str, Any]) -> None:
    ids = SealedIds(lambda: 0.0)
    shown = ids.shown("c", opaque, OTHER)
    call = {"id": shown, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    result = {"role": "tool", "tool_call_id": shown, "content": "1"}
    body = ids.restored({"messages": [{"role": "assistant", "tool_calls": [call]}, result]})
    own, answered = open_body(body, OTHER)["messages"]
    assert own["tool_calls"] == [{**call, "id": "c", **opaque}]
    assert answered == {**result, "tool_call_id": "c"}
    assert open_body(body, MAKER)["messages"][0]["tool_calls"] == [{**call, "id": "c"}]


def test_an_id_brings_nothing_but_what_belongs_to_a_call() -> None:
    """A client may write into it what it wants."""
    forged = SealedIds(lambda: 0.0)
    forged.keep("c", {"function": {"name": "other"}}, OTHER)
    call = {"id": "c", "function": {"name": "f"}}
    body = forged.restored({"messages": [{"role": "assistant", "tool_calls": [call]}]})
    assert open_body(body, OTHER)["messages"][0]["tool_calls"] == [call]


def test_reasoning_can_be_left_out_as_a_whole() -> None:
    body = claude("SIG", "DATA")
    assert [len(turn["content"]) for turn in without_reasoning(body)["messages"]] == [2, 1, 1, 1]
    bare = {"messages": [{"role": "user", "content": "Hi"}], "input": [{"type": "message"}]}
    assert without_reasoning(bare) is bare


def test_a_body_of_any_depth_is_read() -> None:
    """As deep as JSON may be read at all."""
    deep: Any = []
    for _ in range(900):
        deep = {"x": [deep]}
    body = {"messages": [{"role": "user", "content": [deep]}]}
    ids = SealedIds(lambda: 0.0)
    ids.shown("c", SIGNED, OTHER)
    assert ids.restored(body) is body
    assert open_body(body, OTHER)["messages"][0]["content"][0] is not None
    assert seal_body(body, OTHER)["messages"][0]["role"] == "user"


# --- native answers


def test_a_native_answer_is_sealed() -> None:
    body = {
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "SIG"},
            {"type": "redacted_thinking", "data": "D"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"signature": "mine", "type": "thinking"}},
            {"type": "web_search_tool_result", "content": [{"encrypted_content": "W"}]},
            {"type": "text", "text": "signature"},
        ]
    }
    before = copy.deepcopy(body)
    sealed = seal_body(body, MAKER)
    assert [block.get("signature") or block.get("data") for block in sealed["content"][:2]] == [s("SIG"), s("D")]
    assert sealed["content"][2:] == before["content"][2:]
    assert body == before


SEALED_EVENTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "S"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": s("S")}},
    ),
    (
        {"type": "content_block_start", "content_block": {"type": "redacted_thinking", "data": "S"}},
        {"type": "content_block_start", "content_block": {"type": "redacted_thinking", "data": s("S")}},
    ),
    (
        {"type": "response.output_item.done", "item": {"type": "reasoning", "encrypted_content": "S"}},
        {"type": "response.output_item.done", "item": {"type": "reasoning", "encrypted_content": s("S")}},
    ),
    (
        {"type": "response.completed", "response": {"output": [{"type": "reasoning", "encrypted_content": "S"}]}},
        {"type": "response.completed", "response": {"output": [{"type": "reasoning", "encrypted_content": s("S")}]}},
    ),
    (
        {"choices": [{"delta": {"reasoning_details": [{"type": "reasoning.encrypted", "data": "S"}]}}]},
        {"choices": [{"delta": {"reasoning_details": [{"type": "reasoning.encrypted", "data": s("S")}]}}]},
    ),
    (
        {"choices": [{"delta": {"tool_calls": [{"index": 0, **SIGNED}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, **seal_body(SIGNED, MAKER)}]}}]},
    ),
]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("event", "expected"), SEALED_EVENTS)
def test_events_are_sealed(event: dict[str, Any], expected: dict[str, Any], named: bool) -> None:
    """And those before and after stay the same bytes."""
    named = named and "type" in event
    before, after = b'data: {"a" : "b"}\n\n', b": x\n\ndata: [DONE]\n\n"
    sealed = seal_raw(before + sse(event, named=named) + after, MAKER)
    assert sealed.startswith(before)
    assert sealed.endswith(after)
    (line,) = [line for line in sealed[len(before) : -len(after)].splitlines() if line.startswith(b"data: ")]
    assert json.loads(line.removeprefix(b"data: ")) == expected
    assert is_sealed(sealed)


@pytest.mark.parametrize(
    "raw",
    [
        MESSAGES.stream,
        RESPONSES.stream,
        CHAT.stream,
        b'data: {"type": "content_block_start", "content_block": {"type": "thinking", "signature": ""}}\n\n',
        b'data: {"delta": {"type": "text_delta", "text": "\\"signature\\": encrypted_content"}}\n\n',
        b'data: {"broken signature\n\n',
        b"data: signature\n\n",
        b"",
    ],
)
def test_what_holds_none_stays_the_same_bytes(raw: bytes) -> None:
    assert seal_raw(raw, MAKER) == raw


def test_in_native_chat_events_it_rides_in_the_id_too() -> None:
    ids = SealedIds(lambda: 0.0)
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}, **SIGNED}
    raw = seal_raw(sse({"choices": [{"delta": {"tool_calls": [call]}}]}), OTHER, ids)
    (told,) = json.loads(raw.removeprefix(b"data: "))["choices"][0]["delta"]["tool_calls"]
    assert told["id"] == ids.shown("call_1", SIGNED, OTHER)
    assert told["extra_content"] == seal_body(SIGNED, OTHER)["extra_content"]


words = st.sampled_from(
    ["type", "signature", "data", "thinking", "content", "id", "input", "sb1.", "encrypted_content"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(words, json_values, max_size=5))
def test_any_answer_that_is_sealed_and_opened_is_the_same(value: dict[str, Any]) -> None:
    """Whatever it holds, as an item of a conversation that goes back to its maker."""
    opened = open_body({"messages": [{"role": "assistant", "content": [{"type": "x", "of": [value]}]}]}, OTHER)
    sealed = {"messages": [{"role": "assistant", "content": [{"type": "x", "of": [seal_body(value, OTHER)]}]}]}
    assert open_body(sealed, OTHER) == opened


# --- ids


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_ids_are_kept_for_an_hour() -> None:
    clock = Clock()
    ids = SealedIds(clock)
    shown = ids.shown("c" * 50, SIGNED, OTHER)
    body = {"messages": [{"tool_call_id": shown}]}
    clock.now += 3600
    assert plain_id(ids.restored(body)["messages"][0]["tool_call_id"]) == "c" * 50
    clock.now += 1
    assert ids.restored(body) == body
    ids.shown("d" * 50, SIGNED, OTHER)
    assert len(ids) == 1


def test_ten_thousand_ids_are_kept_and_those_in_use_longest() -> None:
    ids = SealedIds(lambda: 0.0)
    first, second = (ids.shown(f"{name}" * 50, SIGNED, OTHER) for name in "ab")
    for number in range(9_998):
        ids.shown(f"{number:050}", SIGNED, OTHER)
    assert ids.shown("a" * 50, SIGNED, OTHER) == first
    ids.shown("z" * 50, SIGNED, OTHER)
    assert len(ids) == 10_000
    body = {"messages": [{"tool_call_id": first}, {"tool_call_id": second}]}
    restored = [plain_id(turn["tool_call_id"]) for turn in ids.restored(body)["messages"]]
    assert restored == ["a" * 50, second]


def test_what_is_kept_is_bounded_however_long_it_is() -> None:
    ids = SealedIds(lambda: 0.0)
    long = {"extra_content": {"google": {"thought_signature": "S" * 1_000_000}}}
    for number in range(100):
        ids.shown(f"call_{number}", long, OTHER)
    assert 40 < len(ids) < 60
    ids.keep("all", {"extra_content": {"google": {"thought_signature": "S" * 60_000_000}}}, OTHER)
    assert len(ids) == 0


def test_a_body_without_them_is_the_same_object() -> None:
    ids = SealedIds(lambda: 0.0)
    body = {"messages": [{"tool_call_id": "c"}]}
    assert ids.restored(body) is body
    ids.shown("c", SIGNED, OTHER)
    assert ids.restored(body) is body


# --- through a provider


@pytest.mark.parametrize(
    ("origin", "expected"),
    [("p/target", ["thinking", "text"]), ("p/other", ["text"]), ("q/target", ["text"])],
    ids=["own", "another model", "another provider"],
)
async def test_a_provider_opens_what_its_model_made(origin: str, expected: list[str]) -> None:
    blocks = [{"type": "thinking", "thinking": "hm", "signature": s("SIG", origin)}, {"type": "text", "text": "Hello"}]
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": "?"},
    ]
    request = MESSAGES.request(body={"messages": turns}, native={"sealed": True})
    async with vendor(MESSAGES, http(json.dumps(MESSAGES.answer).encode())) as there:
        await there.provider.complete(request)
        arrived = there.bodies[0]["messages"][1]["content"]
    assert [block["type"] for block in arrived] == expected
    assert not is_sealed(json.dumps(arrived).encode())


async def test_what_a_vendor_signed_goes_round_through_a_native_chat() -> None:
    """The client knows no field for it, and gives the id back."""
    ids = SealedIds(lambda: 0.0)
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    delta = {"choices": [{"index": 0, "delta": {"tool_calls": [{**call, **SIGNED}]}, "finish_reason": "tool_calls"}]}
    stream = sse(CHAT_EVENTS[0], delta, "[DONE]")
    async with vendor(CHAT, http(stream, "text/event-stream"), http(json.dumps(CHAT.answer).encode())) as there:
        chunks, _ = await there.chunks(CHAT.request(stream=True))
        raw = b"".join(seal_raw(chunk.raw, "p/target", ids) for chunk in chunks)
        events = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith(b"data: {")]
        shown = events[1]["choices"][0]["delta"]["tool_calls"][0]["id"]
        asked = {"role": "assistant", "tool_calls": [{**call, "id": shown}]}
        result = {"role": "tool", "tool_call_id": shown, "content": "1"}
        body = ids.restored({"messages": [{"role": "user", "content": "Hi"}, asked, result]})
        await there.provider.complete(CHAT.request(body=body, native={"sealed": True}))
        sent = there.bodies[1]["messages"]
    assert sent[1]["tool_calls"] == [{**call, **SIGNED}]
    assert sent[2]["tool_call_id"] == "call_1"
