"""What becomes of the folder of cached answers is told: once, in the events and to whoever asks for something of it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers import FakeProvider
from router import Router
from router.errors import CacheUnavailable
from router.views.commands import ClearCache
from tests.support.command import signalbox


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is asked again at once after it has failed."""
    monkeypatch.setattr("router.cache.disk.OFF", 0.0)
    monkeypatch.setattr("router.cache.store.COUNT_EVERY", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that can be broken: a file in its place."""
    return tmp_path / "answers"


def opened(folder: Path | str) -> Router:
    text = f"""
providers: {{a: {{kind: fake}}}}
routes: {{chat: {{targets: [a/m], cache: {{ttl: 1h}}}}}}
cache: {{path: "{folder}", max_size: 1GB}}
"""
    return Router.from_text(text, env={}, providers={"a": FakeProvider.scripted(name="a")}, monitor=False)


async def ask(router: Router, prompt: str) -> None:
    await router.complete("chat", prompt)
    await router.cache.written()


def broken(folder: Path) -> None:
    """Put a file in the folder's place."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("no folder")


def mended(folder: Path) -> None:
    folder.unlink()


def told(router: Router) -> list[str]:
    return [event.fields["state"] for event in router.telemetry.events if event.kind == "cache"]


async def test_off_and_on_again_are_told_once(folder: Path) -> None:
    """However many requests come meanwhile; each as a sentence with the folder and the reason."""
    broken(folder)
    async with opened(folder) as router:
        for number in range(5):
            await ask(router, f"prompt {number}")
        assert told(router) == ["off"]
        event = router.telemetry.events[-1]
        assert event.sentence == f"answers can't be kept in {folder} for now: {event.fields['why']}"
        assert "Not a directory" in event.sentence
        mended(folder)
        for number in range(5):
            await ask(router, f"another {number}")
        assert told(router) == ["off", "on"]
        assert router.telemetry.events[-1].sentence == f"answers are kept in {folder} again"


async def test_what_comes_and_goes_does_not_flood(folder: Path) -> None:
    """Troubles within a minute of the last one are not told, nor is their end."""
    async with opened(folder) as router:
        for number in range(4):
            broken(folder)
            await ask(router, f"broken {number}")
            mended(folder)
            await ask(router, f"well {number}")
    assert told(router).count("off") == told(router).count("on") == 1


async def test_a_folder_that_vanishes_is_told(folder: Path) -> None:
    async with opened(folder) as router:
        await ask(router, "one")
        await asyncio.to_thread(shutil.rmtree, folder)
        await ask(router, "two")
        await ask(router, "three")
        assert told(router) == ["removed"]
        assert str(folder) in router.telemetry.events[-1].sentence


async def test_what_is_not_forgotten_is_not_said_to_be(folder: Path) -> None:
    """From Python, from the dashboard and from the command: the disk has failed, and how many it has nobody knows."""
    broken(folder)
    async with opened(folder) as router:
        await ask(router, "one")
        with pytest.raises(CacheUnavailable, match=f"what is stored in {folder} can't be forgotten now: .+"):
            await router.cache.clear()
        with pytest.raises(CacheUnavailable, match="can't be counted now"):
            await router.cache.volume()
        done = await router.feed().command(ClearCache())
        assert not done.ok
        assert "can't be forgotten now" in done.message
    (folder.parent / "routes.yaml").write_text(
        f'providers: {{a: {{kind: fake}}}}\nroutes: {{chat: a/m}}\ncache: {{path: "{folder}"}}\n'
    )
    for verb in ("clear", "stats"):
        said = await signalbox("cache", verb, cwd=folder.parent)
        assert said.code != 0
        assert f"what is stored in {folder} can't be" in said.err


async def test_the_figures_are_what_is_stored(folder: Path) -> None:
    """Counted beside the snapshots: the first one does not wait for the disk, a later one knows."""
    async with opened(folder) as router:
        assert router.snapshot().cache.entries is None
        await ask(router, "one")
        await ask(router, "two")
        router.snapshot()
        await router.cache.written()
        cache = router.snapshot().cache
        assert (cache.folder, cache.entries, cache.max_bytes) == (str(folder), 2, 1_000_000_000)
        assert cache.bytes is not None
        assert cache.bytes > 1000
        broken(folder)
        router.snapshot()
        await router.cache.written()
        assert router.snapshot().cache.entries is None, "not known is not 0"


async def test_in_memory_they_are_known_at_once() -> None:
    async with opened("memory") as router:
        await ask(router, "one")
        cache = router.snapshot().cache
        assert (cache.folder, cache.entries, cache.max_bytes) == (None, 1, 32 * 1024 * 1024)
        assert cache.bytes is not None
        assert cache.bytes > 100
