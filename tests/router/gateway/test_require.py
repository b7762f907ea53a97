"""What a client's key requires, over HTTP: no protocol, name, field or header of the client's gets around it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from multidict import CIMultiDict

from providers import FakeProvider
from providers.fake import Reply
from providers.simulator import Simulator
from router import Router
from router.gateway.exchange import Asked
from router.gateway.gateway import Gateway
from tests.support.gateway import Served, served

FILE = """
providers:
  us: {kind: openai, base_url: "{openai}", api_key: sk-0123456789abcdef, labels: {region: us}}
  eu: {kind: openai, base_url: "{second}", api_key: sk-0123456789abcdef, labels: {region: eu}}
  claude: {kind: anthropic, base_url: "{anthropic}", api_key: sk-0123456789abcdef}
models:
  vectors: {provider: us, id: text-embedding-3-small, embeds: true}
  vectors-eu: {provider: eu, id: text-embedding-3-small, embeds: {same_as: vectors}}
defaults: {retry: {max_attempts: 3}, timeout: {connect: 60s, first_token: 60s, answer: 60s, idle: 60s, total: 120s}}
routes:
  chat: {targets: [us/m, eu/m], balance: ordered, fallbacks: [claude/claude-haiku-4-5], cache: {ttl: 1h}}
  abroad: {targets: [us/m, claude/claude-haiku-4-5]}
  "claude-*": chat
  embed: {targets: [vectors], fallbacks: [vectors-eu], embeds: true, cache: {ttl: 1h}}
serve:
  direct: true
  names: {"gpt-*": chat}
  forward: {headers: [x-signalbox-require, x-require]}
  keys:
    alice: {key: sb-alice-0123456789abcdef, require: {region: eu}, namespace: team}
    bob: {key: sb-bob-0123456789abcdefgh, namespace: team}
