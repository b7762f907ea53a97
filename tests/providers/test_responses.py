"""OpenAI's Responses API: when it is chosen, what is sent, what is read, and the same answers as by chat."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import registry
from providers.base import Provider
from providers.errors import ErrorCode, ProviderError
from providers.openai.dialects import DIALECTS
from providers.openai.provider import OpenAIProvider
from providers.openai.responses_decode import ResponsesStreamDecoder, decode
from providers.openai.responses_encode import encode
from providers.settings import ProviderSettings
from providers.simulator import Simulator
from providers.transport.lines import SSEEvent
from providers.types import (
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
    Usage,
)

MODEL = "gpt-6.1-sol"
WEATHER = Tool("weather", "tells it", {"type": "object", "properties": {"city": {"type": "string"}}})
CALL = ToolCall("call_1", "weather", {"city": "Oslo"}, '{"city": "Oslo"}')


def request(*messages: Message, **fields: Any) -> CompletionRequest:
    return CompletionRequest(**{"model": MODEL, "messages": messages or (Message.user("hi"),), **fields})


def body(*messages: Message, **fields: Any) -> dict[str, Any]:
    return encode(request(*messages, **fields), DIALECTS["openai"], stream=False, provider="p")


def path(base_url: str | None = None, options: dict[str, Any] | None = None, **fields: Any) -> str:
    settings = ProviderSettings(name="p", kind="openai", base_url=base_url, options=options or {})
    return OpenAIProvider(settings).encode(request(**fields), stream=False)[0]


# --- which of the two


@pytest.mark.parametrize(
    ("fields", "chosen"),
    [
        ({"model": "gpt-6.1-sol"}, "/chat/completions"),
        ({"model": "gpt-6.1-sol", "tools": (WEATHER,)}, "/responses"),
        ({"model": "gpt-6.1-sol", "tools": (WEATHER,), "stop": ("END",)}, None),
        ({"model": "gpt-6-luna", "tools": (WEATHER,)}, "/responses"),
        ({"model": "gpt-6-luna", "tools": (WEATHER,), "thinking": "off"}, "/chat/completions"),
        ({"model": "gpt-5.4", "tools": (WEATHER,)}, "/chat/completions"),
        ({"model": "gpt-5.4", "tools": (WEATHER,), "thinking": "high"}, "/responses"),
        ({"model": "gpt-5-pro"}, "/responses"),
        ({"model": "gpt-4o", "tools": (WEATHER,)}, "/chat/completions"),
        ({"model": "somebody/elses", "tools": (WEATHER,)}, "/chat/completions"),
    ],
)
def test_the_api_follows_the_model(fields: dict[str, Any], chosen: str | None) -> None:
    """Responses where chat completions refuse the request or would cost the model its reasoning; else chat."""
    if chosen is None:
        with pytest.raises(ProviderError) as caught:
            path(**fields)
        assert caught.value.code is ErrorCode.UNSUPPORTED
    else:
        assert path(**fields) == chosen


def test_the_api_can_be_said() -> None:
    """By option; other servers and Azure's classic deployments speak chat unless told otherwise."""
    assert path(options={"api": "responses"}, model="gpt-4o") == "/responses"
    assert path("https://api.groq.com/openai/v1", model=MODEL, tools=(WEATHER,)) == "/chat/completions"
    assert path("http://h/v1", {"api": "responses"}, model="m") == "/responses"
    classic = "https://r.openai.azure.com/openai/deployments/d?api-version=2024-10-21"
    assert path(classic, model="gpt-5.4", tools=(WEATHER,)) == "/chat/completions"
    with pytest.raises(ValueError, match=r"options\.api"):
        path(options={"api": "completions"})


# --- what is sent


