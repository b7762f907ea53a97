"""How far a budget can be overspent: by clocks that jump, by many processes, by what nobody foresaw."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from providers import FakeProvider
from providers.fake import Reply
from providers.types import Usage
from router import Router
from router.config import load_text
from router.plan.compile import compile_plan
from router.testing import run
from tests.support.paths import ROOT
from tests.support.spending import CENT, NOON, file_of, opened

DAY = 86_400.0
MIDNIGHT = NOON + 12 * 3600


def in_memory(text: str, wall: Callable[[], float], step: Reply = CENT) -> Router:
    fakes = {"a": FakeProvider.scripted(step, name="a"), "b": FakeProvider.scripted(CENT, name="b")}
    return Router(compile_plan(load_text(text, env={})), providers=fakes, seed=1, wall_clock=wall)


async def paid(router: Router, calls: int, **params: object) -> int:
    """How many of so many calls, one after the other, were paid for."""
    return [(await router.complete("chat", "hi", **params)).target for _ in range(calls)].count("paid")


async def paid_at_once(router: Router, calls: int, **params: object) -> int:
    replies = await asyncio.gather(*(router.complete("chat", "hi", **params) for _ in range(calls)))
    return [reply.target for reply in replies].count("paid")


# --- clocks

JUMPS = {
    "back over midnight and forth": [-60, 60, -60, 60, -60, 60],
    "forth and back": [60, -60, 60, -60],
    "a day back": [60, 60 - DAY, 60, -60],
    "a year forth and back": [-60, 365 * DAY, -60, 60],
}


@pytest.mark.parametrize("jumps", JUMPS.values(), ids=JUMPS)
def test_a_clock_that_is_set_never_opens_a_spent_day_again(jumps: list[float]) -> None:
    """Ten cents a day, whatever the clock does: as many as the days that it has shown."""

    async def main() -> int:
        wall = [MIDNIGHT - 120]
        router = in_memory(file_of(chat="$0.1/d"), lambda: wall[0])
        count = await paid(router, 20)
        for jump in jumps:
            wall[0] = MIDNIGHT + jump
            count += await paid(router, 20)
        return count

    days = {(MIDNIGHT + jump) // DAY for jump in [-120, *jumps]}
    assert run(main()) == 10 * len(days)


async def test_nor_does_it_on_disk(daily: Path) -> None:
    """Over a restart between, and what was spent just before a period ended is not lost."""
    count = 0
    for jump in (-60, 60, -60, 60):
        async with opened(daily, wall=MIDNIGHT + jump) as router:
            count += await paid(router, 12)
    assert count == 20
    with closing(sqlite3.connect(daily.parent / "state" / "spending.sqlite3")) as database:
        assert database.execute("select usd from spent").fetchall() == [
            (pytest.approx(0.1),),
            (pytest.approx(0.1),),
        ]


# --- processes


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr("router.state.ledger.PATIENCE", 60.0)  # a busy machine's ledger answers late
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(chat="$0.3/month"))
    return path


@pytest.fixture
def daily(shop: Path) -> Path:
    shop.write_text(file_of(chat="$0.1/d"))
    return shop


@pytest.mark.parametrize("calls", [1, 5, 40])
async def test_many_routers_that_start_at_once(shop: Path, calls: int) -> None:
    """Thirty cents, eight routers: the budget and one answer for each at most, and all of the budget can be used."""
    async with AsyncExitStack() as stack:
        routers = [await stack.enter_async_context(opened(shop)) for _ in range(8)]
        counts = await asyncio.gather(*(paid_at_once(router, calls, max_tokens=1000) for router in routers))
        count = sum(counts) + sum([await paid(router, 5, max_tokens=1000) for router in routers])
    assert count >= min(30, 8 * (calls + 5)) - 1
    assert count <= 30 + 8


@pytest.mark.slow
def test_many_processes_that_start_at_once(shop: Path) -> None:
    """The same with real ones, of which each would spend the whole budget by itself."""
    command = [sys.executable, "-m", "tests.support.spending", str(shop), "at once"]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    counts = [int(process.communicate(timeout=200)[0]) for process in running]
    assert 29 <= sum(counts) <= 30 + 4


async def test_an_idle_router_learns_what_others_spent(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it asks for money again, before it spends any: what it was granted has long run out."""
    moment = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: moment[0])
    async with opened(shop) as idle, opened(shop) as busy:
        assert await paid(idle, 1) == 1
        assert await paid(busy, 40) == 29
        moment[0] += 3600
        assert await paid(idle, 5) == 0
        assert idle.spending[0].usd == pytest.approx(0.3)


