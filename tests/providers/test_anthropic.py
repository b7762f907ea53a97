"""Anthropic's Messages protocol: what is sent for each model, and what is read of answers and streams."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.anthropic.decode import MessagesStreamDecoder, decode
from providers.anthropic.encode import encode
from providers.errors import ErrorCode, ProviderError
from providers.transport.lines import SSEDecoder, SSEEvent
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    FilePart,
    ImagePart,
    Message,
    StreamChunk,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
    Usage,
)

CALL = ToolCall("toolu_1", "weather", {"city": "Oslo"})
WEATHER = Tool("weather", "tells it", {"type": "object", "properties": {"city": {"type": "string"}}})
OLD, NEW, ALWAYS = "claude-sonnet-4-5-20250929", "claude-sonnet-5", "claude-opus-5-5"


def body(*messages: Message, model: str = OLD, stream: bool = False, **fields: Any) -> dict[str, Any]:
    request = CompletionRequest(model=model, messages=messages or (Message.user("hi"),), **fields)
    return encode(request, stream=stream, provider="claude")


def refused(*messages: Message, **fields: Any) -> str:
    with pytest.raises(ProviderError) as caught:
        body(*messages, **fields)
    assert caught.value.code is ErrorCode.UNSUPPORTED
    return caught.value.message


# --- requests


def test_the_least_request() -> None:
    """A model, a limit and a message; nothing that was not asked for."""
    assert body() == {
        "model": OLD,
        "max_tokens": 21_333,
        "messages": [{"role": "user", "content": "hi"}],
    }


def test_max_tokens_is_the_models_own_where_none_is_given() -> None:
    """The protocol demands a limit: the model's for streams, one that fits a connection for plain calls."""
    assert body(stream=True)["max_tokens"] == 64_000
    assert body(model="claude-3-5-sonnet-latest")["max_tokens"] == 8_192
    assert body(model="qwen3:8b")["max_tokens"] == 4_096
    assert body(max_tokens=7)["max_tokens"] == 7


def test_leading_system_messages_go_to_the_top() -> None:
    """As one string, or as blocks where one carries a cache mark."""
    system = (Message.system("Be brief."), Message("developer", "Be kind."))
    assert body(*system, Message.user("hi"))["system"] == "Be brief.\n\nBe kind."
    marked = Message.system([TextPart("Long text.", cache=True)])
    assert body(marked, Message.user("hi"))["system"] == [
        {"type": "text", "text": "Long text.", "cache_control": {"type": "ephemeral"}}
    ]


def test_a_system_message_in_the_middle_keeps_its_place() -> None:
    """Real where the model honours it, else marked in the user's turn; never hoisted to the top."""
    turns = (Message.user("a"), Message.system("Now in verse."))
    assert body(*turns, model=ALWAYS)["messages"][1] == {"role": "system", "content": "Now in verse."}
    for model in (OLD, NEW):  # sonnet-5 takes it with status 200 and ignores it
        sent = body(*turns, model=model)
        assert "system" not in sent
        assert [block["text"] for block in sent["messages"][0]["content"]] == [
            "a",
            "<system>\nNow in verse.\n</system>",
        ]
    ill_placed = body(Message.user("a"), Message.system("b"), Message.user("c"), model=ALWAYS)
    assert [message["role"] for message in ill_placed["messages"]] == ["user"]


def test_all_results_of_a_turn_go_in_one_message_before_the_users_words() -> None:
    """The vendor refuses any other order."""
    other = ToolCall("call.2", "weather", {})
    sent = body(
        Message.user("Weather?"),
        Message.assistant("Let me see.", [CALL, other]),
        CALL.result("rain").message(),
        other.result("no such city", is_error=True).message(),
        Message.user("Thanks"),
    )["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"] == [
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
        {"type": "tool_use", "id": "call_2", "name": "weather", "input": {}},
    ]
    assert sent[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"},
        {"type": "tool_result", "tool_use_id": "call_2", "content": "no such city", "is_error": True},
        {"type": "text", "text": "Thanks"},
    ]


