"""How every screen looks in every state: the pictures are the same on every machine."""

from __future__ import annotations

from typing import Any

import pytest

from router.views.figures import Snapshot
from tests.support.dashboard_app import opened_at, settle
from tests.support.dashboard_feed import FixedFeed, busy, empty, fresh, lost, outage, rejected
from tui.app import Dashboard
from tui.screens.try_prompt import TryScreen
from tui.widgets.masthead import TABS
from tui.widgets.prompt_box import PromptBox

STATES = {"fresh": fresh, "busy": busy, "outage": outage, "rejected": rejected, "empty": empty, "lost": lost}


def scene(*keys: str) -> Any:
    """Presses these."""

    async def run_before(pilot: Any) -> None:
        await settle(pilot)
        if isinstance(pilot.app.screen, TryScreen):
            pilot.app.screen.query_one(PromptBox).cursor_blink = False
            pilot.app.screen.set_focus(None)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)

    return run_before


def dashboard(mode: str, state: str) -> Dashboard:
    snapshot: Snapshot = STATES[state]()
    return opened_at(mode, FixedFeed(snapshot, bad_config=state == "rejected", bare=state == "empty"))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("mode", [mode for mode, _ in TABS])
def test_a_screen_in_a_state(mode: str, state: str, snap_compare: Any) -> None:
    """At 120×36, in the dark theme."""
    assert snap_compare(dashboard(mode, state), terminal_size=(120, 36), run_before=scene())


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
@pytest.mark.parametrize("mode", [mode for mode, _ in TABS])
def test_a_screen_on_small_and_large_terminals(mode: str, size: tuple[int, int], snap_compare: Any) -> None:
    assert snap_compare(dashboard(mode, "outage"), terminal_size=size, run_before=scene())


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
@pytest.mark.parametrize("mode", [mode for mode, _ in TABS])
def test_a_screen_in_light(mode: str, size: tuple[int, int], snap_compare: Any) -> None:
    assert snap_compare(dashboard(mode, "outage"), terminal_size=size, run_before=scene("T"))
