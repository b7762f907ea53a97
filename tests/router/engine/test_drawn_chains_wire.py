"""Whole chains that share load, over vendors on real sockets and through the gateway."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from providers.simulator import Simulator
from router import Router
from router.config.listen import Address
from router.gateway.gateway import Gateway
from router.gateway.http import server_of
from router.gateway.server import Server
from tests.support.served import CHAT, ask
from tests.support.vendors import routes

SPLIT = """\
  chat: {targets: {stable: 80, candidate: 20}, on_stream_break: restart}
  stable: {targets: [luna], fallbacks: [haiku]}
  candidate: {targets: [qwen], fallbacks: [haiku]}
"""


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        for name, vendor in simulator.vendors.items():
            vendor.set(fast=True, answer=f"from {name}")
        yield simulator


def made(simulator: Simulator) -> Router:
    return Router.from_text(routes(simulator) + SPLIT, env={}, seed=1, monitor=False)


async def test_each_has_its_share_and_a_vendor_that_is_down_moves_its_chain_to_its_own_fallback(sim: Simulator) -> None:
    async with made(sim) as router:
        replies = [await router.complete("chat", "hi") for _ in range(20)]
        assert Counter(reply.text for reply in replies) == {"from openai": 16, "from ollama": 4}
        sim.vendor("ollama").set(error_rate=1.0, error="overloaded")
        replies = [await router.complete("chat", "hi") for _ in range(10)]
    assert Counter(reply.text for reply in replies) == {"from openai": 8, "from anthropic": 2}
    moved = next(reply for reply in replies if reply.text == "from anthropic")
    assert [(each.chain, each.target) for each in moved.trace.attempts] == [
        ("candidate", "qwen"),
        ("candidate", "haiku"),
    ]


async def test_a_broken_stream_goes_on_along_its_chain_and_then_with_the_next(sim: Simulator) -> None:
    sim.vendor("openai").set(cut_after=1)
    sim.vendor("anthropic").set(cut_after=1)
    async with made(sim) as router, router.stream("chat", "hi") as stream:
        kept = ""
        async for chunk in stream:
            kept = chunk.text if chunk.restarted else kept + chunk.text
    assert kept == stream.response.text == "from ollama"
    answered = [(each.chain, each.target) for each in stream.trace.attempts if each.code is None]
    assert answered == [("stable", "luna"), ("stable", "haiku"), ("candidate", "qwen")]


async def test_clients_are_told_the_route_that_they_asked_for(sim: Simulator) -> None:
    async with made(sim) as router:
        server = Server(server_of(Gateway(router)), [Address("127.0.0.1", 0)])
        await server.start()
        try:
            port = server.addresses[0].port
            body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hi"}]}).encode()
            answers = [await ask(port, "POST", CHAT, body) for _ in range(5)]
        finally:
            await server.stop()
            server.abort()
    assert {answer.headers["x-signalbox-route"] for answer in answers} == {"chat"}
    assert Counter(answer.headers["x-signalbox-target"] for answer in answers) == {"luna": 4, "qwen": 1}
