"""Takes the pictures of the documentation: `make pictures`. A test holds them to what the dashboard shows today.

All are of one story, told by the real engine (`tests.support.pictured_router`): the figures of one agree with those of
the others.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from router.views.figures import Snapshot
from tests.support.dashboard_app import FixedVendors, answered, settle, write
from tests.support.paths import ROOT
from tests.support.pictured_router import (
    ASKED,
    BROKEN,
    DOWN,
    MENDED,
    RATE,
    REFUSED,
    TRIED,
    WELL,
    PicturedFeed,
    pictured,
)
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
    """Of the newest answers one that took the most calls."""
    records = await pilot.app.session.feed.requests(limit=12)
    place = max(range(len(records)), key=lambda number: records[number].attempts * (records[number].code is None))
    await _press(pilot, "3", *["down"] * place, "enter")


async def try_it(pilot: Any) -> None:
    pilot.app.view.try_on("luna", "haiku", "llama")
    await settle(pilot)
    pilot.app.screen.query_one(PromptBox).cursor_blink = False
    await write(pilot, ASKED)
    await pilot.press("enter")
    await answered(pilot)


async def config(pilot: Any) -> None:
    await _press(pilot, "5", "n")


async def plots(pilot: Any) -> None:
    await _press(pilot, "6")


Scene = Callable[[Any], Awaitable[None]]
PICTURES: dict[str, tuple[float, Scene]] = {  # by the second of the story, the earliest first
    "panel-light": (WELL, light),
    "trace": (BROKEN, trace),
    "panel": (DOWN, panel),
    "routes": (DOWN, routes),
    "plots": (MENDED, plots),
    "config": (REFUSED, config),
    "try": (TRIED, try_it),
}
_FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)  # from another host; any font of even width will do


async def _take(name: str, feed: PicturedFeed) -> str:
    vendors = FixedVendors() if name == "panel" else None
    if vendors is not None:
        vendors.done.append(("openai", "broken"))
        vendors.traffic = RATE
    app = Dashboard(feed, vendors=vendors)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await PICTURES[name][1](pilot)
        return _FONTS.sub("", app.export_screenshot(title="signalbox"))


@cache
def taken() -> tuple[dict[str, str], dict[float, Snapshot]]:
    """Return the SVG of each, by name, and how the router was then, by second."""
    pictures, snapshots = {}, {}
    with pictured() as story:
        for name, (second, _) in PICTURES.items():
            story.go_on(second)
            snapshots[second] = story.snapshot()
            pictures[name] = asyncio.run(_take(name, story.feed()))
    return pictures, snapshots


def main() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    FOLDER.mkdir(exist_ok=True)
    logging.getLogger("signalbox").setLevel(logging.ERROR)  # the refused file is meant
    for name, picture in taken()[0].items():
        (FOLDER / f"{name}.svg").write_text(picture)
        sys.stdout.write(f"docs/pictures/{name}.svg\n")


if __name__ == "__main__":
    main()