def test_the_least_request() -> None:
    """Stateless: nothing is kept at the vendor, and sealed reasoning is asked back."""
    assert body() == {
        "model": MODEL,
        "input": [{"role": "user", "content": "hi"}],
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    assert "include" not in body(model="gpt-4o")  # which does not reason, and refuses it


def test_a_conversation_becomes_items() -> None:
    """System as developer, parts with their types, calls and results by call_id, own reasoning first."""
    sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    unsealed = {"type": "reasoning", "id": "rs_2", "summary": []}
    thinking = (
        ThinkingPart("", opaque=sealed, origin=f"p/{MODEL}"),
        ThinkingPart("", opaque=unsealed, origin=f"p/{MODEL}"),
        ThinkingPart("", opaque=sealed, origin="q/other"),
    )
    sent = body(
        Message.system("Be brief."),
        Message.user(
            [
                TextPart("Look:"),
                ImagePart(data=b"xy", media_type="image/png"),
                FilePart(b"%PDF", "application/pdf", "a.pdf"),
            ]
        ),
        Message("assistant", "Let me see.", (CALL,), thinking),
        CALL.result("rain").message(),
    )["input"]
    assert sent == [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look:"},
                {"type": "input_image", "image_url": "data:image/png;base64,eHk=", "detail": "auto"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
            ],
        },
        sealed,
        {"role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city": "Oslo"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
    ]


def test_parameters() -> None:
    """Under this protocol's names; what it has no word for is told when it carries meaning."""
    form = {"name": "city", "schema": {"type": "object"}, "strict": True}
    sent = body(
        max_tokens=9,
        thinking="high",
        tools=(WEATHER,),
        tool_choice="weather",
        parallel_tool_calls=False,
        response_format=form,
        seed=1,
        extra_body={"service_tier": "flex"},
    )
    assert (sent["max_output_tokens"], sent["reasoning"], sent["service_tier"]) == (9, {"effort": "high"}, "flex")
    assert sent["tools"][0] == {
        "type": "function",
        "name": "weather",
        "description": "tells it",
        "parameters": WEATHER.parameters,
        "strict": False,
    }
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ({"type": "function", "name": "weather"}, False)
    assert sent["text"] == {"format": {"type": "json_schema", **form}}
    assert body(response_format="json")["text"] == {"format": {"type": "json_object"}}
    for fields, words in (({"stop": ("END",)}, "stop"), ({"thinking": "off"}, '"none"')):
        with pytest.raises(ProviderError, match=words) as caught:
            body(**fields)
        assert caught.value.code is ErrorCode.UNSUPPORTED


# --- what is read


def test_a_plain_answer() -> None:
    """Text, summed-up reasoning with its sealed form, calls by call_id, usage."""
    found = decode(
        {
            "id": "resp_1",
            "status": "completed",
            "model": "gpt-x",
            "output": [
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
                {"type": "web_search_call", "id": "ws_1"},
                {"type": "message", "content": [{"type": "output_text", "text": "It rains."}]},
                {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"a": 1}'},
            ],
            "usage": {
                "input_tokens": 20,
                "input_tokens_details": {"cached_tokens": 4},
                "output_tokens": 9,
                "output_tokens_details": {"reasoning_tokens": 5},
            },
        },
        provider="p",
        model="m",
        request_id="req_1",
    )
    assert (found.text, found.finish_reason, found.raw_finish_reason) == ("It rains.", "tool_calls", "completed")
    assert found.thinking[0].text == "hm"
    assert found.thinking[0].opaque is not None
    assert [(call.id, call.arguments) for call in found.tool_calls] == [("call_1", {"a": 1})]
    assert found.usage == Usage(20, 9, 4, None, 5)
    assert (found.id, found.model, found.request_id) == ("resp_1", "gpt-x", "req_1")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "completed"}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        (
            {"status": "completed", "output": [{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]},
            "content_filter",
        ),
        ({"status": "queued"}, "unknown"),
    ],
)
def test_finish_reasons(fields: dict[str, Any], reason: str) -> None:
    """From the status, its details, and what is in the output."""
    assert decode({"output": [], **fields}, provider="p", model="m", request_id=None).finish_reason == reason


