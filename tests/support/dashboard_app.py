"""What the tests of the dashboard share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from router.views.figures import Snapshot
from tests.support.dashboard_feed import FixedFeed
from tui.app import Dashboard
from tui.simulated import Fault

_BRIEF = ("look", "trace", "command")  # groups of workers that end by themselves


class FixedWorld:
    """A `tui.simulated.World` that remembers what was done."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.traffic = 12.0

    def vendor(self, name: str, fault: Fault) -> str:
        self.done.append((name, fault))
        return f"{name}: {fault}"

    def change_traffic(self, factor: float) -> str:
        self.traffic *= factor
        return f"{self.traffic:.3g} requests a second"

    def faults(self) -> dict[str, str]:
        return {name: fault for name, fault in self.done if fault != "mend"}


@asynccontextmanager
async def running(
    *snapshots: Snapshot, mode: str = "panel", size: tuple[int, int] = (120, 36), world: FixedWorld | None = None,
    bad_config: bool = False,
) -> AsyncIterator[tuple[Dashboard, FixedFeed, Pilot[None]]]:  # fmt: skip
    """The dashboard on fixed data, when it has come to rest."""
    feed = FixedFeed(*snapshots, bad_config=bad_config)
    app = Dashboard(feed, world=world)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        if mode != "panel":
            app.switch_mode(mode)
            await settle(pilot)
        yield app, feed, pilot


async def settle(pilot: Pilot[None]) -> None:
    """Until nothing more is under way but the following of the feed."""
    await pilot.pause()
    busy = True
    while busy:  # what one of them shows may start another one
        looking = [each for each in pilot.app.workers if each.group in _BRIEF and not each.is_finished]
        busy = bool(looking)
        if looking:
            await pilot.app.workers.wait_for_complete(looking)
    await pilot.pause()


async def write(pilot: Pilot[None], text: str) -> None:
    """Into the box that has the focus, at once."""
    box = pilot.app.focused
    if isinstance(box, Input):
        box.insert_text_at_cursor(text)
    else:
        assert isinstance(box, TextArea)
        box.insert(text)
    await pilot.pause()


def told(app: Dashboard) -> list[str]:
    """The sentences of the toasts."""
    return [each.message for each in app._notifications]