def test_same_roles_are_merged_and_blank_text_is_left_out() -> None:
    """Empty blocks and empty messages are refused by the vendor."""
    sent = body(Message.user("a"), Message.user(""), Message.assistant(" "), Message.user("b"))["messages"]
    assert sent == [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
    assert "not empty" in refused(Message.system("only this"))


def test_images_and_documents() -> None:
    """By data or URL; PDF as base64, text as text; other documents are refused by name."""
    content = body(
        Message.user(
            [
                ImagePart(data=b"xy", media_type="image/jpeg"),
                ImagePart(url="https://a/b.png"),
                FilePart(b"%PDF", "application/pdf", "a.pdf"),
                FilePart(b"a,b", "text/csv"),
            ]
        )
    )["messages"][0]["content"]
    assert content == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "eHk="}},
        {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
    ]
    assert "application/zip" in refused(Message.user([FilePart(b"x", "application/zip")]))


def test_tools_and_choices() -> None:
    """The schema is an object, the choice in the vendor's words, parallel use switched off inside it."""
    sent = body(tools=(WEATHER,), tool_choice="required", parallel_tool_calls=False)
    assert sent["tools"] == [
        {
            "name": "weather",
            "description": "tells it",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
        }
    ]
    assert sent["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert body(tools=(WEATHER,), tool_choice="weather")["tool_choice"] == {"type": "tool", "name": "weather"}
    assert body(tools=(WEATHER,), tool_choice="none")["tool_choice"] == {"type": "none"}
    assert "tool_choice" not in body(tools=(WEATHER,))
    assert body(tools=(Tool("f"),))["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    assert "forced tool" in refused(model=ALWAYS, tools=(WEATHER,), tool_choice="required")


@pytest.mark.parametrize(
    ("model", "thinking", "sent", "effort"),
    [
        (OLD, "low", {"type": "enabled", "budget_tokens": 2048}, None),
        (OLD, 5000, {"type": "enabled", "budget_tokens": 5000}, None),
        (OLD, 100, {"type": "enabled", "budget_tokens": 1024}, None),
        (OLD, "off", None, None),
        (NEW, "high", {"type": "adaptive"}, "high"),
        (NEW, 1500, {"type": "adaptive"}, "low"),
        (NEW, "off", {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "off", {"type": "between_tools"}, None),
        (ALWAYS, "medium", {"type": "adaptive"}, "medium"),
        ("anthropic/claude-opus-4.6", "low", {"type": "adaptive"}, "low"),
    ],
)
def test_thinking_in_each_models_form(model: str, thinking: Any, sent: Any, effort: str | None) -> None:
    """Budgets for the old, adaptive with an effort for the new, and each model's own way to be off."""
    found = body(model=model, thinking=thinking)
    assert found.get("thinking") == sent
    assert found.get("output_config", {}).get("effort") == effort


def test_thinking_that_cannot_be_is_told() -> None:
    """A model that always thinks, one that never does, a budget that does not fit."""
    assert "always thinks" in refused(model=ALWAYS, thinking="off")
    assert "does not think" in refused(model="claude-3-5-haiku-latest", thinking="low")
    assert "max_tokens" in refused(thinking=9000, max_tokens=9000)


def test_sampling_hints_go_only_where_they_are_taken() -> None:
    """New models answer 400 to a temperature; a thinking budget excludes one; the scale ends at 1."""
    assert body(temperature=1.7, top_p=0.5)["temperature"] == 1.0
    for fields in ({"model": NEW}, {"thinking": "low"}):
        assert "temperature" not in body(temperature=0.5, **fields)  # type: ignore[arg-type]  # fields of a request
    request = CompletionRequest(model=OLD, messages=(Message.user("hi"),), temperature=0.5)
    assert "temperature" not in encode(request, stream=False, provider="claude", keep_sampling=False)


def test_structured_output() -> None:
    """A schema goes to models that take one; JSON without a schema is a mode the vendor does not have."""
    form = {"name": "answer", "schema": {"type": "object"}}
    wanted = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert body(response_format=form)["output_config"] == wanted
    assert "no JSON schema" in refused(model="claude-3-5-haiku-latest", response_format=form)
    assert "no JSON mode" in refused(response_format="json")


def test_thinking_goes_back_only_to_the_model_that_made_it() -> None:
    """Signatures are bound to it; another model's thinking is left out, not pasted as text."""
    own = ThinkingPart("hm", "sig", origin=f"claude/{OLD}")
    hidden = ThinkingPart("", opaque={"type": "redacted_thinking", "data": "x"}, origin=f"claude/{OLD}")
    foreign = ThinkingPart("foreign", "sig", origin="other/model")
    said = Message("assistant", "", (CALL,), (own, hidden, foreign))
    sent = body(Message.user("hi"), said, CALL.result("rain").message())["messages"][1]["content"]
    assert sent[:2] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "x"},
    ]
    assert len(sent) == 3


def test_prefill() -> None:
    """A last assistant message begins the answer, without white space at its end, where the model takes that."""
    assert body(Message.user("hi"), Message.assistant("It is "))["messages"][1]["content"] == "It is"
    assert "end with a user message" in refused(Message.user("hi"), Message.assistant("It is"), model=NEW)


def test_the_rest_of_the_fields() -> None:
    """Stop sequences and the user under the vendor's names; extra_body last."""
    sent = body(stop=("END",), user="u1", stream=True, extra_body={"service_tier": "auto", "max_tokens": 5})
    assert sent["stop_sequences"] == ["END"]
    assert sent["metadata"] == {"user_id": "u1"}
    assert (sent["stream"], sent["service_tier"], sent["max_tokens"]) == (True, "auto", 5)


# --- answers


def answer(**fields: Any) -> CompletionResponse:
    return decode({"content": [], **fields}, provider="claude", model="m", request_id="req_1")


def test_a_plain_answer() -> None:
    """Text, thinking with its signature, tool calls, usage with cached tokens inside, names and ids."""
    found = answer(
        id="msg_1",
        model="claude-x",
        content=[
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "It "},
            {"type": "something_new", "text": "no"},
            {"type": "text", "text": "rains."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
        ],
        stop_reason="tool_use",
        usage={
            "input_tokens": 10,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 100,
            "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 4},
        },
    )
    assert found.text == "It rains."
    assert found.thinking == (
        ThinkingPart("hm", "sig", origin="claude/m"),
        ThinkingPart("", opaque={"type": "redacted_thinking", "data": "x"}, origin="claude/m"),
    )
    assert [(call.id, call.name, call.arguments) for call in found.tool_calls] == [
        ("toolu_1", "weather", {"city": "Oslo"})
    ]
    assert (found.finish_reason, found.raw_finish_reason) == ("tool_calls", "tool_use")
    assert found.usage == Usage(113, 9, 100, 3, 4)
    assert (found.id, found.model, found.request_id) == ("msg_1", "claude-x", "req_1")


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "unknown"),
    ],
)
def test_stop_reasons(raw: str, unified: str) -> None:
    """The vendor's words are unified and kept."""
    found = answer(stop_reason=raw)
    assert (found.finish_reason, found.raw_finish_reason) == (unified, raw)


