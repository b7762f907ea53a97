"""The official SDKs read what answers hold beside text: from the vendors, and through the gateway's faces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import ollama
import openai
import pytest

from providers.simulator import Simulator
from tests.support.gateway import served

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend

# Behind each face a vendor of its own protocol, whose bytes go through, and others, whose answers are written anew.
ROUTES = """
providers:
  chat: {kind: openai, api: chat, base_url: "{openai}", api_key: k}
  responses: {kind: openai, api: responses, dialect: openai, base_url: "{openai}", api_key: k}
  router: {kind: openai, dialect: openrouter, base_url: "{openai}", api_key: k}
  claude: {kind: anthropic, base_url: "{anthropic}", api_key: k}
  llama: {kind: ollama, base_url: "{ollama}"}
defaults:
  timeout: {connect: 60s, first_token: 60s, answer: 60s, idle: 60s, total: 120s}
routes:
  chat: {targets: [chat/gpt-4o]}
  responses: {targets: [responses/gpt-4o]}
  router: {targets: [router/x]}
  claude: {targets: [claude/claude-sonnet-4-5]}
  llama: {targets: [llama/x]}
"""
SAID = "Rain is likely in Oslo."
URL = "https://a.example"
USER: Any = [{"role": "user", "content": "Will it rain?"}]
both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as simulator:
        for vendor in simulator.vendors.values():
            vendor.set(fast=True, answer=SAID, sources=[{"url": URL, "title": "A", "text": "rain"}])
        yield simulator


@asynccontextmanager
async def base(sim: Simulator, vendor: str, route: str) -> AsyncIterator[tuple[str, str]]:
    """A base URL and a model: a vendor's own where no route is named."""
    if not route:
        yield sim.base_url(vendor), "gpt-4o"
        return
    async with served(ROUTES, simulator=sim) as running:
        yield running.url + ("/v1" if vendor == "openai" else ""), route


async def by_chat(sim: Simulator, route: str, stream: bool, **more: Any) -> Any:
    async with base(sim, "openai", route) as (url, model), openai.AsyncOpenAI(base_url=url, api_key="k") as client:
        asked: dict[str, Any] = {"model": model, "messages": USER, **more}
        if not stream:
            return await client.chat.completions.create(**asked)
        async with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
            return await events.get_final_completion()


async def by_responses(sim: Simulator, route: str, stream: bool, **more: Any) -> Any:
    async with base(sim, "openai", route) as (url, model), openai.AsyncOpenAI(base_url=url, api_key="k") as client:
        asked: dict[str, Any] = {"model": model, "input": USER, **more}
        if not stream:
            return await client.responses.create(**asked)
        async with client.responses.stream(**asked) as events:
            return await events.get_final_response()


async def by_messages(sim: Simulator, route: str, stream: bool, **more: Any) -> Any:
    async with (
        base(sim, "anthropic", route) as (url, model),
        anthropic.AsyncAnthropic(base_url=url, api_key="k") as client,
    ):
        asked: dict[str, Any] = {"model": model, "messages": USER, "max_tokens": 500, **more}
        if not stream:
            return await client.messages.create(**asked)
        async with client.messages.stream(**asked) as events:
            return await events.get_final_message()


@both
@pytest.mark.parametrize("route", ["", "chat", "responses", "claude"])
async def test_chat_reads_sources(sim: Simulator, route: str, stream: bool) -> None:
    message = (await by_chat(sim, route, stream)).choices[0].message
    assert message.content == SAID
    cited = message.annotations[0]
    cited = cited if isinstance(cited, dict) else cited.model_dump()
    assert (cited["type"], cited["url_citation"]["url"], cited["url_citation"]["title"]) == ("url_citation", URL, "A")


@both
@pytest.mark.parametrize("route", ["", "chat", "responses", "llama"])
async def test_chat_reads_likelihoods(sim: Simulator, route: str, stream: bool) -> None:
    choice = (await by_chat(sim, route, stream, logprobs=True, top_logprobs=2)).choices[0]
    assert "".join(one.token for one in choice.logprobs.content) == SAID
    assert {len(one.top_logprobs) for one in choice.logprobs.content} == {2}
    assert choice.message.content == SAID


