"""The dashboard over a fleet says of whom its figures are and what it can't show, and asks before it tells all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from textual.widgets import Label, Static

from router.views.commands import ClearCache, Command, Drain, Reload, SetBreaker, Undrain
from router.views.events import Event
from router.views.figures import Fleet, Process, Snapshot
from tests.support.dashboard_app import front, running, settle, write
from tests.support.dashboard_feed import NOW, REVISION, FixedFeed, busy, outage
from tui.app import Dashboard
from tui.dialogs.confirm import Confirm
from tui.screens.try_prompt import TryScreen
from tui.widgets.prompt_box import PromptBox

FLEET = Fleet(
    processes=9812, sampled=50, hosts=120, revisions={REVISION: 9000, "1234567890ab": 812}, versions={"0.1.0": 9812},
    states={"closed": 9781, "open": 31},
)  # fmt: skip
EVENTS = (
    Event(NOW - 40, "process", "process 4711 on web-17 is gone", "warning"),
    Event(NOW - 30, "breaker", "luna is open in 31 of 9,812 processes", "error", target="luna"),
    Event(NOW - 20, "process", "212 processes have come"),
)


def of_fleet(snapshot: Snapshot, **more: Any) -> Snapshot:
    processes = tuple(Process(pid, NOW - 5000, REVISION, host=f"web-{pid}") for pid in range(3))
    return replace(snapshot, path=None, by_process=processes, fleet=replace(FLEET, **more))


SCENES: dict[str, Callable[[], Snapshot]] = {
    "panel": lambda: of_fleet(outage()),
    "all": lambda: of_fleet(busy(), processes=12, sampled=12, hosts=4, states={"closed": 12}),
    "away": lambda: replace(of_fleet(busy(), away="no reply within 2 s"), connected=False),
    "nobody": lambda: replace(of_fleet(busy(), processes=0, sampled=0, hosts=0), connected=False),
}


def go(mode: str) -> Callable[[Any], Any]:
    async def run_before(pilot: Any) -> None:
        await settle(pilot)
        pilot.app.switch_mode(mode)
        await settle(pilot)
        if isinstance(pilot.app.screen, TryScreen):
            pilot.app.screen.query_one(PromptBox).cursor_blink = False
            pilot.app.screen.set_focus(None)

    return run_before


def dashboard(scene: str) -> Dashboard:
    return Dashboard(FixedFeed(SCENES[scene](), events=EVENTS))


@pytest.mark.parametrize("scene", SCENES)
def test_the_panel_says_of_whom_it_is(scene: str, snap_compare: Any) -> None:
    assert snap_compare(dashboard(scene), terminal_size=(120, 36), run_before=go("panel"))


def test_the_panel_on_a_small_terminal(snap_compare: Any) -> None:
    assert snap_compare(dashboard("panel"), terminal_size=(80, 24), run_before=go("panel"))


@pytest.mark.parametrize("mode", ["requests", "try"])
def test_a_screen_says_what_does_not_come_from_a_fleet(mode: str, snap_compare: Any) -> None:
    assert snap_compare(dashboard("panel"), terminal_size=(120, 36), run_before=go(mode))


async def test_a_prompt_is_not_sent_to_a_fleet() -> None:
    async with running(of_fleet(busy()), mode="try") as (app, feed, pilot):
        await write(pilot, "Why is the sky blue?")
        await pilot.press("enter")
        await settle(pilot)
        assert feed.prompts == []
        assert "No prompt goes to a fleet" in str(app.screen.query_one("#hint", Static).content)


@pytest.mark.parametrize(
    ("act", "command"),
    [
        (lambda app: app.action_reload(), Reload()),
        (lambda app: front(app).drain("luna", back=False), Drain("luna")),
        (lambda app: front(app).drain("luna", back=True), Undrain("luna")),
        (lambda app: front(app).set_breaker("luna", "reset"), SetBreaker("luna", "reset")),
        (lambda app: front(app).clear_cache(), ClearCache()),
    ],
)
async def test_every_command_to_a_fleet_is_asked_for(act: Callable[[Dashboard], None], command: Command) -> None:
    """Also those that one router does at once: nothing is told to thousands by one key."""
    async with running(of_fleet(busy())) as (app, feed, pilot):
        for answer, told in (("n", []), ("y", [command])):
            act(app)
            await settle(pilot)
            assert isinstance(app.screen, Confirm)
            assert "In all 9,812 processes." in " ".join(str(each.content) for each in app.screen.query(Label))
            await pilot.press(answer)
            await settle(pilot)
            assert feed.commands == told
