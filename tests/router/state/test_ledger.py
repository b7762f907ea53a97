"""What the ledger of budgets keeps on disk, and what it forgets."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.spending import NOON, file_of, opened

DAY = 86_400.0


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "routes.yaml"
    path.write_text(file_of(chat="$1/d"))
    return path


def days(shop: Path) -> list[str]:
    """The days of which something is on disk."""
    with closing(sqlite3.connect(shop.parent / "state" / "spending.sqlite3")) as database:
        rows = database.execute("select began from spent where usd > 0 order by began").fetchall()
    return [f"{datetime.fromtimestamp(began, UTC):%m-%d}" for (began,) in rows]


async def spend(shop: Path, days_ago: float) -> None:
    async with opened(shop, wall=NOON - days_ago * DAY) as router:
        await router.complete("chat", "hi")


async def test_old_periods_are_forgotten(shop: Path) -> None:
    """After forty days: the file does not grow for ever, and no period that still counts is lost."""
    for days_ago in (60, 39):
        await spend(shop, days_ago)
    assert days(shop) == ["09-24", "10-15"]
    await spend(shop, 0)
    assert days(shop) == ["10-15", "11-23"]


async def test_yesterdays_money_is_not_todays(shop: Path) -> None:
    await spend(shop, 1)
    async with opened(shop) as router:
        assert router.spending[0].usd == 0
    async with opened(shop, wall=NOON - DAY) as router:
        assert router.spending[0].usd == pytest.approx(0.01)