@both
@pytest.mark.parametrize("route", ["", "chat", "router"])
async def test_chat_reads_speech(sim: Simulator, route: str, stream: bool) -> None:
    audio = {"voice": "alloy", "format": "pcm16"}
    message = (await by_chat(sim, route, stream, modalities=["text", "audio"], audio=audio)).choices[0].message
    spoken = message.audio if isinstance(message.audio, dict) else message.audio.model_dump()
    assert spoken["transcript"] == SAID
    assert spoken["data"]


@both
@pytest.mark.parametrize("route", ["", "chat"])
async def test_chat_reads_the_vendors_cost(sim: Simulator, route: str, stream: bool) -> None:
    sim.vendor("openai").set(cost=0.25)
    assert (await by_chat(sim, route, stream)).usage.cost == 0.25


@both
@pytest.mark.parametrize("route", ["", "responses", "router", "claude"])
async def test_responses_read_a_search_and_its_sources(sim: Simulator, route: str, stream: bool) -> None:
    reply = await by_responses(sim, route, stream, tools=[{"type": "web_search"}])
    assert reply.output_text == SAID
    kinds = [item.type for item in reply.output]
    assert kinds == (["web_search_call", "message"] if route in ("", "responses") else ["message"])
    (cited,) = reply.output[-1].content[0].annotations
    assert (cited.type, cited.url, cited.title) == ("url_citation", URL, "A")


@both
@pytest.mark.parametrize("route", ["", "responses", "chat", "llama"])
async def test_responses_read_likelihoods(sim: Simulator, route: str, stream: bool) -> None:
    include = ["message.output_text.logprobs"]
    reply = await by_responses(sim, route, stream, include=include, top_logprobs=2)
    likely = reply.output[-1].content[0].logprobs
    assert "".join(one.token for one in likely) == SAID
    assert {len(one.top_logprobs) for one in likely} == {2}


@both
@pytest.mark.parametrize("route", ["", "responses", "router"])
async def test_responses_read_pictures(sim: Simulator, route: str, stream: bool) -> None:
    reply = await by_responses(sim, route, stream, tools=[{"type": "image_generation"}])
    drawn = reply.output[-1]
    assert (drawn.type, drawn.status) == ("image_generation_call", "completed")
    assert drawn.result.startswith("iVBOR")


SEARCH: Any = [{"type": "web_search_20250305", "name": "web_search"}]


@both
@pytest.mark.parametrize("route", ["", "claude", "responses", "router"])
async def test_messages_read_a_search_and_its_sources(sim: Simulator, route: str, stream: bool) -> None:
    reply = await by_messages(sim, route, stream, tools=SEARCH)
    kinds = [block.type for block in reply.content]
    found = ["server_tool_use", "web_search_tool_result"] if route in ("", "claude") else []
    assert kinds == [*found, "text"]
    text = reply.content[-1]
    assert text.text == SAID
    (cited,) = text.citations
    assert (cited.type, cited.url, cited.title) == ("web_search_result_location", URL, "A")


@both
@pytest.mark.parametrize("route", ["", "claude"])
async def test_messages_read_places_in_documents(sim: Simulator, route: str, stream: bool) -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "The grass is green."}
    document = {"type": "document", "source": source, "title": "g", "citations": {"enabled": True}}
    asked = [{"role": "user", "content": [document, {"type": "text", "text": "What colour?"}]}]
    reply = await by_messages(sim, route, stream, messages=asked)
    cited = reply.content[-1].citations[0]
    assert (cited.type, cited.cited_text, cited.document_title) == ("char_location", "The grass is green.", "g")


@both
@pytest.mark.parametrize("route", ["", "llama", "chat"])
async def test_ollama_reads_likelihoods(sim: Simulator, route: str, stream: bool) -> None:
    async with base(sim, "ollama", route) as (url, model), ollama.AsyncClient(host=url) as client:
        asked: dict[str, Any] = {"model": model, "messages": USER, "logprobs": True, "top_logprobs": 2}
        lines = [line async for line in await client.chat(**asked, stream=True)] if stream else []
        lines = lines or [await client.chat(**asked)]
    likely = [one for line in lines for one in line.logprobs or ()]
    assert "".join(one.token for one in likely) == SAID
    assert {len(one.top_logprobs) for one in likely} == {2}