async def test_who_looks_on_learns_it_too(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dashboard over an idle process: its first look asks, and a later one sees."""
    moment = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: moment[0])
    async with opened(shop) as idle, opened(shop) as busy:
        assert await paid(idle, 1) == 1
        assert await paid(busy, 40) == 29
        moment[0] += 60
        for _ in range(100_000):  # turns of the loop, of which it needs as many as the disk takes
            if idle.spending[0].usd == pytest.approx(0.3):
                break
            await asyncio.sleep(0)
        assert idle.spending[0].usd == pytest.approx(0.3)


async def test_what_a_killed_process_was_granted_comes_back(shop: Path) -> None:
    """Its grant ends by itself; until then the others do without."""
    killed = opened(shop)
    await killed.complete("chat", "hi", max_tokens=30_000)  # it is granted the whole budget, and never closed
    async with opened(shop) as other:
        await paid(other, 1)
    with closing(sqlite3.connect(shop.parent / "state" / "spending.sqlite3")) as database, database:
        assert database.execute("update granted set until = 0").rowcount == 1
    async with opened(shop) as other:
        assert await paid(other, 40) >= 27


@pytest.mark.parametrize("spelling", ["dots", "relative", "link", "linked folder"])
async def test_another_spelling_of_the_path_is_the_same_budget(
    shop: Path, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(shop) as router:
        assert await paid(router, 40) == 30
    folder = shop.parent
    monkeypatch.chdir(folder)
    (folder / "sub").mkdir()
    (folder / "other.yaml").symlink_to(shop)
    (folder / "linked").symlink_to(folder)
    other = {
        "dots": folder / "sub" / ".." / shop.name,
        "relative": Path(shop.name),
        "link": folder / "other.yaml",
        "linked folder": folder / "linked" / shop.name,
    }[spelling]
    async with opened(other) as router:
        assert await paid(router, 5) == 0


@pytest.mark.slow
async def test_a_disk_that_hangs_holds_up_no_request_for_long(shop: Path) -> None:
    """Another process keeps the database locked: requests go on with a share of what is left, and after five seconds
    without the disk.
    """
    router = opened(shop)
    async with router:
        with closing(sqlite3.connect(shop.parent / "state" / "spending.sqlite3")) as database:
            database.execute("begin immediate")
            async with asyncio.timeout(30):
                assert await paid(router, 40) == 30
            database.rollback()


async def test_a_database_that_is_deleted_makes_nobody_forget(shop: Path) -> None:
    async with opened(shop) as router:
        assert await paid(router, 20) == 20
        await router.reload()
        os.unlink(shop.parent / "state" / "spending.sqlite3")
        assert await paid(router, 20) == 10
        assert router.spending[0].usd == pytest.approx(0.3)


# --- what nobody foresaw


def test_answers_of_unknown_length() -> None:
    """Without max_tokens the first calls reserve 4,096 tokens; once a long answer was seen, as much as that took."""
    long = Reply("x", delay=1.0, usage=Usage(0, 200_000))  # a dollar

    async def main() -> tuple[int, int]:
        wall = [NOON]
        router = in_memory(file_of(chat="$3/d"), lambda: wall[0], long)
        assert await paid(router, 1) == 1
        wall[0] += DAY
        unbounded = await paid_at_once(router, 100)
        wall[0] += DAY
        return unbounded, await paid_at_once(router, 100, max_tokens=200_000)

    assert run(main()) == (3, 3)


def test_two_dear_answers_at_once() -> None:
    """Of $2 each, against $1: where their length is bounded, the second finds nothing left."""
    dear = Reply("x", delay=1.0, usage=Usage(0, 400_000))

    async def main() -> int:
        return await paid_at_once(in_memory(file_of(chat="$1/d"), lambda: NOON, dear), 2, max_tokens=400_000)

    assert run(main()) == 1


def test_the_model_s_own_max_tokens_count() -> None:
    dear = Reply("x", delay=1.0, usage=Usage(0, 400_000))
    text = file_of(chat="$1/d").replace("{provider: a, id: m,", "{provider: a, id: m, params: {max_tokens: 400000},")

    async def main() -> int:
        return await paid_at_once(in_memory(text, lambda: NOON, dear), 2)

    assert run(main()) == 1


def test_an_answer_without_usage_is_estimated_and_said_to_be() -> None:
    async def main() -> None:
        router = in_memory(file_of(chat="$1/d"), lambda: NOON, Reply("x" * 4000, usage=Usage()))
        reply = await router.complete("chat", "word " * 800)
        assert reply.cost is None
        (spent,) = router.spending
        assert spent.usd == pytest.approx((1004 + 1000) * 5 / 1e6)
        assert spent.estimated == spent.usd

    run(main())