cache: {path: memory}
"""
ALICE, BOB = "sb-alice-0123456789abcdef", "sb-bob-0123456789abcdefgh"
FACES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
    "responses": ("/v1/responses", {"input": "hi"}),
    "messages": ("/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
    "ollama": ("/api/chat", {"messages": [{"role": "user", "content": "hi"}], "stream": False}),
    "completions": ("/v1/completions", {"prompt": "hi"}),
}
WIDENED = {"require": {"region": "us"}, "only": "us", "avoid": "eu", "caller": "bob", "routing": {"require": []}}


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    async with Simulator(seed=1) as simulator:
        simulator.add_vendor("second")
        for vendor in simulator.vendors.values():
            vendor.set(fast=True)
        async with served(FILE, simulator=simulator) as running:
            yield running


def elsewhere(gateway: Served) -> int:
    return gateway.simulator.vendor("openai").requests + gateway.simulator.vendor("anthropic").requests


async def ask(gateway: Served, path: str, body: dict[str, Any], key: str = ALICE, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        return await client.post(path, json=body, headers={"authorization": f"Bearer {key}", **headers})


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("model", ["chat", "gpt-4", "claude-x"])
async def test_each_protocol_and_name_keeps_it(gateway: Served, face: str, model: str) -> None:
    path, body = FACES[face]
    answer = await ask(gateway, path, {**body, "model": model})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-signalbox-target"] == "eu/m"
    assert elsewhere(gateway) == 0


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("model", ["abroad", "us/m", "claude/claude-haiku-4-5"])
async def test_nobody_left_is_an_error_of_the_protocol(gateway: Served, face: str, model: str) -> None:
    path, body = FACES[face]
    answer = await ask(gateway, path, {**body, "model": model})
    assert answer.status_code == 400
    assert answer.headers["x-should-retry"] == "false"
    error = answer.json()["error"]
    if face == "messages":
        assert error["type"] == "invalid_request_error"
    elif face != "ollama":
        assert error["code"] == "requirement_not_met"
    assert "labels that are required" in answer.text
    assert elsewhere(gateway) == 0


@pytest.mark.parametrize("face", FACES)
async def test_nothing_that_a_client_sends_widens_it(gateway: Served, face: str) -> None:
    path, body = FACES[face]
    for model in ("abroad", "chat"):
        sent = {**body, **WIDENED, "model": model, "metadata": {"require": "region=us"}}
        await ask(gateway, path, sent, **{"x-signalbox-require": "region=us", "x-require": "us"})
    assert elsewhere(gateway) == 0


@pytest.mark.parametrize("face", FACES)
async def test_a_client_may_require_more_in_a_header(gateway: Served, face: str) -> None:
    path, body = FACES[face]
    body = {**body, "model": "chat"}
    answer = await ask(gateway, path, body, BOB, **{"x-signalbox-require": "region=eu, region=mars"})
    assert (answer.status_code, answer.headers["x-signalbox-target"]) == (200, "eu/m")
    refused = await ask(gateway, path, body, BOB, **{"x-signalbox-require": "region=mars"})
    assert refused.status_code == 400
    assert "labels that are required" in refused.text
    for header, told in (("regoin=eu", "did you mean"), ("eu", "LABEL=TEXT, LABEL=TEXT is expected")):
        wrong = await ask(gateway, path, body, BOB, **{"x-signalbox-require": header})
        assert wrong.status_code == 400
        assert told in wrong.text
    assert elsewhere(gateway) == 0


async def test_no_answer_of_another_key_of_its_namespace_is_given_to_it(gateway: Served) -> None:
    path, body = FACES["chat"]
    body = {**body, "model": "chat"}
    assert (await ask(gateway, path, body, BOB)).headers["x-signalbox-target"] == "us/m"
    mine = await ask(gateway, path, body)
    assert (mine.headers["x-signalbox-target"], mine.headers["x-signalbox-cache"]) == ("eu/m", "stored")
    vectors = {"model": "embed", "input": "hi"}
    await ask(gateway, "/v1/embeddings", vectors, BOB)
    before = elsewhere(gateway)
    assert (await ask(gateway, "/v1/embeddings", vectors)).headers["x-signalbox-target"] == "vectors-eu"
    assert elsewhere(gateway) == before


async def test_a_vendor_is_sent_no_prompt_to_count_that_may_not_have_it(gateway: Served) -> None:
    path = "/v1/messages/count_tokens"
    body = {"model": "claude/claude-haiku-4-5", "messages": [{"role": "user", "content": "hi"}]}
    answer = await ask(gateway, path, body)
    assert answer.json()["input_tokens"] > 0  # by an estimate, here
    assert elsewhere(gateway) == 0
    await ask(gateway, path, body, BOB)
    assert elsewhere(gateway) == 1


async def test_a_reload_that_forgets_a_key_does_not_let_its_requests_under_way_go_further(tmp_path: Path) -> None:
    """The key was read with what it requires; by the time that the body is there, the file has it no more."""
    path = tmp_path / "routes.yaml"
    text = FILE.replace("{openai}", "http://us").replace("{second}", "http://eu").replace("{anthropic}", "http://any")
    path.write_text(text)
    fakes = {name: FakeProvider.scripted(Reply(f"of {name}"), name=name) for name in ("us", "eu", "claude")}
    async with Router.from_yaml(path, env={}, watch=False, providers=fakes, monitor=False) as router:
        gateway = Gateway(router)

        async def body(_: int) -> bytes:
            path.write_text(text.replace(", require: {region: eu}", ""))
            assert (await router.reload()).accepted
            return json.dumps({"model": "chat", **FACES["chat"][1]}).encode()

        headers = CIMultiDict(authorization=f"Bearer {ALICE}")
        answer = await gateway.handle(Asked("POST", "/v1/chat/completions", "", headers, body, "127.0.0.1"))
    assert (answer.status, answer.headers["x-signalbox-target"]) == (200, "eu/m")
    assert not fakes["us"].requests
