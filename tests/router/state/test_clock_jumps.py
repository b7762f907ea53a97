"""The wall clock is set while budgets are in use: what processes were granted of them depends on no such clock."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from providers import FakeProvider
from router import Router
from tests.support.spending import CENT, NOON, file_of, opened

HOUR = 3600.0


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(chat="$0.3/month"))
    return path


@pytest.fixture
def hourly(shop: Path) -> Path:
    shop.write_text(file_of(chat="$0.3/h"))
    return shop


async def paid(router: Router, calls: int) -> int:
    return [(await router.complete("chat", "hi", max_tokens=1000)).target for _ in range(calls)].count("paid")


def granted(shop: Path) -> int:
    """How many processes have a grant."""
    with closing(sqlite3.connect(shop.parent / "state" / "spending.sqlite3")) as database:
        return len(database.execute("select * from granted").fetchall())


async def test_a_clock_that_is_set_forward_ends_no_grant(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one process was granted is not granted to another one as well."""
    wall = [NOON]
    monkeypatch.setattr("time.time", lambda: wall[0])
    async with opened(shop) as first:
        assert await paid(first, 1) == 1
        wall[0] += HOUR
        async with opened(shop) as second:
            assert await paid(second, 1) == 1
            assert granted(shop) == 2


def test_a_clock_that_is_set_back_lengthens_no_grant(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a process which was killed comes back as soon as ever."""
    wall, moment = [NOON], [1000.0]
    monkeypatch.setattr("time.time", lambda: wall[0])
    monkeypatch.setattr("time.monotonic", lambda: moment[0])
    for count in (1, 1):
        assert asyncio.run(paid(opened(shop), 1)) == 1  # its loop ends without it
        assert granted(shop) == count
        wall[0] -= HOUR
        moment[0] += 60.0


async def test_a_grant_of_before_the_machine_was_restarted_is_none(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's clock begins anew with it."""
    moment = [1_000_000.0]
    monkeypatch.setattr("time.monotonic", lambda: moment[0])
    killed = opened(shop)
    await killed.complete("chat", "hi", max_tokens=30_000)
    assert granted(shop) == 1
    moment[0] = 100.0
    async with opened(shop) as other:
        assert await paid(other, 1) == 1
        assert granted(shop) == 1


async def test_a_clock_that_goes_far_back_after_many_periods(hourly: Path) -> None:
    """Days of hours, and then weeks before: the hour that it shows then has its budget."""
    wall = [NOON]
    fakes = {name: FakeProvider.scripted(CENT, name=name) for name in "ab"}
    async with Router.from_yaml(hourly, env={}, watch=False, providers=fakes, wall_clock=lambda: wall[0]) as router:
        for _ in range(100):
            assert await paid(router, 1) == 1
            wall[0] += HOUR
        wall[0] -= 1000 * HOUR
        assert await paid(router, 5) == 5
        assert router.spending[0].usd == pytest.approx(0.05)
