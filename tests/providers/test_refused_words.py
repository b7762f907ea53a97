"""How vendors word that they do not take a field; the call is repeated without it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from providers import Message, Tool
from providers.coerce import coerce_messages
from tests.support.scripted import Vendor, refusal

CHAT = httpx.Response(200, json={"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]})


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata", {"a": "b"}),
        ("Model incompatible request argument supplied: temperature", "temperature", 0.4),
        ("Additional properties are not allowed ('user' was unexpected)", "user", "ann"),
    ],
)
async def test_a_field_is_left_out(words: str, field: str, value: Any) -> None:
    vendor = Vendor("openai", refusal(words), CHAT)
    assert (await vendor.ask(model="gpt-4o", **{field: value})).left_out == (field,)
    assert [field in body for body in vendor.sent] == [True, False]


@pytest.mark.parametrize(
    "words",
    [
        "'messages.1' : for 'role:assistant' the following must be satisfied"
        "[('messages.1' : property 'reasoning_content' is unsupported)]",
        "messages.1.assistant.reasoning_content: property 'messages.1.assistant.reasoning_content' is unsupported",
    ],
)
async def test_reasoning_of_earlier_turns_is_left_out(words: str) -> None:
    said = coerce_messages([{"role": "assistant", "content": "Yes", "reasoning_content": "hm"}])
    vendor = Vendor("openai", refusal(words), CHAT, options={"dialect": "generic"})
    reply = await vendor.ask(messages=(Message.user("Hi"), *said, Message.user("So")))
    assert reply.left_out == ("reasoning_content",)
    assert ["reasoning_content" in str(body) for body in vendor.sent] == [True, False]


async def test_strictness_is_left_out_of_tools() -> None:
    words = "Extra inputs are not permitted, field: 'tools[0].function.strict', value: False"
    vendor = Vendor("openai", refusal(words), CHAT)
    reply = await vendor.ask(tools=(Tool("f", parameters={"type": "object", "properties": {}}, strict=False),))
    assert reply.left_out == ("strict",)
    assert "strict" not in vendor.sent[-1]["tools"][0]["function"]


async def test_parallel_calls_are_not_allowed_where_one_is_made_at_a_time() -> None:
    vendor = Vendor("openai", refusal("This model only supports single tool-calls at once!"), CHAT)
    reply = await vendor.ask(tools=(Tool("f"),), parallel_tool_calls=True)
    assert reply.left_out == ("parallel_tool_calls",)
