"""Vendors' keys that clients bring along over HTTP: where the file lets them, and to their provider alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import Served, served

FILE = """
providers:
  openai: {kind: openai, base_url: "{openai}", api_key: sk-of-the-file-000-FILE}
  claude: {kind: anthropic, base_url: "{anthropic}", api_key: sk-of-the-file-001-FIL2}
models:
  mini: {provider: openai, id: gpt-5-mini, price: {input: 1000000, output: 1000000}}
defaults: {retry: {max_attempts: 1}, timeout: {connect: 60s, first_token: 60s, answer: 60s, idle: 60s, total: 120s}}
routes:
  chat: {targets: [mini], cache: {ttl: 1h}}
  talk: {targets: [claude/claude-haiku-4-5]}
serve:
  keys:
    alice: {key: sb-alice-0123456789abcdef, own_keys: [openai], namespace: team, budget: $0.01/d}
    bob: {key: sb-bob-0123456789abcdefgh, namespace: team}
    carol: {key: sb-carol-0123456789abcdef, own_keys: true}
cache: {path: memory}
"""
CLIENTS = {
    "alice": "sb-alice-0123456789abcdef",
    "bob": "sb-bob-0123456789abcdefgh",
    "carol": "sb-carol-0123456789abcdef",
}
FACES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
    "responses": ("/v1/responses", {"input": "hi"}),
    "messages": ("/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
    "ollama": ("/api/chat", {"messages": [{"role": "user", "content": "hi"}], "stream": False}),
}
OWN = "openai=sk-of-alice-4711-ALIC"


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    async with served(FILE) as running:
        yield running


def keys(gateway: Served) -> dict[str, int]:
    simulator = gateway.simulator
    return dict(simulator.vendor("openai").keys + simulator.vendor("anthropic").keys)


async def ask(
    gateway: Served, who: str, own: str | None, face: str = "chat", model: str = "chat", **more: Any
) -> httpx.Response:
    path, body = FACES[face]
    headers = {"authorization": f"Bearer {CLIENTS[who]}"} | ({} if own is None else {"x-signalbox-credentials": own})
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        return await client.post(path, json={**body, "model": model, **more}, headers=headers)


@pytest.mark.parametrize("face", FACES)
async def test_a_client_that_may_pays_with_its_own(gateway: Served, face: str) -> None:
    answer = await ask(gateway, "alice", OWN, face)
    assert answer.status_code == 200, answer.text
    assert keys(gateway) == {"ALIC": 1}
    recorded = gateway.simulator.vendor("openai").last_request
    assert recorded is not None
    assert "x-signalbox-credentials" not in recorded.headers
    assert b"of-alice" not in recorded.raw


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("who", "own", "told"),
    [
        ("bob", OWN, "takes no vendors' keys from you"),
        ("alice", "claude=sk-of-alice-4711-ALIC", "takes keys from you for openai alone"),
        ("alice", f"{OWN}, claude=sk-of-alice-4711-ALIC", "takes keys from you for openai alone"),
        ("alice", "sk-of-alice-4711-ALIC", "PROVIDER=KEY"),
        ("alice", f"{OWN}, {OWN}", "a provider has one key"),
        ("alice", "openai=", "it is empty"),
        ("carol", "opnai=sk-of-alice-4711-ALIC", "did you mean"),
    ],
)
async def test_else_it_is_told_and_nobody_is_asked(gateway: Served, face: str, who: str, own: str, told: str) -> None:
    """Never the gateway's own key in silence, by which somebody else would pay."""
    answer = await ask(gateway, who, own, face)
    assert answer.status_code == 400
    assert told in answer.text
    assert "of-alice" not in answer.text
    assert keys(gateway) == {}


async def test_its_budget_is_not_charged_and_does_not_keep_it_out(gateway: Served) -> None:
    assert (await ask(gateway, "alice", OWN)).status_code == 200
    assert (await ask(gateway, "alice", None, messages=[{"role": "user", "content": "hello"}])).status_code == 200
    assert (await ask(gateway, "alice", None, messages=[{"role": "user", "content": "more"}])).status_code == 429
    more = [{"role": "user", "content": "even more"}]
    assert (await ask(gateway, "alice", OWN, messages=more)).status_code == 200
    assert (await ask(gateway, "alice", OWN, model="talk")).status_code == 429  # there the gateway's key would pay
    assert keys(gateway) == {"ALIC": 2, "FILE": 1}


async def test_what_it_paid_for_is_nobody_elses(gateway: Served) -> None:
    await ask(gateway, "alice", OWN)
    assert (await ask(gateway, "bob", None)).headers["x-signalbox-cache"] == "stored"
    assert (await ask(gateway, "alice", OWN)).headers["x-signalbox-cache"].startswith("hit")
    assert keys(gateway) == {"ALIC": 1, "FILE": 1}


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        ("authentication", 502, "refuses the key that came along"),
        ("quota", 502, "the key that came along"),
        ("rate_limited", 429, "the key that came along"),
    ],
)
async def test_what_its_key_is_refused_for_is_told_as_that(gateway: Served, fault: Any, status: int, told: str) -> None:
    gateway.simulator.vendor("openai").set(key_errors={"ALIC": fault})
    answer = await ask(gateway, "alice", OWN)
    assert answer.status_code == status
    assert told in answer.text
    assert "of-alice" not in answer.text
    assert (await ask(gateway, "bob", None)).status_code == 200


async def test_a_clients_own_body_goes_with_its_own_key(gateway: Served) -> None:
    """Native: the vendor gets the body unread, and of the headers nothing but what the file names."""
    for stream in (False, True):
        answer = await ask(gateway, "carol", "claude=sk-own-CARO", "messages", "talk", stream=stream)
        assert answer.status_code == 200
    assert keys(gateway) == {"CARO": 2}
    recorded = gateway.simulator.vendor("anthropic").last_request
    assert recorded is not None
    assert not any("sk-own" in value for value in recorded.headers.values())


async def test_embeddings_and_counts_go_the_same_way(gateway: Served) -> None:
    headers = {"authorization": f"Bearer {CLIENTS['carol']}", "x-signalbox-credentials": "claude=sk-own-CARO"}
    body = {"model": "talk", "messages": [{"role": "user", "content": "hi"}]}
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60, headers=headers) as client:
        counted = await client.post("/v1/messages/count_tokens", json=body)
    assert counted.json()["input_tokens"] > 0
    assert keys(gateway) == {}  # by an estimate here: the gateway's key is not used for it
