"""The panel: what it shows in each state, and what every key does."""

from __future__ import annotations

from typing import Any

import pytest

from router.views.commands import ClearCache, Drain, SetBreaker, Undrain
from router.views.events import Event
from router.views.figures import Snapshot
from tests.support.dashboard_app import FixedVendors, lines, running, settle, toasts
from tests.support.dashboard_feed import NOW, FixedFeed, busy, outage
from tui.app import Dashboard
from tui.widgets.details import Details
from tui.widgets.event_list import EventList
from tui.widgets.provider_table import ProviderTable


def test_the_demo_has_more_keys(snap_compare: Any) -> None:
    vendors = FixedVendors()
    vendors.set_fault("openai", "break")
    app = Dashboard(FixedFeed(outage()), vendors=vendors)
    assert snap_compare(app, terminal_size=(120, 36), run_before=settle)


async def test_every_lamp_is_told_by_a_sign_and_a_word() -> None:
    async with running(outage()) as (app, _, _):
        shown = "\n".join(lines(app.screen.query_one(ProviderTable)))
        for sign_and_word in (
            "○ luna",
            "open 10 s",
            "◐ mini",
            "half-open",
            "◷ llama",
            "held 42 s",
            "‖ qwen",
            "drained",
        ):
            assert sign_and_word in shown
        assert "1 of 2 out" in shown


async def test_a_provider_folds_and_the_cursor_stays_with_its_row() -> None:
    """By space, enter, and a second click."""
    async with running() as (app, feed, pilot):
        table = app.screen.query_one(ProviderTable)
        await pilot.press("down", "down", "down")
        assert table.key == "anthropic"
        await pilot.press("home", "space")
        assert [line.split()[:3] for line in lines(table)[1:3]] == [["▸", "●", "openai"], ["▾", "●", "anthropic"]]
        await pilot.press("enter", "down", "down")
        assert table.key == "openai/mini"
        feed.pending.put_nowait(outage())
        await settle(pilot)
        assert table.key == "openai/mini"
        await pilot.click(ProviderTable, offset=(8, 2))
        await pilot.click(ProviderTable, offset=(8, 2))
        await pilot.pause()
        assert "luna" not in "\n".join(lines(table))


async def test_a_provider_with_many_targets_begins_folded() -> None:
    many = busy()
    target = many.targets[0]
    from msgspec.structs import replace

    targets = tuple(replace(target, name=f"t{number}") for number in range(30))
    snapshot = replace(many, providers=(replace(many.providers[0], targets=targets), *many.providers[1:]))
    async with running(snapshot) as (app, _, _):
        assert "t1" not in "\n".join(lines(app.screen.query_one(ProviderTable)))


async def test_the_details_follow_the_cursor() -> None:
    async with running(outage()) as (app, _, pilot):
        details = app.screen.query_one(Details)
        assert details.border_title == "openai"
        assert "key 2" in str(details.visual)
        await pilot.press("down")
        assert details.border_title == "luna"
        assert "5 failures in a row (server_error)" in str(details.visual)


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        (("o", "y"), SetBreaker("openai", "open")),
        (("down", "o", "y"), SetBreaker("luna", "open")),
        (("c", "y"), SetBreaker("openai", "close")),
        (("x",), SetBreaker("openai", "reset")),
        (("down", "d", "y"), Drain("luna")),
        (("end", "d"), Undrain("qwen")),
        (("C", "y"), ClearCache()),
    ],
)
async def test_keys_act_after_a_question_where_traffic_is_affected(keys: tuple[str, ...], command: Any) -> None:
    async with running(outage()) as (app, feed, pilot):
        for key in keys:
            await pilot.press(key)
            await settle(pilot)
        assert feed.commands == [command]
        assert any("done" in each for each in toasts(app))


@pytest.mark.parametrize("answer", ["n", "escape"])
async def test_no_means_no(answer: str) -> None:
    async with running() as (_, feed, pilot):
        await pilot.press("o", answer)
        await settle(pilot)
        assert feed.commands == []


async def test_the_dialog_can_be_clicked() -> None:
    async with running() as (_, feed, pilot):
        await pilot.press("o")
        await settle(pilot)
        await pilot.click("#yes")
        await settle(pilot)
        assert feed.commands == [SetBreaker("openai", "open")]


async def test_try_and_requests_go_to_their_screens() -> None:
    async with running() as (app, _, pilot):
        await pilot.press("down", "t")
        await settle(pilot)
        assert app.current_mode == "try"
        app.switch_mode("panel")
        await settle(pilot)
        await pilot.press("home", "r")
        await settle(pilot)
        assert app.current_mode == "requests"


async def test_events_are_told_as_they_come_the_newest_on_top() -> None:
    async with running() as (app, feed, pilot):
        feed.news.put_nowait(
            Event(NOW, "breaker", "luna [b]opened[/b]: 5 failures in a row", "error", "openai", "luna")
        )
        await settle(pilot)
        shown = app.screen.query_one(EventList)
        assert lines(shown)[0].endswith("luna [b]opened[/b]: 5 failures in a row")
        await pilot.press("tab", "enter")
        await pilot.pause()
        assert toasts(app) == ["luna [b]opened[/b]: 5 failures in a row"]


@pytest.mark.parametrize(("key", "fault"), [("b", "break"), ("s", "slow"), ("l", "limit"), ("m", "mend")])
async def test_faults_of_the_demo(key: str, fault: str) -> None:
    """On the provider of the row, also from a target's row."""
    vendors = FixedVendors()
    async with running(vendors=vendors) as (app, _, pilot):
        await pilot.press("down", key)
        await settle(pilot)
        assert vendors.done == [("openai", fault)]
        assert toasts(app) == [f"openai: {fault}"]


async def test_traffic_of_the_demo() -> None:
    vendors = FixedVendors()
    async with running(vendors=vendors) as (app, feed, pilot):
        await pilot.press("plus", "minus", "minus")
        assert vendors.traffic == pytest.approx(12 * 1.5 * 0.6667**2)
        feed.pending.put_nowait(busy())
        await settle(pilot)
        assert "requests/s" in str(app.screen.query_one(ProviderTable).border_subtitle)


async def test_without_a_demo_its_keys_do_nothing() -> None:
    async with running() as (app, feed, pilot):
        await pilot.press("b", "s", "l", "m", "plus", "minus")
        await settle(pilot)
        assert toasts(app) == []
        assert feed.commands == []


async def test_only_lines_that_changed_are_drawn() -> None:
    """Four snapshots a second cost little since most lines stay as they are."""
    same = busy()
    async with running(same) as (app, feed, pilot):
        table = app.screen.query_one(ProviderTable)
        drawn: list[int] = []
        table.refresh_line = drawn.append  # type: ignore[method-assign]
        feed.pending.put_nowait(same)
        await settle(pilot)
        assert drawn == []
        feed.pending.put_nowait(_one_changed(same))
        await settle(pilot)
        assert drawn == [5]  # below the header, openai and its two targets, and anthropic


def _one_changed(snapshot: Snapshot) -> Snapshot:
    from msgspec.structs import replace

    anthropic = snapshot.providers[1]
    haiku = anthropic.targets[0]
    changed = replace(haiku, figures=replace(haiku.figures, rate=99.0))
    providers = (snapshot.providers[0], replace(anthropic, targets=(changed,)), *snapshot.providers[2:])
    return replace(snapshot, providers=providers)
