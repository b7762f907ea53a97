"""What leaves a provider on the wire: URL, headers and body as each vendor wants them, through an httpx transport."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from providers import CompletionRequest, Message, ProviderError, ProviderSettings, registry
from providers.errors import ErrorCode
from providers.types import CompletionResponse, ThinkingPart

CHAT = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
MESSAGE = {"content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"}


async def sent(
    kind: str,
    *answers: httpx.Response,
    messages: tuple[Message, ...] = (Message.user("hi"),),
    model: str = "m",
    **fields: Any,
) -> tuple[list[httpx.Request], CompletionResponse]:
    """The requests that a call makes, and its answer."""
    script, seen = list(answers), []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return script.pop(0)

    options = {**fields.pop("options", {}), "transport": httpx.MockTransport(handle), "max_retries": 0}
    provider = registry.create(ProviderSettings(name="p", kind=kind, options=options, **fields))
    reply = await provider.complete(CompletionRequest(model=model, messages=messages, max_tokens=100))
    return seen, reply


@pytest.mark.parametrize(
    ("base_url", "url", "header"),
    [
        (None, "https://api.openai.com/v1/chat/completions", "authorization"),
        ("https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1/chat/completions", "authorization"),
        ("https://api.deepseek.com", "https://api.deepseek.com/chat/completions", "authorization"),
        (
            "https://res.openai.azure.com/openai/v1",
            "https://res.openai.azure.com/openai/v1/chat/completions",
            "api-key",
        ),
        (
            "https://res.openai.azure.com/openai/deployments/mine?api-version=2024-10-21",
            "https://res.openai.azure.com/openai/deployments/mine/chat/completions?api-version=2024-10-21",
            "api-key",
        ),
    ],
)
async def test_openai_urls_and_keys(base_url: str | None, url: str, header: str) -> None:
    """Azure in both its forms, and the others as their base URL says."""
    seen, _ = await sent("openai", httpx.Response(200, json=CHAT), base_url=base_url, api_key="k-1", model="gpt-4o")
    assert str(seen[0].url) == url
    assert seen[0].headers[header] == ("k-1" if header == "api-key" else "Bearer k-1")
    assert len([name for name in ("authorization", "api-key") if name in seen[0].headers]) == 1


@pytest.mark.parametrize(
    ("base_url", "options", "url", "headers"),
    [
        (None, {}, "https://api.anthropic.com/v1/messages", {"x-api-key": "k-1", "anthropic-version": "2023-06-01"}),
        ("http://h:1/v1", {"auth": "bearer"}, "http://h:1/v1/messages", {"authorization": "Bearer k-1"}),
        (
            None,
            {"version": "2026-10-21", "betas": ["a", "b"]},
            "https://api.anthropic.com/v1/messages",
            {"anthropic-version": "2026-10-21", "anthropic-beta": "a,b"},
        ),
    ],
)
async def test_anthropic_urls_and_headers(
    base_url: str | None, options: dict[str, Any], url: str, headers: dict[str, str]
) -> None:
    """Version, betas and the key in either form; a base URL with /v1 is understood."""
    seen, _ = await sent(
        "anthropic", httpx.Response(200, json=MESSAGE), base_url=base_url, api_key="k-1", options=options
    )
    assert str(seen[0].url) == url
    for name, value in headers.items():
        assert seen[0].headers[name] == value


async def test_stale_thinking_is_left_out_once() -> None:
    """An edited history makes the vendor refuse bound thinking: the request goes out again without it."""
    stale = httpx.Response(
        400,
        json={
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "The block is bound to a different conversation"},
        },
    )
    thought = ThinkingPart("hm", "sig", origin="p/claude-opus-5-5")
    messages = (Message.user("a"), Message("assistant", "b", (), (thought,)), Message.user("c"))
    seen, reply = await sent(
        "anthropic", stale, httpx.Response(200, json=MESSAGE), messages=messages, model="claude-opus-5-5"
    )
    assert reply.text == "hi"
    assert ["sig" in request.content.decode() for request in seen] == [True, False]
    with pytest.raises(ProviderError) as caught:
        await sent("anthropic", stale, model="claude-opus-5-5")  # nothing to leave out
    assert caught.value.code is ErrorCode.INVALID_REQUEST


async def test_ollama_asks_for_no_silent_loss() -> None:
    """Native path, `truncate: false`, and `stream` always said."""
    answer = {"message": {"content": "hi"}, "done": True, "done_reason": "stop"}
    seen, _ = await sent("ollama", httpx.Response(200, json=answer), options={"num_ctx": 8192})
    assert str(seen[0].url) == "http://127.0.0.1:11434/api/chat"
    body = json.loads(seen[0].content)
    assert (body["truncate"], body["stream"], body["options"]["num_ctx"]) == (False, False, 8192)
    assert "authorization" not in seen[0].headers
