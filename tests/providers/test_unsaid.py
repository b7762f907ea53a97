"""What a vendor has no word for, and no answer depends on, is not sent, and told in `reply.left_out`."""

from __future__ import annotations

from typing import Any

import pytest

from providers import ProviderSettings, registry
from providers.simulator import Simulator
from providers.types import CompletionRequest, Message

ASKED = CompletionRequest(
    model="m", messages=(Message.user("Hello?"),), max_tokens=50, service_tier="flex", prediction="Hello!"
)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("kind", "options", "left_out"),
    [
        ("openai", {"dialect": "openrouter"}, ()),
        ("openai", {"dialect": "groq"}, ("prediction",)),
        ("openai", {"dialect": "mistral"}, ("service_tier",)),
        ("openai", {"dialect": "deepseek"}, ("service_tier", "prediction")),
        ("anthropic", {}, ("service_tier", "prediction")),
        ("ollama", {}, ("service_tier", "prediction")),
    ],
)
async def test_it_is_told(kind: str, options: dict[str, Any], left_out: tuple[str, ...], stream: bool) -> None:
    async with Simulator(seed=1) as sim:
        vendor = sim.vendor(kind)
        vendor.set(fast=True)
        settings = ProviderSettings(name="p", kind=kind, base_url=sim.base_url(kind), options=options)
        made: Any = registry.create(settings)
        try:
            if stream:
                async with made.stream(ASKED) as chunks:
                    async for _ in chunks:
                        pass
                    reply = chunks.response
            else:
                reply = await made.complete(ASKED)
        finally:
            await made.aclose()
        assert vendor.last_request is not None
        sent = vendor.last_request.body
    assert reply.left_out == left_out
    assert {name for name in ("service_tier", "prediction") if name in sent}.isdisjoint(left_out)
