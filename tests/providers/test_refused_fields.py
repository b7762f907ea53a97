"""Fields that a vendor refuses: left out where the answer does not depend on them, and never asked for twice."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from providers import Message, ProviderError, Tool
from providers.errors import ErrorCode
from providers.refused_fields import Refusal, RefusedFields, refused, without
from providers.types import TextPart, ThinkingPart
from tests.support.scripted import Vendor, refusal, sse

CHAT = httpx.Response(200, json={"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]})
STREAM = sse({"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}, "[DONE]")
MESSAGE = httpx.Response(200, json={"content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"})
WEATHER = Tool("weather", "tells it", {"type": "object", "properties": {}})


def unsupported(message: str, **more: Any) -> ProviderError:
    return ProviderError(ErrorCode.UNSUPPORTED, message, status=400, **more)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_field_is_left_out_once_and_remembered(stream: bool) -> None:
    """The call is repeated without it, the answer says so, and later calls of that model do not send it."""
    vendor = Vendor("openai", refusal("property 'seed' is unsupported"), STREAM if stream else CHAT)
    reply = await vendor.ask(stream=stream, seed=7, temperature=0.5)
    assert (reply.text, reply.left_out) == ("hi", ("seed",))
    assert [("seed" in body, body["temperature"]) for body in vendor.sent] == [(True, 0.5), (False, 0.5)]
    again = await vendor.ask(stream=stream, seed=8, temperature=0.5)
    assert (len(vendor.sent), "seed" in vendor.sent[-1], again.left_out) == (3, False, ("seed",))
    assert (await vendor.ask(stream=stream)).left_out == ()  # nothing was asked for that is left out
    await vendor.ask(stream=stream, model="other", seed=8)
    assert vendor.sent[-1]["seed"] == 8


async def test_fields_that_are_named_one_after_the_other() -> None:
    """A vendor that names one field at a time is asked again for each; the limit of the answer is renamed, not lost."""
    vendor = Vendor(
        "openai",
        refusal("Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."),
        refusal("Unsupported value: 'temperature' does not support 0.2 with this model.", code="unsupported_value"),
        refusal("Unsupported parameter: 'top_p' is not supported with this model."),
        CHAT,
        options={"dialect": "generic"},
    )
    reply = await vendor.ask(max_tokens=50, temperature=0.2, top_p=0.9)
    assert reply.left_out == ("temperature", "top_p")
    sent = vendor.sent[-1]
    assert (sent["max_completion_tokens"], "max_tokens" in sent, "temperature" in sent) == (50, False, False)


async def test_what_has_a_meaning_is_never_left_out() -> None:
    """Tools, formats and stop sequences: the target cannot do it, the error names the field, nothing is repeated."""
    for message in ("Unrecognized request argument supplied: stop", "`tools` is not supported with this model"):
        vendor = Vendor("openai", refusal(message))
        error = await vendor.fails(stop=("x",), tools=(WEATHER,))
        assert (error.code, len(vendor.sent)) == (ErrorCode.UNSUPPORTED, 1)
        assert message in error.message


async def test_a_field_that_only_param_names_is_told() -> None:
    """The vendor's sentence may leave the field to `param`."""
    error = await Vendor("openai", refusal("Not supported.", param="tools", code="unsupported_parameter")).fails()
    assert "tools" in error.message


async def test_a_vendor_that_goes_on_refusing() -> None:
    """What is left out and refused all the same is no reason to ask for ever, nor to remember anything."""
    vendor = Vendor("openai", refusal("invalid temperature: only 1 is allowed for this model"))
    error = await vendor.fails(temperature=0.7)
    assert (error.code, len(vendor.sent)) == (ErrorCode.UNSUPPORTED, 2)
    await vendor.fails(temperature=0.7)
    assert vendor.sent[-2]["temperature"] == 0.7


async def test_claude_takes_one_sampling_field_of_two() -> None:
    """Only together they are refused: alone, each is sent."""
    both = httpx.Response(
        400,
        json={
            "error": {"type": "invalid_request_error", "message": "`temperature` and `top_p` cannot both be specified"}
        },
    )
    vendor = Vendor("anthropic", lambda body: both if {"temperature", "top_p"} <= body.keys() else MESSAGE)
    reply = await vendor.ask(model="compatible", temperature=0.5, top_p=0.9)
    assert reply.left_out == ("top_p",)
    assert vendor.sent[-1]["temperature"] == 0.5
    assert (await vendor.ask(model="compatible", top_p=0.9)).left_out == ()
    assert (await vendor.ask(model="compatible", temperature=0.5, top_p=0.9)).left_out == ("top_p",)
    assert len(vendor.sent) == 4


async def test_one_value_of_an_effort() -> None:
    """A value that is refused by name leaves the others alone."""
    refused_once = refusal("Unsupported value: 'reasoning_effort' does not support 'high' with this model.")
    vendor = Vendor("openai", refused_once, CHAT, options={"dialect": "generic"})
    assert (await vendor.ask(thinking="high")).left_out == ("reasoning_effort",)
    assert (await vendor.ask(thinking="low")).left_out == ()
    assert vendor.sent[-1]["reasoning_effort"] == "low"