@pytest.mark.parametrize("junk", [{}, [], "text", None, {"content": "text"}, {"content": None}])
def test_what_is_no_message_is_a_protocol_error(junk: Any) -> None:
    """A 200 from something else is not an empty answer."""
    with pytest.raises(ProviderError) as caught:
        decode(junk, provider="claude", model="m", request_id=None)
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


# --- streams


def stream(*payloads: dict[str, Any], end: bool = True) -> tuple[list[StreamChunk], MessagesStreamDecoder]:
    decoder = MessagesStreamDecoder("claude", "m", "req_1")
    events = [SSEEvent(payload.get("type"), json.dumps(payload).encode()) for payload in payloads]
    chunks = [chunk for chunk in map(decoder.feed, events) if chunk is not None]
    if end:
        chunks.append(decoder.finish())
    return chunks, decoder


START = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 25, "output_tokens": 1}},
}


def delta(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def block(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": fields}


WHOLE = (
    START,
    {"type": "ping"},
    block(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="hm"),
    delta(0, type="signature_delta", signature="sig"),
    {"type": "content_block_stop", "index": 0},
    block(1, type="text", text=""),
    delta(1, type="text_delta", text="Hi "),
    delta(1, type="brand_new_delta", text="no"),
    delta(1, type="text_delta", text="you"),
    block(2, type="tool_use", id="toolu_1", name="weather", input={}),
    delta(2, type="input_json_delta", partial_json='{"city":'),
    delta(2, type="input_json_delta", partial_json=' "Oslo"}'),
    {"type": "content_block_stop", "index": 2},
    block(3, type="tool_use", id="toolu_2", name="clock", input={"zone": "CET"}),
    {"type": "content_block_stop", "index": 3},
    {"type": "brand_new_event"},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 89}},
    {"type": "message_stop"},
)


