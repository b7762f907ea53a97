"""A disk that is slow, or a machine that is busy, is no trouble of the folder: only a disk that hangs is told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import diskcache
import pytest

from router.cache.disk import Disk


class Gate:
    """Every read of the disk waits until it is open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        read = diskcache.Cache.get

        def slowly(cache: diskcache.Cache, key: str) -> object:
            self.open.wait(60)
            return read(cache, key)

        monkeypatch.setattr(diskcache.Cache, "get", slowly)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.setattr("router.cache.disk.READ_WAIT", 0.01)
    return Gate(monkeypatch)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
async def disk(tmp_path: Path, gate: Gate, told: list[str]) -> AsyncIterator[Disk]:
    disk = Disk(tmp_path, 1_000_000, lambda state, why: told.append(f"{state} {why}".strip()))
    assert await disk.put("key", b"kept", 60)
    yield disk
    gate.open.set()
    await disk.aclose()


async def hang(disk: Disk, told: list[str]) -> None:
    """Read until the disk, which does not answer, is told."""
    async with asyncio.timeout(60):
        while not told:
            assert await disk.get("key") is None


async def test_a_disk_that_hangs_is_left_alone(disk: Disk, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No read waits for long meanwhile."""
    monkeypatch.setattr("router.cache.disk.HANGS", 0.05)
    monkeypatch.setattr("router.cache.disk.OFF", 600.0)
    await hang(disk, told)
    assert told == ["off it does not answer"]
    assert not await disk.put("another", b"no", 60)


async def test_one_that_answers_again_is_told(
    disk: Disk, gate: Gate, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.cache.disk.HANGS", 0.05)
    monkeypatch.setattr("router.cache.disk.OFF", 0.0)
    await hang(disk, told)
    gate.open.set()
    await disk.cleared_at()
    assert told == ["off it does not answer", "on"]
    assert await found(disk, "key") == b"kept"


async def test_many_that_wait_for_a_slow_disk_are_no_trouble(disk: Disk, gate: Gate, told: list[str]) -> None:
    """They miss, and what comes later is found."""
    assert await asyncio.gather(*(disk.get("key") for _ in range(50))) == [None] * 50
    gate.open.set()
    assert await found(disk, "key") == b"kept"
    assert told == []


async def test_one_slow_read_after_the_other_is_no_trouble(
    disk: Disk, gate: Gate, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is late by itself, whatever counts as long: the disk answers."""
    monkeypatch.setattr("router.cache.disk.HANGS", 0.0)
    for _ in range(5):
        gate.open.clear()
        assert await disk.get("key") is None
        gate.open.set()
        await disk.cleared_at()  # it comes after the read
    assert told == []


async def test_a_loop_that_was_held_gets_what_has_come_meanwhile(disk: Disk, gate: Gate, told: list[str]) -> None:
    """The time in which nobody could look does not count."""
    gate.open.set()
    reading = asyncio.ensure_future(disk.get("key"))
    await asyncio.sleep(0)  # it begins
    after = threading.Thread(target=lambda: asyncio.run(disk.cleared_at()))
    after.start()
    after.join(60)  # the read is over
    end = time.monotonic() + 0.02
    while time.monotonic() < end:
        pass  # longer than a read may take
    assert await reading == b"kept"
    assert told == []


async def found(disk: Disk, key: str) -> bytes | None:
    """What the disk has, however long it takes."""
    async with asyncio.timeout(60):
        while (data := await disk.get(key)) is None:
            pass
    return data
