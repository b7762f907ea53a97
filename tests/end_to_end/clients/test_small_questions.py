"""What the official SDKs ask beside questions to a model: lists, counts, and what an answer says of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import ollama
import openai
import pytest

from tests.support.gateway import TARGETS, Served, served

ASKED = [{"role": "user", "content": "Why is the sky blue?"}]


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


async def test_openais(gateway: Served) -> None:
    """The list of models, one of it, the count of a prompt, and the headers that say how an answer came about."""
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="any") as client:
        assert [model.id async for model in client.models.list()] == list(TARGETS)
        assert (await client.models.retrieve("claude")).owned_by == "signalbox"
        for name in TARGETS:
            counted = await client.responses.input_tokens.count(model=name, input="Why is the sky blue?")
            assert counted.input_tokens > 0
        raw = await client.chat.completions.with_raw_response.create(model="claude", messages=ASKED)
        assert raw.parse().choices[0].message.content
        assert raw.headers["x-signalbox-route"] == "claude"
        assert raw.headers["x-signalbox-attempts"] == "1"
        assert raw.request_id


async def test_anthropics(gateway: Served) -> None:
    """The list of models by pages, one of it, and the count of a prompt."""
    async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key="any") as client:
        assert [model.id async for model in client.models.list(limit=2)] == list(TARGETS)
        assert (await client.models.retrieve("chat")).display_name == "chat"
        for name in TARGETS:
            assert (await client.messages.count_tokens(model=name, messages=ASKED)).input_tokens > 0
        with pytest.raises(anthropic.NotFoundError):
            await client.models.retrieve("nobody")


async def test_ollamas(gateway: Served) -> None:
    """The list of models, one of it, those that run, a bare prompt, and what a router has no use for."""
    client = ollama.AsyncClient(host=gateway.url)
    listed = (await client.list()).models
    assert [model.model for model in listed] == [f"{name}:latest" for name in TARGETS]
    assert "tools" in ((await client.show("claude:latest")).capabilities or ())
    assert (await client.ps()).models is not None
    made = await client.generate("chat", "Why is the sky blue?")
    assert "Rayleigh" in made.response
    said = [part.response async for part in await client.generate("llama:latest", "Why is the sky blue?", stream=True)]
    assert "Rayleigh" in "".join(said)
    loaded = await client.generate("chat")
    assert loaded.done_reason == "load"
    with pytest.raises(ollama.ResponseError) as raised:
        await client.pull("chat")
    assert raised.value.status_code == 501
    await client.close()
