"""Texts that an app has marked are breakpoints of OpenAI's models from GPT-5.6 on, and are told to no earlier one."""

from __future__ import annotations

from typing import Any

import pytest

from providers.coerce import coerce_messages
from providers.types import Message, TextPart, Tool, ToolCall
from tests.support.sending import sent

EXPLICIT = {"mode": "explicit"}
TOOL = Tool("look", "", {"type": "object", "properties": {}})
RULES = TextPart("These are the rules.", cache=True)
ASKED = (Message.system([RULES]), Message.user([TextPart("The book.", cache="1h"), TextPart("Who did it?")]))


def contents(body: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The parts of each message or item that has some."""
    found = [turn.get("content", turn.get("output")) for turn in body.get("messages") or body["input"]]
    return [each for each in found if isinstance(each, list)]


def places(body: dict[str, Any]) -> list[list[bool]]:
    marked = [[part.get("prompt_cache_breakpoint") for part in parts] for parts in contents(body)]
    assert all(mark in (None, EXPLICIT) for parts in marked for mark in parts)
    return [[mark is not None for mark in parts] for parts in marked]


@pytest.mark.parametrize("spoken", ["openai", "azure"])
@pytest.mark.parametrize(
    "model", ["gpt-5.6", "gpt-5.6-sol", "gpt-5.10", "gpt-6-luna", "gpt-6.1-terra", "ft:gpt-5.6:us"]
)
@pytest.mark.parametrize("by", ["chat", "responses"])
async def test_a_marked_text_is_a_breakpoint(spoken: str, model: str, by: str) -> None:
    fields: dict[str, Any] = {"tools": (TOOL,), "thinking": "low"} if by == "responses" else {}
    body = (await sent(spoken, model=model, messages=ASKED, **fields)).body
    assert places(body) == [[True], [True, False]]


async def test_on_responses_it_stands_on_input_texts() -> None:
    body = (await sent("openai", model="gpt-5.6", messages=ASKED, tools=(TOOL,))).body
    part = {"type": "input_text", "text": RULES.text, "prompt_cache_breakpoint": EXPLICIT}
    assert body["input"][0]["content"] == [part]


@pytest.mark.parametrize(
    ("spoken", "model"),
    [
        *(("openai", model) for model in ("gpt-5.5", "gpt-5", "gpt-5-2025-08-07", "gpt-4.1", "gpt-4o", "o3", "m")),
        *(("azure", model) for model in ("gpt-35-turbo", "gpt-35-turbo-16k", "my-deployment")),
        *((spoken, "gpt-5.6") for spoken in ("generic", "openrouter", "mistral", "groq", "xai", "github", "vercel")),
    ],
)
async def test_others_are_told_of_none(spoken: str, model: str) -> None:
    for wanted in (None, "off", "auto"):
        body = (await sent(spoken, model=model, messages=ASKED, prompt_cache=wanted)).body
        assert "breakpoint" not in str(body)
        assert "prompt_cache_options" not in body
        assert ("prompt_cache_key" in body) is (wanted == "auto" and spoken in ("openai", "azure", "mistral"))


@pytest.mark.parametrize("model", ["gpt-5.6", "gpt-6-luna"])
@pytest.mark.parametrize("by", ["chat", "responses"])
async def test_tools_results_take_one_and_answers_none(model: str, by: str) -> None:
    talk = (
        Message.user("Look."),
        Message("assistant", (TextPart("I look.", cache=True),), (ToolCall("c1", "look", {}, "{}"),)),
        Message("tool", (TextPart("Seen.", cache=True),), tool_call_id="c1"),
    )
    fields: dict[str, Any] = {"tools": (TOOL,), "thinking": "low"} if by == "responses" else {}
    body = (await sent("openai", model=model, messages=talk, **fields)).body
    assert ("input" in body) is (by == "responses")
    assert sum(map(sum, places(body))) == 1
    assert str(body).index("breakpoint") > str(body).index("Seen.")


@pytest.mark.parametrize("tools", [(), (TOOL,)], ids=["chat", "responses"])
async def test_off_leaves_the_marks_alone_and_auto_the_vendors_own_too(tools: tuple[Tool, ...]) -> None:
    for wanted, options in (("off", EXPLICIT), (None, None), ("auto", None), ("1h", None)):
        body = (await sent("openai", model="gpt-5.6", messages=ASKED, tools=tools, prompt_cache=wanted)).body
        assert body.get("prompt_cache_options") == options
        assert "prompt_cache_retention" not in body
        assert places(body) == [[True], [True, False]]
    unmarked = (Message.user("Hi"),)
    body = (await sent("openai", model="gpt-5.6", messages=unmarked, tools=tools, prompt_cache="off")).body
    assert body["prompt_cache_options"] == EXPLICIT
    assert "prompt_cache_key" not in body
    body = (await sent("openai", model="gpt-5.6", messages=unmarked, tools=tools)).body
    assert not [name for name in body if name.startswith("prompt_cache")]


async def key(*messages: Message, **fields: Any) -> str:
    found = (await sent("openai", model="gpt-5.6", messages=messages, **fields)).body["prompt_cache_key"]
    assert isinstance(found, str)
    assert len(found) == 32
    return found


async def test_questions_after_the_same_marked_words_share_a_key() -> None:
    """And with other words before the mark, or another role, they do not."""
    first, other = Message.user("Who?"), Message.user("When?")
    rules = Message.system([RULES, TextPart("And this changes.")])
    assert await key(Message.system([RULES]), first) == await key(rules, other)
    assert await key(rules, first) != await key(Message.system([TextPart("Other rules.", cache=True)]), first)
    assert await key(rules, first) != await key(Message.user([RULES]), first)
    assert await key(Message.system("More."), rules, first) != await key(rules, first)
    assert await key(rules, first, affinity="a") == await key(Message.user([RULES]), affinity="a")
    assert await key(rules, first, prompt_cache="auto") != await key(rules, other, prompt_cache="auto")


async def test_more_marks_than_are_written_all_stay() -> None:
    """The vendor writes the last ones, and reads the earlier."""
    talk = tuple(Message.user([TextPart(f"Part {n}", cache=True)]) for n in range(9))
    assert sum(map(sum, places((await sent("openai", model="gpt-5.6", messages=talk)).body))) == 9


async def test_a_clients_breakpoint_is_a_mark_at_other_vendors() -> None:
    part = {"type": "text", "text": "The book.", "prompt_cache_breakpoint": EXPLICIT}
    talk = coerce_messages([{"role": "user", "content": [part, {"type": "text", "text": "Who?"}]}])
    body = (await sent("anthropic", model="claude-sonnet-5-5", messages=talk)).body
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    body = (await sent("openai", model="gpt-5.6", messages=talk)).body
    assert places(body) == [[True, False]]
