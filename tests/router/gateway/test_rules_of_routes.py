"""A route's rules for those who ask over HTTP: by the tags of their key and of their request, and by what they send."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from providers.simulator import Simulator
from router import Router
from router.config.listen import Address
from router.gateway.gateway import Gateway
from router.gateway.http import server_of
from router.gateway.server import Server
from tests.support.served import CHAT, ask
from tests.support.vendors import routes

KEYS = {name: f"key-of-{name}-0123456789" for name in ("free", "paid")}
RULES = f"""\
  chat:
    when:
      - {{if: {{tags: {{tier: free}}}}, to: qwen}}
      - {{if: {{prompt_tokens: "> 1k"}}, to: haiku}}
      - {{if: {{needs: tools}}, to: chain}}
    targets: [luna]
  chain: {{targets: [haiku], fallbacks: [luna]}}
serve:
  tags: [tier]
  keys:
    free: {{key: {KEYS["free"]}, tags: {{tier: free}}}}
    paid: {{key: {KEYS["paid"]}}}
"""
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with Simulator() as simulator:
        for name, vendor in simulator.vendors.items():
            vendor.set(fast=True, answer=f"from {name}")
        text = routes(simulator) + RULES
        async with Router.from_text(text, env={}, monitor=False) as router:
            server = Server(server_of(Gateway(router)), [Address("127.0.0.1", 0)])
            await server.start()
            try:
                yield server.addresses[0].port
            finally:
                await server.stop()
                server.abort()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("client", "fields", "target"),
    [
        ("free", {}, "qwen"),
        ("free", {"metadata": {"tier": "paid"}}, "qwen"),  # what the file says of the key goes before
        ("paid", {}, "luna"),
        ("paid", {"metadata": {"tier": "free"}}, "qwen"),
        ("paid", {"messages": [{"role": "user", "content": "word " * 2000}]}, "haiku"),
        ("paid", {"tools": [TOOL]}, "haiku"),
    ],
)
async def test_a_clients_request_is_led_by_its_tags_and_by_what_it_sends(
    port: int, client: str, fields: dict[str, Any], target: str, stream: bool
) -> None:
    body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "stream": stream, **fields}
    answer = await ask(port, "POST", CHAT, json.dumps(body).encode(), authorization=f"Bearer {KEYS[client]}")
    assert answer.status == 200
    assert (answer.headers["x-signalbox-route"], answer.headers["x-signalbox-target"]) == ("chat", target)
    vendor = {"qwen": b"from ollama", "luna": b"from openai", "haiku": b"from anthropic"}[target]
    assert vendor in answer.body or stream
