"""Routers on several machines that share budgets over a real server, with their ledgers on disk."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from router import Router
from tests.support.paths import ROOT
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.spending import NOON, file_of, opened
from tests.support.waiting import until

pytestmark = needs_redis
Machines = Callable[[str], Path]


@pytest.fixture
def on(tmp_path: Path, server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Go to a machine: its state folder holds from then on. Returns the path of its file."""

    def go(machine: str, budget: str = "$0.3/month", more: str = "") -> Path:
        monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / machine))
        path = tmp_path / machine / "routes.yaml"
        path.parent.mkdir(exist_ok=True)
        shared = f"shared: {{url: '{server.url}', app: shop, timeout: 2s, share: [budgets]{more}}}\n"
        path.write_text(file_of(chat=budget) + shared)
        return path

    return go


async def paid(router: Router, calls: int) -> int:
    return [(await router.complete("chat", "hi", max_tokens=2000)).target for _ in range(calls)].count("paid")


def is_away(router: Router) -> bool:
    return any(event.kind == "shared" for event in router.telemetry.events)


async def used_up(router: Router) -> int:
    """How many calls were paid until the budget was used up: what others have leased and don't use comes back."""
    count = 0
    async with asyncio.timeout(60):
        while (router.spending[0].usd or 0) < 0.2999:
            count += await paid(router, 1)
            await asyncio.sleep(0)
    return count


def sums(server: RedisServer) -> list[float]:
    """What the server has as spent of each budget and period, in cents."""
    with server.client() as client:
        names = [name for name in client.scan_iter("*:b:*") if not name.endswith(":l")]
        return sorted(int(client.hget(name, "spent")) / 1e7 for name in names)


async def test_two_machines_spend_one_budget_and_show_what_both_have_spent(server: RedisServer, on: Machines) -> None:
    async with opened(on("one")) as first, opened(on("two")) as second:
        assert await paid(first, 10) == 10
        assert await used_up(second) + await paid(first, 5) == 20
        await until(lambda: sums(server) == [30])
        (spent,) = second.spending
        assert spent.of_all_machines
        assert spent.usd == pytest.approx(0.3)
        assert any("of all machines" in event.sentence for event in second.telemetry.events if event.kind == "budget")


async def test_processes_of_one_machine_are_counted_once(server: RedisServer, on: Machines) -> None:
    path = on("one")
    async with opened(path) as first, opened(path) as second:
        assert await paid(first, 5) + await paid(second, 5) == 10
    assert sums(server) == [10]
    async with opened(path) as third:
        assert await paid(third, 1) == 1
    assert sums(server) == [11]


async def test_what_was_spent_before_it_was_shared_counts(server: RedisServer, on: Machines) -> None:
    path = on("one")
    text = path.read_text()
    path.write_text(text.split("shared:")[0])
    async with opened(path) as router:
        assert await paid(router, 7) == 7
        path.write_text(text)
        assert "shared added" in (await router.reload()).changes
        await until(lambda: sums(server) == [7])
        async with opened(on("two")) as other:
            assert await paid(other, 3) == 3
        await until(lambda: sums(server) == [10])
        path.write_text(text.split("shared:")[0])
        assert "shared removed" in (await router.reload()).changes
        assert await paid(router, 1) == 1
    assert sums(server) == [10], "what is spent alone is told nobody"


async def test_a_machine_that_starts_again_tells_what_it_had_spent(server: RedisServer, on: Machines) -> None:
    async with opened(on("one")) as router:
        assert await paid(router, 10) == 10
    with server.client() as client:
        client.flushall()
    async with opened(on("two")) as router:
        assert await paid(router, 1) == 1
    assert sums(server) == [1]
    async with opened(on("one")):
        await until(lambda: sums(server) == [11])


async def test_all_is_back_after_the_data_was_lost(server: RedisServer, on: Machines) -> None:
    async with opened(on("one")) as first, opened(on("two")) as second:
        assert await paid(first, 8) + await paid(second, 8) == 16
        await until(lambda: sums(server) == [16])
        with server.client() as client:
            client.flushall()
        await until(lambda: sums(server) == [16])
        server.kill()
        await until(lambda: all(is_away(router) for router in (first, second)))
        assert await paid(first, 2) == 2, "its part of what is left"
        server.start()
        await until(lambda: sums(server) == [18])
        assert await paid(second, 20) <= 12


async def test_clocks_an_hour_off_agree(server: RedisServer, on: Machines) -> None:
    """The server's clock says which day it is: both count in the same period, though NOON of a day is years away."""
    async with (
        opened(on("one", "$0.3/d"), wall=NOON) as first,
        opened(on("two", "$0.3/d"), wall=NOON + 86_400) as second,
    ):
        assert await paid(first, 20) + await used_up(second) == 30
        await until(lambda: sums(server)[-1] >= 30)


async def test_nothing_that_was_written_is_on_the_server(server: RedisServer, on: Machines) -> None:
    path = on("planted", more=", secret: planted")
    async with opened(path) as router:
        assert await paid(router, 3) == 3
    with server.client() as client:
        names = list(client.scan_iter())
        kept = [str(client.hgetall(name)) for name in names if client.type(name) == "hash"]
        assert all(client.ttl(name) > 69 * 86_400 for name in names if client.type(name) == "hash")
    assert kept
    assert not [word for word in ("planted", "chat", "route", str(path.parent)) if word in "".join([*names, *kept])]


def cents_until_killed(path: Path) -> int:
    """How many cents a process said that it had spent, before it was killed."""
    command = [sys.executable, "-m", "tests.support.spender", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(100):
            assert process.stdout.readline() == "cent\n"
        process.kill()
        return 100 + process.stdout.read().count("cent")


@pytest.mark.slow
async def test_a_process_that_is_killed_loses_a_second_at_most(server: RedisServer, on: Machines) -> None:
    path = on("one", "$100/month")
    said = sum([await asyncio.to_thread(cents_until_killed, path) for _ in range(2)])
    async with opened(path) as router:
        assert await paid(router, 1) == 1
    (cents,) = sums(server)
    assert cents <= said + 3, "nothing counts twice; of each, one call may have been paid that was not said"
    assert cents >= said - 2 * 60, "a second's calls of each"
