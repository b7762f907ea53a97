"""Runs the dashboard on fixed data, for its tests and the pictures of the documentation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import patch

from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from router.views.figures import Snapshot
from tests.support.dashboard_feed import FixedFeed
from tui.app import Dashboard
from tui.feed import Feed
from tui.simulated import Fault
from tui.view import DashboardScreen
from tui.widgets.row_list import RowList

_BRIEF = ("refresh", "trace", "older", "command")  # groups of workers that end by themselves


class FixedVendors:
    """`SimulatedVendors` that remember what was done to them."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.traffic = 12.0

    def set_fault(self, name: str, fault: Fault) -> str:
        self.done.append((name, fault))
        return f"{name}: {fault}"

    def change_traffic(self, factor: float) -> str:
        self.traffic *= factor
        return f"{self.traffic:.3g} requests a second"

    def commands(self) -> tuple[str, ...]:
        return ()

    def faults(self) -> dict[str, str]:
        return {name: fault for name, fault in self.done if fault != "mend"}


@asynccontextmanager
async def running(
    *snapshots: Snapshot, mode: str = "panel", size: tuple[int, int] = (120, 36), vendors: FixedVendors | None = None,
    bad_config: bool = False, feed: FixedFeed | None = None,
) -> AsyncIterator[tuple[Dashboard, FixedFeed, Pilot[None]]]:  # fmt: skip
    """Run the dashboard on fixed data; it has come to rest."""
    feed = feed or FixedFeed(*snapshots, bad_config=bad_config)
    app = opened_at(mode, feed, vendors=vendors)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        yield app, feed, pilot


def opened_at(mode: str, feed: Feed, *, vendors: FixedVendors | None = None) -> Dashboard:
    """Return a dashboard that begins with this screen: to make and draw the first one as well takes as long again."""
    with patch.object(Dashboard, "DEFAULT_MODE", mode):
        return Dashboard(feed, vendors=vendors)


async def settle(pilot: Pilot[None]) -> None:
    """Wait until nothing is under way but the following of the feed."""
    await pilot.pause()
    busy = True
    while busy:  # what one of them shows may start another one
        brief = [worker for worker in pilot.app.workers if worker.group in _BRIEF and not worker.is_finished]
        busy = bool(brief)
        if brief:
            await pilot.app.workers.wait_for_complete(brief)
    await pilot.pause()


async def answered(pilot: Pilot[None]) -> None:
    """Wait until all answers of the Try screen are there."""
    await settle(pilot)
    asked = [worker for worker in pilot.app.workers if worker.group == "try" and not worker.is_finished]
    if asked:
        await pilot.app.workers.wait_for_complete(asked)
    await settle(pilot)


async def write(pilot: Pilot[None], text: str) -> None:
    """Write this into the box that has the focus, at once."""
    box = pilot.app.focused
    if isinstance(box, Input):
        box.insert_text_at_cursor(text)
    else:
        assert isinstance(box, TextArea)
        box.insert(text)
    await pilot.pause()


def toasts(app: Dashboard) -> list[str]:
    """Return the sentences of the toasts."""
    return [toast.message for toast in app._notifications]


def front(app: Dashboard) -> DashboardScreen:
    """Return the screen in front, below any dialog."""
    assert app.view is not None
    return app.view


def lines(rows: RowList) -> list[str]:
    """Return what a list shows, as text."""
    return [rows.render_line(y).text.rstrip() for y in range(rows.size.height)]
