"""Whoever comes while budgets are exchanged with the disk is told of the exchange that has them in it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.router.state.test_budget_values import Shop, file_of


def test_a_user_who_comes_during_anothers_exchange_has_a_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path))

    async def main() -> None:
        shop = Shop(file_of(route="{usd: 1/d, by: user}"), tmp_path / "routes.yaml")
        async with shop.router:
            await shop.ask(user="eve")  # the database is there
            with closing(sqlite3.connect(tmp_path / "spending.sqlite3")) as database:
                database.execute("begin immediate")
                first = asyncio.create_task(shop.ask(user="ann"))
                for _ in range(20):  # ann's exchange waits for the disk
                    await asyncio.sleep(0)
                second = asyncio.create_task(shop.ask(user="bob"))
                for _ in range(20):
                    await asyncio.sleep(0)
                assert [first.done(), second.done()] == [False, False], "they wait for the disk"
                database.rollback()
            assert [await first, await second] == ["paid", "paid"]

    asyncio.run(main())
