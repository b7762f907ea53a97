"""What servers send in other shapes than their protocol's is read as it is meant, through real sockets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers import ProviderSettings, registry
from providers.errors import ErrorCode, ProviderError
from providers.types import CompletionRequest, CompletionResponse, Message
from tests.support.native import http as whole
from tests.support.raw_server import serving

ASKED = CompletionRequest(model="m", messages=(Message.user("Hello?"),))
END: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


async def answered(body: bytes, kind: str, options: dict[str, Any], *, stream: bool) -> CompletionResponse:
    async with serving(whole(body, "text/event-stream" if stream else "application/json")) as server:
        settings = ProviderSettings(name="p", kind=kind, base_url=server.url, options={"max_retries": 0, **options})
        made: Any = registry.create(settings)
        try:
            if not stream:
                return await made.complete(ASKED)  # type: ignore[no-any-return]  # the provider is any kind's
            async with made.stream(ASKED) as chunks:
                async for _ in chunks:
                    pass
                return chunks.response  # type: ignore[no-any-return]  # likewise
        finally:
            await made.aclose()


async def chat(message: dict[str, Any], *, stream: bool, **beside: Any) -> CompletionResponse:
    """The answer with this message, or delta, and with these fields beside the choices."""
    if stream:
        events = [{"choices": [{"index": 0, "delta": message}]}, {**END, **beside}]
        body = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    else:
        body = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **beside}).encode()
    return await answered(body, "openai", {}, stream=stream)


both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@both
@pytest.mark.parametrize(
    "told",
    [
        {"reasoning": "hm"},
        {"reasoning": [{"type": "text", "text": "h"}, {"text": "m"}]},
        {"reasoning": {"content": "hm"}},
        {"reasoning_content": {"text": "hm"}},
        {"reasoning": {"summary": "hm"}},
        {"thinking": [{"text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}, {"type": "reasoning.encrypted"}]},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]},
    ],
)
async def test_what_was_thought_in_any_field(told: dict[str, Any], stream: bool) -> None:
    reply = await chat({"content": "Yes.", **told}, stream=stream)
    assert reply.text == "Yes."
    assert [part.text for part in reply.thinking] == ["hm"]


async def test_reasoning_that_comes_whole_and_longer_each_time_is_told_once() -> None:
    """As MiniMax sends it, in its details alone."""
    detail = {"type": "reasoning.text", "format": "MiniMax-response-v1", "index": 0}
    deltas = [{"reasoning_details": [{**detail, "text": text}]} for text in ("It ", "It is ", "It is so.")]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in (*deltas, {"content": "Yes."})]
    body = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in (*events, END))
    reply = await answered(body, "openai", {"dialect": "minimax"}, stream=True)
    (thought,) = reply.thinking
    assert (thought.text, reply.text) == ("It is so.", "Yes.")
    made: Any = registry.create(ProviderSettings(name="p", kind="openai", options={"dialect": "minimax"}))
    request = CompletionRequest(model="m", messages=(*ASKED.messages, reply.message, Message.user("Why?")))
    sent = made.encode(request, stream=False)[1]["messages"][1]
    assert sent["reasoning_details"] == [{**detail, "text": "It is so."}]
    assert "reasoning_content" not in sent


@both
@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 3, "completion_tokens": 2},
        {"input_tokens": 3, "output_tokens": 2},
        {"prompt_tokens": "3", "completion_tokens": "2"},
        {"prompt_tokens": 3.0, "output_tokens": 2},
    ],
)
async def test_counts_by_any_name(usage: dict[str, Any], stream: bool) -> None:
    reply = await chat({"content": "Yes."}, stream=stream, usage=usage)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (3, 2)


@both
async def test_one_part_or_call_without_its_list(stream: bool) -> None:
    assert (await chat({"content": {"type": "text", "text": "Yes."}}, stream=stream)).text == "Yes."
    call = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"a": 1}'}}
    reply = await chat({"content": None, "tool_calls": call}, stream=stream)
    assert [(one.id, one.name, one.arguments) for one in reply.tool_calls] == [("c1", "f", {"a": 1})]


async def test_a_text_in_the_place_of_parts() -> None:
    body = json.dumps({"status": "completed", "output": [{"type": "message", "content": "Yes."}]}).encode()
    assert (await answered(body, "openai", {"api": "responses"}, stream=False)).text == "Yes."


@pytest.mark.parametrize("choices", [None, []])
async def test_an_error_beside_no_choices(choices: Any) -> None:
    body = json.dumps({"choices": choices, "error_code": 17, "error_msg": "the daily limit is reached"}).encode()
    with pytest.raises(ProviderError) as caught:
        await answered(body, "openai", {}, stream=False)
    assert "the daily limit" in caught.value.message
    assert caught.value.code is not ErrorCode.PROTOCOL_ERROR