def test_a_stream_is_its_answer_in_pieces() -> None:
    """Chunks as they come, the whole in the end; counts are cumulative, unknown events are skipped."""
    chunks, decoder = stream(*WHOLE)
    assert "".join(chunk.text for chunk in chunks) == "Hi you"
    assert "".join(chunk.thinking for chunk in chunks) == "hm"
    deltas = [part for chunk in chunks for part in chunk.tool_calls]
    assert [(part.index, part.id, part.name, part.arguments) for part in deltas] == [
        (0, "toolu_1", "weather", ""),
        (0, None, None, '{"city":'),
        (0, None, None, ' "Oslo"}'),
        (1, "toolu_2", "clock", ""),
        (1, None, None, '{"zone":"CET"}'),
    ]
    assert chunks[-1] == StreamChunk(finish_reason="tool_calls", usage=Usage(25, 89), done=True)
    found = decoder.response()
    assert [call.arguments for call in found.tool_calls] == [{"city": "Oslo"}, {"zone": "CET"}]
    assert found.thinking == (ThinkingPart("hm", "sig", origin="claude/m"),)
    assert (found.id, found.model, found.usage) == ("msg_1", "claude-x", Usage(25, 89))


def test_an_early_end_is_an_interruption() -> None:
    """Without a stop reason the answer is not whole, whatever came."""
    for cut in range(len(WHOLE) - 2):
        with pytest.raises(ProviderError) as caught:
            stream(*WHOLE[:cut])
        assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert stream(*WHOLE[:10], end=False)[1].response().text == "Hi you"


def test_an_error_event_is_the_error_it_names() -> None:
    """It comes with status 200, and means the same as before a stream."""
    with pytest.raises(ProviderError) as caught:
        stream(START, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert caught.value.code is ErrorCode.OVERLOADED
    assert caught.value.request_id == "req_1"


@given(
    st.lists(st.sampled_from(WHOLE), max_size=12),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["type", "index", "delta", "content_block", "message", "usage", "text", "error"]),
                inner | st.sampled_from(["content_block_start", "content_block_delta", "text_delta", "tool_use"]),
            )
        ),
        max_leaves=8,
    ),
)
def test_no_event_makes_another_error(events: list[dict[str, Any]], junk: Any) -> None:
    """Whatever is sent, in whatever order: chunks, or a ProviderError."""
    decoder = MessagesStreamDecoder("claude", "m", None)
    try:
        for payload in [*events, junk, *events]:
            decoder.feed(SSEEvent(None, json.dumps(payload).encode()))
        decoder.finish()
    except ProviderError as error:
        assert isinstance(error.code, ErrorCode)  # noqa: PT017 - either end is right
    decoder.response()


@given(st.lists(st.integers(0, 2000), max_size=8))
def test_cuts_change_nothing(cuts: list[int]) -> None:
    """However the bytes are cut, the answer is the same."""
    raw = b"".join(f"event: {p['type']}\ndata: {json.dumps(p)}\n\n".encode() for p in WHOLE)
    lines, decoder = SSEDecoder(), MessagesStreamDecoder("claude", "m", "req_1")
    places = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    for start, end in pairwise(places):
        for event in lines.feed(raw[start:end]):
            decoder.feed(event)
    assert decoder.response() == stream(*WHOLE)[1].response()
