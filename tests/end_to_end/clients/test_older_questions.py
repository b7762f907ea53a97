"""What OpenAI's SDK still asks in the ways of years ago: completions of a prompt, and functions in place of tools."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from providers.simulator.vendor import ToolAnswer
from tests.support.gateway import TARGETS, Served, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

FUNCTIONS: Any = [{"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(gateway: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("route", TARGETS)
async def test_a_prompt_is_completed(gateway: Served, sdk: openai.AsyncOpenAI, route: str) -> None:
    """By every kind of vendor, plain and streamed; the counts come where they are asked for."""
    gateway.simulator.vendors[TARGETS[route][1]].set(answer="there was a king")
    plain = await sdk.completions.create(model=route, prompt="Once upon a time", max_tokens=20)
    told = [
        chunk
        async for chunk in await sdk.completions.create(
            model=route, prompt="Once upon a time", stream=True, stream_options={"include_usage": True}
        )
    ]
    assert (
        plain.choices[0].text == "".join(chunk.choices[0].text for chunk in told if chunk.choices) == "there was a king"
    )
    assert plain.choices[0].finish_reason == "stop"
    assert told[-1].usage is not None
    assert told[-1].usage == plain.usage
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.completions.create(model=route, prompt="def f(", suffix=")")
    assert caught.value.param == "suffix"


@pytest.mark.parametrize("route", ["claude", "llama"])  # OpenAI's own answer would go through as it is
async def test_a_function_is_called_as_it_was_offered(gateway: Served, sdk: openai.AsyncOpenAI, route: str) -> None:
    """A call comes as `function_call`, and its result goes back by the function's name."""
    gateway.simulator.vendors[TARGETS[route][1]].set(tool_call=ToolAnswer("weather", {"city": "Paris"}))
    messages: list[Any] = [{"role": "user", "content": "how is it?"}]
    answer = await sdk.chat.completions.create(model=route, messages=messages, functions=FUNCTIONS)
    message = answer.choices[0].message
    assert message.function_call is not None
    assert json.loads(message.function_call.arguments) == {"city": "Paris"}
    assert (message.tool_calls, answer.choices[0].finish_reason) == (None, "function_call")
    messages += [message.model_dump(exclude_none=True), {"role": "function", "name": "weather", "content": "sunny"}]
    after = await sdk.chat.completions.create(model=route, messages=messages, functions=FUNCTIONS)
    assert after.choices[0].finish_reason == "stop"
    assert after.choices[0].message.content