async def test_a_model_that_cannot_think() -> None:
    """Ollama refuses the wish to think; the answer does without."""
    answer = httpx.Response(200, json={"message": {"content": "hi"}, "done": True, "done_reason": "stop"})
    vendor = Vendor("ollama", httpx.Response(400, json={"error": '"m" does not support thinking'}), answer)
    assert (await vendor.ask(thinking="high")).left_out == ("think",)
    assert "think" not in vendor.sent[-1]


@pytest.mark.parametrize(
    "words",
    ["messages.1.content.0: Invalid `signature` in `thinking` block", "The block is bound to a different conversation"],
)
async def test_thinking_that_a_claude_does_not_take_back(words: str) -> None:
    """The conversation goes on without it, wherever in the message it stands; this is no fault of the model's."""
    stale = httpx.Response(400, json={"error": {"type": "invalid_request_error", "message": words}})
    thought = ThinkingPart("hm", "sig", origin="p/claude-opus-4-8")
    for said in (
        Message("assistant", "b", (), (thought,)),
        Message("assistant", (thought, TextPart("b"))),
    ):
        vendor = Vendor("anthropic", stale, MESSAGE)
        messages = (Message.user("a"), said, Message.user("c"))
        reply = await vendor.ask(model="claude-opus-4-8", messages=messages)
        assert reply.left_out == ("thinking of earlier turns",)
        assert ["sig" in str(body) for body in vendor.sent] == [True, False]


BODY: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}],
    "tools": [{"parameters": {"properties": {"cache_control": {}}}, "cache_control": {"type": "ephemeral"}}],
    "temperature": 0.5,
    "top_p": 0.9,
    "seed": 1,
    "user": "u",
    "store": False,
    "metadata": {"a": "b"},
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": False},
    "parallel_tool_calls": False,
    "presence_penalty": 1.0,
    "reasoning": {"effort": "high", "summary": "auto"},
    "output_config": {"effort": "high", "format": {}},
    "thinking": {"type": "adaptive"},
    "max_tokens": 9,
}


@pytest.mark.parametrize(
    ("message", "left_out"),
    [
        ("Unrecognized request arguments supplied: store, user", ("store", "user")),
        ('Unknown name "parallel_tool_calls": Cannot find field.', ("parallel_tool_calls",)),
        ("body.user: Extra inputs are not permitted; body.seed: Extra inputs are not permitted", ("user", "seed")),
        ("unknown field `store`, expected one of `model`, `temperature`, `seed`", ("store",)),
        ("Argument not supported on this model: presencePenalty", ("presence_penalty",)),
        ("`temperature` is deprecated for this model.", ("temperature",)),
        ("`temperature` may only be set to 1 when thinking is enabled", ("temperature",)),
        ("Thinking may not be enabled when tool_choice forces tool use.", ("thinking",)),
        ("This model does not support the effort parameter.", ("reasoning.effort", "output_config.effort")),
        ("Unsupported parameter: 'reasoning.summary' is not supported with this model.", ("reasoning.summary",)),
        ("unknown field stream_options.include_obfuscation", ("stream_options.include_obfuscation",)),
        ("messages.0.content.0.cache_control: Extra inputs are not permitted", ("cache_control",)),
        ("Unknown parameter: 'metadata'.", ("metadata",)),
        # words that are no names of fields
        ("The last user message has an unsupported type; see the store of models", ()),
        ("messages.0.name: Extra inputs are not permitted", ()),
        ("thinking is enabled but reasoning_content is missing in assistant tool call message at index 2", ()),
        ("max_tokens: must be less than or equal to 8, use fewer tokens", ()),
    ],
)
def test_the_field_is_found_in_the_words(message: str, left_out: tuple[str, ...]) -> None:
    """By its name, as vendors write it, and only where a field is meant."""
    left, names = without(BODY, refused(unsupported(message), BODY))
    assert set(names) == set(left_out)
    assert (left == BODY) is (not left_out)


def test_only_what_is_named_goes() -> None:
    """Marks go wherever they stand, the caller's own schema stays, and the request's own body is not touched."""
    left, _ = without(BODY, [Refusal("cache_control"), Refusal("reasoning.effort"), Refusal("output_config.effort")])
    assert left["messages"][0]["content"][0] == {"type": "text", "text": "x"}
    assert left["tools"] == [{"parameters": {"properties": {"cache_control": {}}}}]
    assert (left["reasoning"], left["output_config"]) == ({"summary": "auto"}, {"format": {}})
    assert "cache_control" in BODY["tools"][0]
    own = {"tools": [{"parameters": {"properties": {"cache_control": {}}}}]}
    assert refused(unsupported("cache_control: Extra inputs are not permitted"), own) == ()
    empty, _ = without({"reasoning": {"effort": "high"}}, [Refusal("reasoning.effort")])
    assert empty == {}


def test_another_error_changes_nothing() -> None:
    """Only a target that says it cannot: a value out of range is the caller's to mend."""
    error = ProviderError(ErrorCode.INVALID_REQUEST, "`temperature` must be between 0 and 2")
    assert refused(error, BODY) == ()


def test_the_memory_is_bounded() -> None:
    """Models and fields without number do not fill the memory; the newest are kept."""
    memory = RefusedFields()
    for number in range(1000):
        memory.learn(f"m{number}", tuple(Refusal(f"f{field}") for field in range(100)))
    assert "m0" not in memory
    assert len(memory["m999"]) <= 32
    assert memory["m999"][-1] == Refusal("f99")
