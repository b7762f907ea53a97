"""Shared budgets while the ledger's disk takes nothing, or is slow: over a real server, what was spent counts once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from router import Router
from router.state.ledger import Ledger
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.spending import file_of, opened
from tests.support.waiting import until

pytestmark = needs_redis


@pytest.fixture
def path(tmp_path: Path, server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / "state"))
    found = tmp_path / "routes.yaml"
    found.write_text(
        file_of(chat="$1/month") + f"shared: {{url: '{server.url}', app: shop, timeout: 2s, share: [budgets]}}\n"
    )
    return found


@contextmanager
def failing(path: Path) -> Iterator[None]:
    """The ledger's file is none that can be opened, for a while."""
    ledger = path.parent / "state" / "spending.sqlite3"
    kept = ledger.with_suffix(".kept")
    ledger.rename(kept)
    ledger.mkdir()
    yield
    ledger.rmdir()
    kept.rename(ledger)


def raise_budget(path: Path) -> None:
    path.write_text(path.read_text().replace("$1/month", "$2/month"))


async def pay(router: Router, calls: int) -> None:
    for _ in range(calls):
        assert (await router.complete("chat", "hi", max_tokens=2000)).target == "paid"


def cents(server: RedisServer) -> float:
    """What the server has as spent of the only budget."""
    with server.client() as client:
        names = [name for name in client.scan_iter("*:b:*") if not name.endswith(":l")]
        return sum(int(client.hget(name, "spent")) for name in names) / 1e7


async def test_a_machine_that_never_had_a_disk_leaves_what_it_spent(path: Path, server: RedisServer) -> None:
    (path.parent / "state").write_text("no folder")
    async with opened(path) as router:
        await pay(router, 5)
    assert cents(server) == 5, "it is counted, though no ledger has it"
    async with opened(path) as router:
        await pay(router, 1)
    assert cents(server) == 6


async def test_what_a_failing_disk_does_not_take_is_told_and_counts_once(path: Path, server: RedisServer) -> None:
    async with opened(path) as router:
        await pay(router, 3)
        await until(lambda: cents(server) == 3)
        with failing(path):
            await pay(router, 4)
            await until(lambda: cents(server) == 7)
            with server.client() as client:
                client.flushall()
            await until(lambda: cents(server) == 7)
        await pay(router, 2)
        await until(lambda: cents(server) == 9)
        assert router.spending[0].usd == pytest.approx(0.09)
    async with opened(path) as router:
        await pay(router, 1)
    assert cents(server) == 10


async def test_a_reload_while_the_disk_is_slow_writes_nothing_twice(
    path: Path, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Ledger] = []

    async def flush(ledger: Ledger, flush: Callable[[Ledger], Awaitable[None]] = Ledger.flush) -> None:
        begun.append(ledger)
        await flush(ledger)

    monkeypatch.setattr(Ledger, "flush", flush)
    monkeypatch.setattr("router.state.ledger._PATIENCE", 60.0)
    async with opened(path) as router:
        with sqlite3.connect(path.parent / "state" / "spending.sqlite3", isolation_level=None) as other:
            other.execute("begin immediate")
            await pay(router, 3)
            await until(lambda: len(begun) == 1)  # the exchange of each second, which waits for the lock now
            raise_budget(path)
            reload = asyncio.create_task(router.reload())
            await until(lambda: len(begun) == 2)
            other.execute("rollback")
        assert (await reload).changes
        await until(lambda: cents(server) >= 3)
        await pay(router, 1)
    assert cents(server) == 4
