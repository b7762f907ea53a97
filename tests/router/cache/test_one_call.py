"""Identical requests make one call, also where the lookup waits for a disk while the call of another one ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from providers import FakeProvider
from providers.fake import Reply
from router import Router

pytestmark = pytest.mark.slow


def shop(folder: Path, vendor: FakeProvider) -> Router:
    text = f"""
providers: {{a: {{kind: fake}}}}
cache: {{path: {folder}}}
routes: {{chat: {{targets: [a/m], cache: {{ttl: 1h}}}}}}
"""
    return Router.from_text(text, env={}, providers={"a": vendor}, monitor=False)


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("size", [10, 100_000], ids=["small", "large"])
async def test_at_the_same_time_on_disk(tmp_path: Path, streamed: bool, size: int) -> None:
    """Many rounds, each with a prompt of its own: however lookups and the end of the call lie, each is one call."""
    vendor = FakeProvider.scripted(Reply("x" * size))

    async def ask(router: Router, prompt: str) -> str:
        if not streamed:
            return (await router.complete("chat", prompt)).text
        async with router.stream("chat", prompt) as stream:
            async for _ in stream:
                pass
        return stream.response.text

    async with shop(tmp_path, vendor) as router:
        for number in range(20 if size < 1000 else 3):
            answers = await asyncio.gather(*(ask(router, f"round {number}") for _ in range(60)))
            assert {len(answer) for answer in answers} == {size}
            assert len(vendor.requests) == number + 1
