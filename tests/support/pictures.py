"""Takes the pictures of the documentation: `make pictures`. A test holds them to what the dashboard shows today."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.dashboard_app import FixedVendors, answered, settle, write
from tests.support.dashboard_feed import SHORT, FixedFeed, busy, outage, rejected
from tests.support.paths import ROOT
from tui.app import Dashboard
from tui.widgets.prompt_box import PromptBox

FOLDER = ROOT / "docs" / "pictures"
SIZE = (120, 36)


async def _press(pilot: Any, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def panel(pilot: Any) -> None:
    await _press(pilot, "down")


async def light(pilot: Any) -> None:
    await _press(pilot, "T")


async def routes(pilot: Any) -> None:
    await _press(pilot, "2", "down")


async def trace(pilot: Any) -> None:
    await _press(pilot, "3", "enter")


async def try_it(pilot: Any) -> None:
    pilot.app.view.try_on("chat", "luna", "haiku")
    await settle(pilot)
    pilot.app.screen.query_one(PromptBox).cursor_blink = False
    await write(pilot, "Why is the sky blue?")
    await pilot.press("enter")
    await answered(pilot)


async def config(pilot: Any) -> None:
    await _press(pilot, "5", "n")


async def plots(pilot: Any) -> None:
    await _press(pilot, "6")


Scene = Callable[[Any], Awaitable[None]]
PICTURES: dict[str, tuple[Callable[[], FixedFeed], Scene]] = {
    "panel": (lambda: FixedFeed(outage()), panel),
    "panel-light": (lambda: FixedFeed(busy()), light),
    "routes": (lambda: FixedFeed(outage()), routes),
    "trace": (lambda: FixedFeed(busy()), trace),
    "try": (lambda: FixedFeed(busy(), answer=SHORT), try_it),
    "config": (lambda: FixedFeed(rejected(), bad_config=True), config),
    "plots": (lambda: FixedFeed(busy()), plots),
}


async def take(name: str) -> str:
    """The picture as SVG."""
    feed, scene = PICTURES[name]
    app = Dashboard(feed(), vendors=FixedVendors() if name == "panel" else None)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await scene(pilot)
        return app.export_screenshot(title="signalbox")


def main() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    FOLDER.mkdir(exist_ok=True)
    for name in PICTURES:
        (FOLDER / f"{name}.svg").write_text(asyncio.run(take(name)))
        sys.stdout.write(f"docs/pictures/{name}.svg\n")


if __name__ == "__main__":
    main()