def test_failures_are_errors() -> None:
    """In a plain answer, in a stream's end, and as an event of its own."""
    error = {"code": "rate_limit_exceeded", "message": "Rate limit reached"}
    with pytest.raises(ProviderError) as caught:
        decode({"output": [], "status": "failed", "error": error}, provider="p", model="m", request_id=None)
    assert caught.value.code is ErrorCode.RATE_LIMITED
    for payload in (
        {"type": "response.failed", "response": {"status": "failed", "error": error}},
        {"type": "error", **error},
    ):
        with pytest.raises(ProviderError) as caught:
            ResponsesStreamDecoder("p", "m", None).feed(SSEEvent(None, json.dumps(payload).encode()))
        assert caught.value.code is ErrorCode.RATE_LIMITED
    with pytest.raises(ProviderError) as caught:
        decode({"status": "completed"}, provider="p", model="m", request_id=None)
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(
                    [
                        *("response.created", "response.output_item.added", "response.output_item.done"),
                        *("response.output_text.delta", "response.function_call_arguments.delta"),
                        *("response.reasoning_summary_text.delta", "response.completed", "error", "strange"),
                    ]
                )
            },
            optional={
                "output_index": st.integers(-1, 2) | st.none(),
                "delta": st.text(max_size=3) | st.none() | st.integers(),
                "item": st.none()
                | st.fixed_dictionaries(
                    {"type": st.sampled_from(["message", "reasoning", "function_call", "x"]) | st.none()},
                    optional={
                        "content": st.lists(
                            st.none() | st.dictionaries(st.sampled_from(["text", "type"]), st.text(max_size=2))
                        ),
                        "arguments": st.text(max_size=3),
                        "call_id": st.integers(),
                    },
                ),
                "response": st.none()
                | st.dictionaries(st.sampled_from(["id", "usage", "error", "output"]), st.none() | st.integers()),
            },
        ),
        max_size=12,
    )
)
def test_no_event_makes_another_error(events: list[dict[str, Any]]) -> None:
    """Whatever is sent, in whatever order: chunks, or a ProviderError."""
    decoder = ResponsesStreamDecoder("p", "m", None)
    with suppress(ProviderError):
        for payload in events:
            decoder.feed(SSEEvent(None, json.dumps(payload).encode()))
        decoder.finish()
    decoder.response()


# --- through real sockets


def made(simulator: Simulator, api: str) -> Provider:
    options = {"api": api, "max_retries": 0}
    url = simulator.base_url("openai")
    return registry.create(ProviderSettings(name=api, kind="openai", base_url=url, options=options))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": (WEATHER,), "tool_choice": "weather"},
        {"max_tokens": 5},
        {"response_format": {"name": "a", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}},
    ],
)
async def test_both_apis_give_the_same_answer(simulator: Simulator, fields: dict[str, Any], streamed: bool) -> None:
    """Text, calls, finish reason and usage, plain and streamed."""
    answers = []
    for api in ("chat", "responses"):
        provider = made(simulator, api)
        asked = request(model="gpt-4o", **fields)
        if streamed:
            async with provider.stream(asked) as stream:
                text = "".join([chunk.text async for chunk in stream])
            reply = stream.response
            assert text == reply.text
        else:
            reply = await provider.complete(asked)
        answers.append(
            (
                reply.text,
                [(c.name, c.arguments) for c in reply.tool_calls],
                reply.finish_reason,
                reply.usage.output_tokens,
            )
        )
        await provider.aclose()
    assert answers[0] == answers[1]


async def test_a_tool_round_by_responses(simulator: Simulator) -> None:
    """A call, its result, and the answer to it."""
    provider = made(simulator, "responses")
    asked = request(Message.user("Weather?"), model="gpt-4o", tools=(WEATHER,))
    first = await provider.complete(asked)
    messages = (*asked.messages, first.message, first.tool_calls[0].result("rain").message())
    second = await provider.complete(request(*messages, model="gpt-4o", tools=(WEATHER,)))
    assert second.text
    assert second.finish_reason == "stop"
    await provider.aclose()


@pytest.mark.parametrize("knobs", [{"cut_after": 3}, {"error_after": 3}])
async def test_a_broken_stream_by_responses(simulator: Simulator, knobs: dict[str, Any]) -> None:
    """Interrupted, with what came so far."""
    simulator.vendor("openai").set(**knobs)
    provider = made(simulator, "responses")
    with pytest.raises(ProviderError) as caught:
        async with provider.stream(request(model="gpt-4o")) as stream:
            async for _ in stream:
                pass
    assert caught.value.code is ErrorCode.STREAM_INTERRUPTED
    assert caught.value.partial is not None
    assert caught.value.partial.text
    await provider.aclose()
