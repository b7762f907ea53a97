"""What Ollama's clients ask before they chat: whether a model can be loaded, and what it can do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import ollama
import pytest

from tests.support.gateway import Served, served

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


LOADS: list[tuple[dict[str, Any], int, str]] = [
    ({"model": "llama"}, 200, "load"),
    ({"model": "llama:latest", "messages": [], "prompt": ""}, 200, "load"),
    ({"model": "llama", "keep_alive": 0}, 200, "unload"),
    ({"model": "nobody"}, 404, "nobody"),
    ({}, 400, "model is required"),
    ({"model": "llama", "options": []}, 400, "options"),
]


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
@pytest.mark.parametrize(("body", "status", "told"), LOADS, ids=str)
async def test_a_model_is_loaded(gateway: Served, path: str, body: dict[str, Any], status: int, told: str) -> None:
    """No vendor is asked; a name that leads nowhere, and a wrong body, are told as such."""
    async with aiohttp.ClientSession() as session, session.post(gateway.url + path, json=body) as reply:
        found = await reply.json()
    assert reply.status == status
    assert told in (found["done_reason"] if status == 200 else found["error"])
    assert status != 200 or (found["model"], found["done"]) == (body["model"], True)
    assert gateway.simulator.vendor("ollama").requests == 0


async def test_lists_and_abilities(gateway: Served) -> None:
    """As the official SDK reads them: every listed model can be shown, and chatted with under its full name."""
    async with ollama.AsyncClient(host=gateway.url) as client:
        listed = [str(model.model) for model in (await client.list()).models]
        assert "llama:latest" in listed
        for name in listed:
            shown = await client.show(name)
            assert "completion" in (shown.capabilities or ())
            info = shown.modelinfo or {}
            assert info[f"{info['general.architecture']}.context_length"] > 0
            reply = await client.chat(name, [{"role": "user", "content": "hi"}])
            assert (reply.model, reply.done) == (name, True)
        assert (await client.ps()).models == []
