"""A cache folder that is removed while routers use it, as by whoever tidies up: answers are kept in it again."""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

import pytest

from providers import FakeProvider
from router import Router


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is asked again at once after it has failed."""
    monkeypatch.setattr("router.cache.disk.OFF", 0.0)


def opened(folder: Path) -> Router:
    text = f"""
providers: {{a: {{kind: fake}}}}
routes: {{chat: {{targets: [a/m], cache: {{ttl: 1h}}}}}}
cache: {{path: "{folder}"}}
"""
    return Router.from_text(text, env={}, providers={"a": FakeProvider.scripted(name="a")})


async def ask(router: Router, prompt: str) -> str:
    """Where the answer came from, when it is written."""
    reply = await router.complete("chat", prompt)
    await router.cache.written()
    return reply.trace.cache


async def kept(folder: Path, prompt: str) -> bool:
    """Whether a router that comes later finds the answer."""
    async with opened(folder) as router:
        return await ask(router, prompt) == "hit"


async def test_it_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody's request fails, what is in memory is served, and what comes after it is kept on disk."""
    folder = tmp_path / "answers"
    with caplog.at_level(logging.WARNING, "signalbox.cache"):
        async with opened(folder) as router:
            assert [await ask(router, prompt) for prompt in ("one", "two")] == ["stored"] * 2
            await asyncio.to_thread(shutil.rmtree, folder)
            assert await ask(router, "one") == "hit"
            assert [await ask(router, prompt) for prompt in ("three", "four")] == ["stored"] * 2
    assert [await kept(folder, prompt) for prompt in ("one", "three", "four")] == [False, True, True]
    assert len(caplog.messages) <= 1


async def test_another_process_makes_it_anew(tmp_path: Path) -> None:
    """The one that had it open goes over to the new one."""
    folder = tmp_path / "answers"
    async with opened(folder) as router:
        assert [await ask(router, prompt) for prompt in ("one", "two")] == ["stored"] * 2
        await asyncio.to_thread(shutil.rmtree, folder)
        async with opened(folder) as other:
            assert await ask(other, "two") == "stored"
        assert await ask(router, "three") == "stored"
    assert [await kept(folder, prompt) for prompt in ("one", "two", "three")] == [False, True, True]
