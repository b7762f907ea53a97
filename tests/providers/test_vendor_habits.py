"""What single vendors refuse, or want besides: roles, prefills, empty turns, ranges, forced tools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.coerce import coerce_messages
from providers.errors import ErrorCode, ProviderError
from providers.types import ImagePart, Message, Tool, ToolCall
from tests.support.sending import sent

HI = Message.user("Hi")
TOOLS = (Tool("weather"), Tool("news"))


async def body_of(spoken: str, model: str = "m", **fields: Any) -> dict[str, Any]:
    return (await sent(spoken, model=model, **fields)).body


async def refused(spoken: str, model: str = "m", **fields: Any) -> bool:
    with pytest.raises(ProviderError) as caught:
        await sent(spoken, model=model, **fields)
    return caught.value.code is ErrorCode.UNSUPPORTED


@pytest.mark.parametrize(("spoken", "mark"), [("mistral", "prefix"), ("moonshot", "partial"), ("dashscope", "partial")])
async def test_the_beginning_of_an_answer_is_marked(spoken: str, mark: str) -> None:
    body = await body_of(spoken, messages=(HI, Message("assistant", "The")))
    assert body["messages"][-1][mark] is True
    assert mark not in json.dumps(await body_of(spoken, messages=(HI, Message("assistant", "The"), HI)))
    assert mark not in json.dumps(await body_of("openai", messages=(HI, Message("assistant", "The"))))


@pytest.mark.parametrize("spoken", ["mistral", "moonshot"])
async def test_empty_turns_are_left_out(spoken: str) -> None:
    body = await body_of(spoken, messages=(HI, Message("assistant", ""), HI))
    assert [message["role"] for message in body["messages"]] == ["user", "user"]
    called = Message("assistant", "", tool_calls=(ToolCall("abcdefghi", "weather", {}),))
    body = await body_of(spoken, messages=(HI, called, Message.tool("abcdefghi", "sun")))
    assert len(body["messages"][1]["tool_calls"]) == 1


@pytest.mark.parametrize(
    ("spoken", "most"), [("mistral", 1.5), ("moonshot", 1), ("zai", 1), ("minimax", 1), ("openai", 2)]
)
async def test_temperatures_stay_in_the_vendors_range(spoken: str, most: float) -> None:
    assert (await body_of(spoken, temperature=2))["temperature"] == most
    assert (await body_of(spoken, temperature=0.5))["temperature"] == 0.5


async def test_mistral_takes_no_name_and_no_top_p_beside_a_temperature_of_zero() -> None:
    named = coerce_messages([{"role": "user", "content": "Hi", "name": "ann"}])
    assert "name" not in (await body_of("mistral", messages=named))["messages"][0]
    assert (await body_of("openai", messages=named))["messages"][0]["name"] == "ann"
    assert "top_p" not in await body_of("mistral", temperature=0, top_p=0.5)
    assert (await body_of("mistral", temperature=0.1, top_p=0.5))["top_p"] == 0.5


@pytest.mark.parametrize(
    ("model", "thinking", "expected"),
    [
        ("grok-4.20-0309-non-reasoning", "off", None),
        ("grok-4-1-fast-non-reasoning", "off", None),
        ("grok-4.5", "low", "low"),
        ("grok-4.20-multi-agent-0309", "medium", "medium"),
        ("grok-4-0709", "high", None),
    ],
)
async def test_efforts_of_grok(model: str, thinking: Any, expected: str | None) -> None:
    assert (await body_of("xai", model, thinking=thinking)).get("reasoning_effort") == expected


async def test_grok_stops_where_it_does_not_reason() -> None:
    assert (await body_of("xai", "grok-4-1-fast-non-reasoning", stop=("END",)))["stop"] == ["END"]
    assert await refused("xai", "grok-4-1-fast-reasoning", stop=("END",))
    assert await refused("xai", "grok-4.5", thinking="off")


@pytest.mark.parametrize(
    "model", ["o3-pro", "gpt-5-codex", "gpt-5.1-codex-max", "codex-mini-latest", "o4-mini-deep-research"]
)
async def test_what_only_responses_serve_goes_there(model: str) -> None:
    assert "input" in await body_of("openai", model)


async def test_models_that_search_take_no_sampling_and_call_no_tools() -> None:
    body = await body_of("openai", "gpt-4o-search-preview", temperature=0.2, top_p=0.5, presence_penalty=0.1)
    assert not {"temperature", "top_p", "presence_penalty"} & set(body)
    assert await refused("openai", "chatgpt-4o-latest", tools=TOOLS)


async def test_thinking_at_dashscope() -> None:
    assert (await body_of("dashscope", "qwen3-32b"))["enable_thinking"] is False  # a plain call is refused else
    assert "enable_thinking" not in await body_of("dashscope", "qwen-plus")
    assert await refused("dashscope", "qwen3-235b-a22b", thinking="high")
    assert await refused("dashscope", "qwen-plus", thinking="high", tools=TOOLS, tool_choice="required")
    assert await refused("dashscope", "qwen-plus", thinking="high", response_format="json")


@pytest.mark.parametrize(
    ("spoken", "model"), [("dashscope", "qwen-plus"), ("openrouter", "openai/gpt-4o"), ("github", "openai/gpt-4.1")]
)
async def test_the_word_json_is_said_to_those_behind_gateways_too(spoken: str, model: str) -> None:
    body = await body_of(spoken, model, response_format="json")
    assert "JSON" in body["messages"][0]["content"]


async def test_tools_that_cannot_be_forced() -> None:
    assert await refused("ollama", tools=TOOLS, tool_choice="required")
    assert "tools" not in await body_of("ollama", tools=TOOLS, tool_choice="none")
    body = await body_of("lmstudio", tools=TOOLS, tool_choice="news")
    assert body["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in body["tools"]] == ["news"]


@pytest.mark.parametrize("api", ["gpt-4o", "gpt-5.4-pro"])  # by chat completions, and by Responses
async def test_a_system_message_is_text(api: str) -> None:
    shown = Message("system", (ImagePart(url="https://example.com/a.png"),))
    assert await refused("openai", api, messages=(shown, HI))


async def test_gemini_knows_results_by_name_and_gemma_no_system() -> None:
    called = Message("assistant", "", tool_calls=(ToolCall("c1", "weather", {}),))
    body = await body_of("gemini", "gemini-2.5-flash", messages=(HI, called, Message.tool("c1", "sun")))
    assert body["messages"][-1]["name"] == "weather"
    body = await body_of("gemini", "gemma-3-27b-it", messages=(Message("system", "Be brief"), HI))
    assert [message["role"] for message in body["messages"]] == ["user", "user"]


def test_a_refusal_goes_back_as_what_was_said() -> None:
    (said,) = coerce_messages([{"role": "assistant", "content": None, "refusal": "I cannot."}])
    assert said.text == "I cannot."


@pytest.mark.parametrize("content", ["Long", [{"type": "text", "text": "Long"}]])
async def test_a_cache_mark_beside_the_content_marks_its_text(content: Any) -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    said = coerce_messages([{"role": "system", "content": content, "cache_control": mark}])
    body = await body_of("openrouter", messages=(*said, HI))
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Long", "cache_control": mark}]
