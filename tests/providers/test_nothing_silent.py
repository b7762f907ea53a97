"""Every field of a request, at every kind and dialect, is on the wire, or refused by name, or in `reply.left_out`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from providers.errors import ErrorCode, ProviderError
from providers.openai.dialect_rows import DIALECTS
from providers.types import CompletionRequest, Message, Native, ServerTool, Tool
from tests.support.sending import sent

LOOK = Tool("look", "", {"type": "object", "properties": {}})
FIND = Tool("find", "", {"type": "object", "properties": {}})
ANSWER = {
    "name": "answer",
    "schema": {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    },
}
# What a field is asked for with; what stands beside it is in the request that it is compared with, too.
ASKED: dict[str, tuple[Any, dict[str, Any]]] = {
    "messages": ((Message.system("Be brief."), Message.user("Hi")), {}),
    "model": ("n", {}),
    "tools": ((LOOK,), {}),
    "tool_choice": ("required", {"tools": (LOOK, FIND)}),
    "parallel_tool_calls": (False, {"tools": (LOOK,)}),
    "response_format": (ANSWER, {}),
    "temperature": (0.3, {}),
    "top_p": (0.4, {}),
    "max_tokens": (7_777, {}),
    "stop": (("END",), {}),
    "seed": (7, {}),
    "presence_penalty": (0.5, {}),
    "frequency_penalty": (0.6, {}),
    "thinking": ("low", {"max_tokens": 9_000}),
    "thinking_display": ("summarized", {}),
    "logprobs": (True, {}),
    "top_logprobs": (3, {}),
    "service_tier": ("flex", {}),
    "prediction": ("Hello!", {}),
    "modalities": (("text", "image"), {}),
    "audio": ({"voice": "v", "format": "wav"}, {}),
    "server_tools": ((ServerTool("web_search"),), {}),
    "allowed_tools": (("look",), {"tools": (LOOK, FIND)}),
    "extra_body": ({"their_own": 1}, {}),
}
# Of no answer: labels for the vendor's books and filters, and a cache that most vendors have without being asked.
LABELS = {"user": "u", "metadata": {"k": "v"}, "prompt_cache": "auto"}
# For a router, for this call's own limits, or in the head of the request.
NOT_IN_A_BODY = {
    *("answer_type", "affinity", "namespace", "caller", "end_user", "tags", "timeout", "extra_headers", "routing"),
    "native",
}
SPOKEN = [
    *((name, "m") for name in DIALECTS if name != "tei"),
    *(("openai", model) for model in ("gpt-4.1", "gpt-5.5", "gpt-5.6", "o1-pro", "o3", "gpt-4o-search-preview")),
    *(("azure", model) for model in ("gpt-5.6", "deployment")),
    *(("anthropic", name) for name in ("claude-sonnet-4-5", "claude-opus-4-7", "claude-haiku-4-5", "deepseek-chat")),
    *(("xai", model) for model in ("grok-4", "grok-3-mini", "grok-4.3")),
    *(("openrouter", model) for model in ("anthropic/claude-opus-4.7", "openai/gpt-5")),
    *(("gemini", "gemini-2.5-flash"), ("vertex", "google/gemini-3-pro"), ("moonshot", "kimi-k2.6")),
    *(("groq", model) for model in ("openai/gpt-oss-120b", "qwen/qwen3-32b")),
    *(("mistral", "mistral-large"), ("ollama", "qwen3"), ("ollama", "gpt-oss:20b")),
]


def test_every_field_is_looked_at() -> None:
    known = {*ASKED, *LABELS, *NOT_IN_A_BODY}
    assert {field.name for field in msgspec.structs.fields(CompletionRequest)} == known


async def fate(spoken: str, model: str, name: str, value: Any, beside: dict[str, Any]) -> str:
    """What became of a field."""
    asked = {"model": model, **beside}
    try:
        with_it = await sent(spoken, **{**asked, name: value})
    except ProviderError as error:
        return "refused" if error.code is ErrorCode.UNSUPPORTED else f"refused as {error.code}"
    if name in with_it.reply.left_out:
        assert name not in with_it.body
        return "named"
    try:
        without_it = await sent(spoken, **asked)
    except ProviderError:
        return "sent"
    return "sent" if with_it.body != without_it.body else "silent"


@pytest.mark.parametrize(("spoken", "model"), SPOKEN)
async def test_no_field_is_dropped_silently(spoken: str, model: str) -> None:
    fates = {name: await fate(spoken, model, name, *asked) for name, asked in ASKED.items()}
    assert {name: what for name, what in fates.items() if what not in ("sent", "refused", "named")} == {}


@pytest.mark.parametrize(("spoken", "model"), SPOKEN)
async def test_labels_are_never_named(spoken: str, model: str) -> None:
    reply = (await sent(spoken, model=model, **LABELS)).reply
    assert reply.left_out == ()


@pytest.mark.parametrize(
    ("spoken", "model", "fields", "left_out"),
    [
        ("gemini", "gemini-2.5-flash", {"seed": 1, "presence_penalty": 0.1}, ("seed", "presence_penalty")),
        ("openai", "gpt-5.5", {"temperature": 0.1, "seed": 1}, ("temperature",)),
        ("anthropic", "claude-sonnet-4-5", {"temperature": 0.1, "top_p": 0.5}, ("top_p",)),
        ("mistral", "m", {"seed": 0, "temperature": 0.0, "top_p": 0.5}, ("top_p",)),
        (
            "ollama",
            "qwen3",
            {"seed": 0, "temperature": 0.0, "tools": (LOOK,), "parallel_tool_calls": False},
            ("parallel_tool_calls",),
        ),
        ("ollama", "qwen3", {"tools": (LOOK,), "parallel_tool_calls": True}, ()),
        ("cohere", "m", {"tools": (LOOK,), "parallel_tool_calls": False, "tool_choice": "none"}, ()),
        ("cohere", "m", {"parallel_tool_calls": False}, ()),
        ("xai", "grok-4", {"thinking": "low"}, ("thinking",)),  # it thinks as much as it likes
        ("openai", "gpt-4.1", {"thinking": "off"}, ()),  # it never thinks
        ("anthropic", "claude-haiku-4-5", {"tools": (LOOK,), "tool_choice": "look", "thinking": "low"}, ("thinking",)),
        ("openai", "o1-pro", {"thinking_display": "omitted"}, ()),
        ("openai", "o1-pro", {"thinking_display": "summarized", "seed": 5}, ("seed",)),
        ("openrouter", "m", {"thinking_display": "omitted"}, ()),
        ("groq", "m", {"thinking_display": "omitted"}, ("thinking_display",)),
        ("generic", "m", {"seed": 1, "top_p": 0.5, "temperature": 0.0, "frequency_penalty": 0.0}, ()),
        ("xai", "m", {"presence_penalty": 0.5, "extra_body": {"presence_penalty": 0.4}}, ()),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_what_is_named(
    spoken: str, model: str, fields: dict[str, Any], left_out: tuple[str, ...], stream: bool
) -> None:
    assert (await sent(spoken, model=model, stream=stream, max_tokens=9_000, **fields)).reply.left_out == left_out


async def test_a_clients_own_body_is_asked_only_for_what_a_router_added() -> None:
    body = {"model": "x", "messages": [{"role": "user", "content": "Hi"}], "their_seed": 7}
    native = Native("openai.chat", body, added=("temperature",))
    fields: dict[str, Any] = {"native": native, "seed": 7, "temperature": 0.1}
    assert (await sent("openai", model="gpt-5.5", **fields)).reply.left_out == ("temperature",)
    assert (await sent("anthropic", model="claude-opus-4-7", **fields)).reply.left_out == ("temperature", "seed")
