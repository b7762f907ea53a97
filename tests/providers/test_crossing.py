"""Tool conversations that are begun at one vendor, go on at another, and come back: nobody refuses anything."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from providers import registry
from providers.base import Provider
from providers.settings import ProviderSettings
from providers.types import CompletionRequest, CompletionResponse, Message, Tool
from tests.support.refusing_vendor import ANSWER, SAID, Refused, Vendor
from tests.support.refusing_vendors import VENDORS

pytestmark = pytest.mark.slow

WEATHER = Tool("weather", "tells it", {"type": "object", "properties": {"city": {"type": "string"}}})
# What of its own first turn a vendor has to see again: its reasoning, or what stands for it.
SEEN_AGAIN = {
    "responses": ("sealed responses 1a", "sealed responses 1b"),
    "anthropic": ("signed anthropic thinks 1a", "signed anthropic thinks 1b"),
    "gemini": ("signed gemini thinks 1",),
    "deepseek": ("deepseek thinks 1",),
    "mistral": ("mistral thinks 1",),
    "moonshot": ("moonshot thinks 1",),
    "ollama": ("ollama thinks 1",),
}


def connected(vendor: Vendor) -> Provider:
    return registry.create(
        ProviderSettings(
            name=vendor.name,
            kind=vendor.kind,
            base_url=vendor.base_url,
            api_key="k",
            options={"max_retries": 0, **vendor.options},
        )
    )


async def asked(vendor: Vendor, provider: Provider, messages: list[Message], *, stream: bool) -> CompletionResponse:
    request = CompletionRequest(
        model=vendor.model,
        messages=tuple(messages),
        tools=(WEATHER,),
        thinking=vendor.thinking,  # type: ignore[arg-type]  # a vendor names a level
    )
    if not stream:
        return await provider.complete(request)
    async with provider.stream(request) as chunks:
        async for _ in chunks:
            pass
        return chunks.response


def append(messages: list[Message], reply: CompletionResponse) -> None:
    """The turn of calls, and a result for each."""
    assert [call.arguments for call in reply.tool_calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    messages.append(reply.message)
    messages += [call.result(f"rain in {(call.arguments or {})['city']}").message() for call in reply.tool_calls]


def said(vendor: Vendor) -> str:
    return json.dumps(vendor.bodies[-1], ensure_ascii=False)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("second", VENDORS)
@pytest.mark.parametrize("first", VENDORS)
async def test_a_tool_conversation_crosses_and_comes_back(first: str, second: str, stream: bool) -> None:
    """Two turns of calls, one by each, and the end at the first, which sees its own reasoning and nobody else's."""
    async with contextlib.AsyncExitStack() as stack:
        here = await stack.enter_async_context(VENDORS[first]())
        there = here if first == second else await stack.enter_async_context(VENDORS[second]())
        providers = {vendor.name: connected(vendor) for vendor in (here, there)}
        for provider in providers.values():
            stack.push_async_callback(provider.aclose)

        messages = [Message.user("What is the weather?")]
        append(messages, await asked(here, providers[first], messages, stream=stream))
        append(messages, await asked(there, providers[second], messages, stream=stream))
        if first != second:
            assert f"{first} thinks" not in said(there)
            assert f"sealed {first}" not in said(there)
        last = await asked(here, providers[first], messages, stream=stream)

    assert last.text == ANSWER
    assert here.refusals == there.refusals == []
    assert all(mark in said(here) for mark in SEEN_AGAIN.get(first, ()))
    assert said(here).count("rain in Oslo") == said(here).count("rain in Rome") == 2
    assert said(here).count(SAID) == 2
    if first != second:
        assert f"{second} thinks" not in said(here)


@pytest.mark.parametrize("second", VENDORS)
async def test_a_user_may_speak_right_after_results(second: str) -> None:
    """As one does who interrupts; what he says comes after the results of both calls."""
    async with VENDORS["openai"]() as here, VENDORS[second]() as there:
        providers = [connected(here), connected(there)]
        messages = [Message.user("What is the weather?")]
        append(messages, await asked(here, providers[0], messages, stream=False))
        messages.append(Message.user("And tomorrow?"))
        assert (await asked(there, providers[1], messages, stream=False)).tool_calls
        for provider in providers:
            await provider.aclose()
    assert there.refusals == []
    assert said(there).index("rain in Rome") < said(there).index("And tomorrow?")


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("openai", lambda turn: turn["tool_calls"][0].update(id="x" * 41)),
        ("openai", lambda turn: turn.update(reasoning_content="hm")),
        ("deepseek", lambda turn: turn.pop("reasoning_content")),
        ("moonshot", lambda turn: turn.pop("reasoning_content")),
        ("mistral", lambda turn: turn.update(reasoning_content="hm")),
        ("mistral", lambda turn: turn["tool_calls"][0].update(id="call_abc")),
        ("gemini", lambda turn: turn["tool_calls"][0].pop("extra_content")),
        ("gemini", lambda turn: turn.update(thinking="hm")),
        ("anthropic", lambda turn: turn["content"][0].pop("signature")),
        ("anthropic", lambda turn: turn["content"].pop(0)),
        ("anthropic", lambda turn: turn["content"].reverse()),
        ("ollama", lambda turn: turn["tool_calls"][0]["function"].update(arguments="{}")),
    ],
)
async def test_the_vendors_of_these_tests_do_refuse(name: str, spoil: Any) -> None:
    """What is sent is taken; spoiled, it is refused."""
    async with VENDORS[name]() as vendor:
        provider = connected(vendor)
        messages = [Message.user("What is the weather?")]
        append(messages, await asked(vendor, provider, messages, stream=False))
        await asked(vendor, provider, messages, stream=False)
        await provider.aclose()
        body = vendor.bodies[-1]
        assert vendor.check(body) == 1
        spoil(body["messages"][1])
        with pytest.raises(Refused):
            vendor.check(body)
