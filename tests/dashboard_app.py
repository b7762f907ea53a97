"""What the tests of the dashboard share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from router.telemetry.snapshot import Snapshot
from tests.dashboard_feed import FixedFeed
from tui.app import Dashboard
from tui.world import Fault


class FixedWorld:
    """A `tui.world.World` that remembers what was done."""

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
    for _ in range(4):
        await pilot.pause()
        busy = [each for each in pilot.app.workers if each.group == "look" and not each.is_finished]
        if busy:
            await pilot.app.workers.wait_for_complete(busy)
    await pilot.pause()


def told(app: Dashboard) -> list[str]:
    """The sentences of the toasts."""
    return [each.message for each in app._notifications]
