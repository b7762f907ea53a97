"""The Requests screen goes on into the log on disk, beyond what a router remembers."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from router.views.figures import Snapshot
from router.views.file import ConfigView
from router.views.requests import RequestFilter
from tests.support.dashboard_app import lines, running, settle, toasts, write
from tests.support.dashboard_feed import NOW, FixedFeed, busy
from tests.support.request_logs import BEGIN, line, write_log
from tui.dialogs.trace import TraceDialog
from tui.older_requests import OlderRequests
from tui.widgets.request_list import RequestList


class Logged(FixedFeed):
    """A feed of a router that has a log on disk."""

    def __init__(self, folder: Path, *snapshots: Snapshot) -> None:
        super().__init__(*snapshots)
        self.folder = folder

    async def config(self) -> ConfigView:
        return replace(await super().config(), requests=str(self.folder))


def log_of(folder: Path, number: int) -> Path:
    """Write requests that ended before all that the feed remembers, an hour's and more."""
    ago = NOW - 7200 - BEGIN
    return write_log(
        folder, [line(each, ago - each * 10.0, route="old" if each % 50 else "rare") for each in range(number)]
    )


async def test_the_last_row_leads_on_into_the_log(tmp_path: Path) -> None:
    async with running(feed=Logged(log_of(tmp_path / "log", 450)), mode="requests") as (app, feed, pilot):
        shown = app.screen.query_one(RequestList)
        remembered = len(feed.records)
        assert len(shown.rows) == remembered
        for had in (200, 400, 450, 450):
            await pilot.press("end")
            await settle(pilot)
            assert len(shown.rows) == remembered + had
        assert len({row.key for row in shown.rows}) == len(shown.rows)
        assert shown.rows[-1].key == "p-449"
        assert "since" in str(shown.border_subtitle)


async def test_a_filter_looks_for_them_in_the_log_by_itself(tmp_path: Path) -> None:
    async with running(feed=Logged(log_of(tmp_path / "log", 450)), mode="requests") as (app, _, pilot):
        await pilot.press("slash")
        await write(pilot, "route:rare")
        await pilot.press("enter")
        await settle(pilot)
        shown = app.screen.query_one(RequestList)
        assert [row.key for row in shown.rows] == [f"p-{each}" for each in range(0, 450, 50)]
        await pilot.press("slash")
        await pilot.press("ctrl+u")
        await write(pilot, "route:old")
        await pilot.press("enter")
        for _ in range(3):  # one page by itself, however often the screen is drawn anew
            app.screen.refresh_now()
            await settle(pilot)
            assert len(shown.rows) == 200
        await pilot.press("escape")
        await settle(pilot)
        assert all("rare" not in text for text in lines(shown))


async def test_each_of_them_opens_step_by_step(tmp_path: Path) -> None:
    async with running(feed=Logged(log_of(tmp_path / "log", 3)), mode="requests") as (app, _, pilot):
        for _ in range(2):
            await pilot.press("end")
            await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, TraceDialog)


async def test_those_who_came_meanwhile_stay_and_none_is_lost_in_between(tmp_path: Path) -> None:
    older = OlderRequests(log_of(tmp_path / "log", 300), RequestFilter())
    first = [replace(line(1000 + each, NOW - BEGIN + each).record) for each in range(3)]
    await older.read_page(first)
    later = [replace(line(2000 + each, NOW - BEGIN + 100 + each).record) for each in range(3)]
    names = [record.id for record in older.with_newer(later)]
    assert names[:6] == ["p-2002", "p-2001", "p-2000", "p-1002", "p-1001", "p-1000"]
    assert len(names) == 206


async def test_it_works_when_the_app_is_gone(tmp_path: Path) -> None:
    gone = replace(busy(), connected=False)
    async with running(feed=Logged(log_of(tmp_path / "log", 20), busy()), mode="requests") as (app, feed, pilot):
        feed.gone = True
        feed.pending.put_nowait(gone)
        await settle(pilot)
        await pilot.press("end")
        await settle(pilot)
        assert app.screen.query_one(RequestList).rows[-1].key == "p-19"
        await pilot.press("end")
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, TraceDialog)


async def test_a_log_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    folder = log_of(tmp_path / "log", 1)
    for path in folder.iterdir():
        path.unlink()
        path.mkdir()
    async with running(feed=Logged(folder), mode="requests") as (app, _, pilot):
        for _ in range(2):
            await pilot.press("home", "end")
            await settle(pilot)
        assert toasts(app) == ["the log of requests can't be read: Is a directory"]


async def test_without_a_log_nothing_is_looked_for() -> None:
    async with running(mode="requests") as (app, feed, pilot):
        await pilot.press("end")
        await settle(pilot)
        assert len(app.screen.query_one(RequestList).rows) == len(feed.records)
