"""Every failure, as each protocol's client is told it: status, words, and whether to try again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from providers.errors import ErrorCode, ProviderError
from router.gateway.errors import told
from router.gateway.paths import CHAT, MESSAGES, OLLAMA, RESPONSES
from tests.support.gateway import Served, served

FACES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
    "responses": ("/v1/responses", {"input": "hi"}),
    "messages": ("/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
    "ollama": ("/api/chat", {"messages": [{"role": "user", "content": "hi"}], "stream": False}),
}
# What the vendor says: the status, OpenAI's code, Anthropic's type, and whether to try again.
ROWS = {
    "authentication": (502, "upstream_authentication", "api_error", "false"),
    "permission": (502, "upstream_permission_denied", "api_error", "false"),
    "model_not_found": (502, "upstream_model_not_found", "api_error", "false"),
    "quota": (502, "upstream_quota_exhausted", "api_error", "false"),
    "rate_limited": (429, "rate_limit_exceeded", "rate_limit_error", "true"),
    "overloaded": (503, "server_is_overloaded", "overloaded_error", "true"),
    "server_error": (502, "upstream_server_error", "api_error", "false"),
    "timeout504": (502, "upstream_server_error", "api_error", "false"),
    "context_length": (400, "context_length_exceeded", "invalid_request_error", "false"),
    "content_filtered": (400, "content_policy_violation", "invalid_request_error", "false"),
    "invalid_request": (400, None, "invalid_request_error", "false"),
}
FILE = """
providers: {openai: {kind: openai, base_url: "{openai}", api_key: sk-0123456789abcdef}}
defaults: {retry: {max_attempts: 1, max_wait: 0s}}
routes: {chat: {targets: [openai/gpt-4o]}}
"""
# Their own words for what the others say with a status of their own.
OWN_STATUS = {("messages", "overloaded"): 529}


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    async with served(FILE) as running:
        yield running


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_vendors_failure(gateway: Served, face: str, kind: Any, stream: bool) -> None:
    vendor = gateway.simulator.vendor("openai")
    vendor.set(error_rate=1.0, error=kind)
    path, body = FACES[face]
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        answer = await client.post(path, json={**body, "model": "chat", "stream": stream})
    status, code, anthropic, retry = ROWS[kind]
    assert answer.status_code == OWN_STATUS.get((face, kind), status)
    assert answer.headers["x-should-retry"] == retry
    assert vendor.requests == 1
    error = answer.json()["error"]
    if face == "messages":
        assert answer.json()["type"] == "error"
        assert error["type"] == anthropic
        assert answer.json()["request_id"] == answer.headers["request-id"]
    elif face == "ollama":
        assert isinstance(error, str)
        assert error
    else:
        assert error["code"] == code
    if status == 429:
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("code", ErrorCode)
@pytest.mark.parametrize("face", [CHAT, RESPONSES, MESSAGES, OLLAMA])
def test_every_code_has_words_and_a_status(code: ErrorCode, face: Any) -> None:
    status, _, body = face.error(told(ProviderError(code, "why", provider="p", model="m")), "id")
    assert 400 <= status < 600
    # A client that reads 401, 402 or 403 asks its user for another key.
    assert status not in (401, 402, 403)
    assert body["error"]


async def test_an_error_inside_a_stream_is_the_protocols_own(gateway: Served) -> None:
    gateway.simulator.vendor("openai").set(error_after=2, error="overloaded")
    texts = {}
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        for face, (path, body) in FACES.items():
            texts[face] = (await client.post(path, json={**body, "model": "chat", "stream": True})).text
    assert '"error"' in texts["chat"]
    assert "[DONE]" not in texts["chat"]
    assert "event: error" in texts["messages"]
    assert "message_stop" not in texts["messages"]
    assert "response.failed" in texts["responses"]
    assert "response.completed" not in texts["responses"]
    assert '"error"' in texts["ollama"].splitlines()[-1]


async def test_a_failure_before_the_first_content_is_not_seen() -> None:
    text = """
providers:
  bad: {kind: openai, base_url: "{openai}", api_key: sk-0123456789abcdef}
  good: {kind: anthropic, base_url: "{anthropic}", api_key: sk-0123456789abcdef}
routes: {chat: {targets: [bad/gpt-4o], fallbacks: [good/claude-haiku-4-5]}}
"""
    async with served(text) as gateway, httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        gateway.simulator.vendor("openai").set(error_rate=1.0, error="authentication")
        for path, body in FACES.values():
            for stream in (False, True):
                answer = await client.post(path, json={**body, "model": "chat", "stream": stream})
                assert answer.status_code == 200
                assert answer.headers["x-signalbox-target"] == "good/claude-haiku-4-5"
                assert "Hello" in answer.text


async def test_the_vendors_words_stay_with_the_operator() -> None:
    async with served() as gateway, httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        gateway.simulator.vendor("openai").set(error_rate=1.0, error="authentication")
        path, body = FACES["chat"]
        answer = await client.post(path, json={**body, "model": "chat"})
    assert "Incorrect API key" not in answer.text
    assert gateway.url.rpartition(":")[2] not in answer.text
