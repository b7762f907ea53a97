"""The official SDKs and our providers, given the same simulator, read the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import anthropic
import ollama
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers import CompletionRequest, Message, ProviderSettings, Tool, registry
from providers.base import Provider
from providers.simulator import Simulator
from providers.types import CompletionResponse

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend

# Ollama's SDK cuts lines at these, and so breaks JSON strings that hold one.
LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=LINE_ENDS), min_size=1, max_size=80)
VALUES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXTS | st.lists(TEXTS, max_size=2)
CALLS = st.fixed_dictionaries({"name": st.just("f"), "arguments": st.dictionaries(TEXTS, VALUES, max_size=3)})
ANSWERS = st.one_of(st.fixed_dictionaries({"answer": TEXTS}), st.fixed_dictionaries({"tool_call": CALLS}))
SCHEMA = {"type": "object", "properties": {}}


class Reading(NamedTuple):
    """What both sides have to agree on."""

    text: str
    calls: list[tuple[str, Any]]
    finish: str | None
    tokens: tuple[int | None, int | None]


class World:
    """One loop, the simulator, and a client of each kind."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.simulator = Simulator(seed=1)
        self.run(self.simulator.start())
        self.ours: dict[str, Provider] = {}
        for name, kind, api in (
            ("chat", "openai", "chat"),
            ("responses", "openai", "responses"),
            ("anthropic", "anthropic", None),
            ("ollama", "ollama", None),
        ):
            url = self.simulator.base_url(kind)
            options = {"api": api} if api else {}
            self.ours[name] = registry.create(ProviderSettings(name=name, kind=kind, base_url=url, options=options))
        urls = {kind: self.simulator.base_url(kind) for kind in ("openai", "anthropic", "ollama")}
        self.openai = openai.AsyncOpenAI(base_url=urls["openai"], api_key="k", max_retries=0)
        self.anthropic = anthropic.AsyncAnthropic(base_url=urls["anthropic"], api_key="k", max_retries=0)
        self.ollama = ollama.AsyncClient(host=urls["ollama"])

    def run(self, story: Any) -> Any:
        return self.runner.run(story)

    async def close(self) -> None:
        for provider in self.ours.values():
            await provider.aclose()
        await self.openai.close()
        await self.anthropic.close()
        await self.ollama._client.aclose()
        await self.simulator.aclose()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.run(made.close())
    made.runner.close()


async def ours(provider: Provider, streamed: bool) -> CompletionResponse:
    request = CompletionRequest(
        model="m", messages=(Message.user("go"),), tools=(Tool("f", "does it", SCHEMA),), max_tokens=500
    )
    if not streamed:
        return await provider.complete(request)
    async with provider.stream(request) as stream:
        async for _ in stream:
            pass
    return stream.response


def reading(reply: CompletionResponse) -> Reading:
    return Reading(
        reply.text,
        [(call.name, call.arguments) for call in reply.tool_calls],
        reply.raw_finish_reason,
        (reply.usage.input_tokens, reply.usage.output_tokens),
    )


async def by_chat(world: World, streamed: bool) -> Reading:
    function = {"name": "f", "description": "does it", "parameters": SCHEMA}
    asked: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": "go"}],
        "tools": [{"type": "function", "function": function}],
        "max_completion_tokens": 500,
    }
    if streamed:
        async with world.openai.chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
            reply = await stream.get_final_completion()
    else:
        reply = await world.openai.chat.completions.create(**asked)
    choice = reply.choices[0]
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or ()]
    usage = (reply.usage.prompt_tokens, reply.usage.completion_tokens)
    return Reading(choice.message.content or "", calls, choice.finish_reason, usage)


async def by_responses(world: World, streamed: bool) -> Reading:
    asked: dict[str, Any] = {
        "model": "m",
        "input": [{"role": "user", "content": "go"}],
        "tools": [{"type": "function", "name": "f", "description": "does it", "parameters": SCHEMA, "strict": False}],
        "max_output_tokens": 500,
    }
    if streamed:
        async with world.openai.responses.stream(**asked) as stream:
            reply = await stream.get_final_response()
    else:
        reply = await world.openai.responses.create(**asked)
    calls = [(item.name, json.loads(item.arguments)) for item in reply.output if item.type == "function_call"]
    return Reading(reply.output_text, calls, reply.status, (reply.usage.input_tokens, reply.usage.output_tokens))


async def by_anthropic(world: World, streamed: bool) -> Reading:
    asked: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": "go"}],
        "tools": [{"name": "f", "description": "does it", "input_schema": SCHEMA}],
        "max_tokens": 500,
    }
    if streamed:
        async with world.anthropic.messages.stream(**asked) as stream:
            reply = await stream.get_final_message()
    else:
        reply = await world.anthropic.messages.create(**asked)
    text = "".join(block.text for block in reply.content if block.type == "text")
    calls = [(block.name, block.input) for block in reply.content if block.type == "tool_use"]
    return Reading(text, calls, reply.stop_reason, (reply.usage.input_tokens, reply.usage.output_tokens))


async def by_ollama(world: World, streamed: bool) -> Reading:
    function = {"name": "f", "description": "does it", "parameters": SCHEMA}
    asked: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": "go"}],
        "tools": [{"type": "function", "function": function}],
        "options": {"num_predict": 500},
    }
    text, calls = "", []
    parts = [part async for part in await world.ollama.chat(**asked, stream=True)] if streamed else []
    parts = parts or [await world.ollama.chat(**asked)]
    for part in parts:
        text += part.message.content or ""
        calls += [(call.function.name, dict(call.function.arguments)) for call in part.message.tool_calls or ()]
    last = parts[-1]
    return Reading(text, calls, last.done_reason, (last.prompt_eval_count, last.eval_count))


THEIRS = {"chat": by_chat, "responses": by_responses, "anthropic": by_anthropic, "ollama": by_ollama}


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", THEIRS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(said=ANSWERS)
def test_both_read_the_same(world: World, name: str, streamed: bool, said: dict[str, Any]) -> None:
    """Text, calls with their parsed arguments, finish reason and usage of generated answers."""
    vendor = world.simulator.vendor("openai" if name in ("chat", "responses") else name)
    vendor.mend()
    vendor.set(fast=True, **said)

    async def story() -> tuple[Reading, Reading]:
        return reading(await ours(world.ours[name], streamed)), await THEIRS[name](world, streamed)

    mine, theirs = world.run(story())
    assert mine == theirs
