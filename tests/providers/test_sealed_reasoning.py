"""Reasoning that comes sealed beside a tool call goes back with it, unread."""

from __future__ import annotations

import httpx
import pytest

from providers import Message
from tests.support.scripted import Vendor, sse
from tests.support.sending import sent

CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize("stream", [False, True])
async def test_copilots_sealed_reasoning_goes_back(stream: bool) -> None:
    said = {"tool_calls": [CALL], "reasoning_opaque": "SEALED"}
    plain = httpx.Response(200, json={"choices": [{"message": said, "finish_reason": "tool_calls"}]})
    chunk = {"choices": [{"delta": said, "finish_reason": "tool_calls"}]}
    vendor = Vendor("openai", sse(chunk, "[DONE]") if stream else plain, options={"dialect": "generic"})
    turn = (await vendor.ask(stream=stream)).message
    await vendor.ask(stream=stream, messages=(Message.user("Hi"), turn, Message.tool("c1", "42")))
    assert vendor.sent[-1]["messages"][1]["reasoning_opaque"] == "SEALED"
    strict = await sent("groq", model="other", messages=(Message.user("Hi"), turn, Message.tool("c1", "42")))
    assert "reasoning_opaque" not in str(strict.body)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_signature_goes_back_to_litellm_where_it_came(stream: bool) -> None:
    signed = {"provider_specific_fields": {"thought_signature": "SIGNED"}}
    said = {"tool_calls": [{**CALL, **signed}]}
    plain = httpx.Response(200, json={"choices": [{"message": said, "finish_reason": "tool_calls"}]})
    chunk = {"choices": [{"delta": said, "finish_reason": "tool_calls"}]}
    vendor = Vendor("openai", sse(chunk, "[DONE]") if stream else plain, options={"dialect": "litellm"})
    turn = (await vendor.ask(stream=stream)).message
    await vendor.ask(stream=stream, messages=(Message.user("Hi"), turn, Message.tool("c1", "42")))
    (call,) = vendor.sent[-1]["messages"][1]["tool_calls"]
    assert call["provider_specific_fields"] == signed["provider_specific_fields"]
    assert "extra_content" not in call
