"""The dashboard as a whole: going about, pausing, losing a router and finding another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import Static

from router import Router
from router.config import UnreadableFile
from router.views.commands import Command, Done, Reload
from router.views.events import Event
from router.views.running import Running
from tests.support.dashboard_app import FixedVendors, running, settle, toasts
from tests.support.dashboard_feed import NOW, FixedFeed, busy, lost, rejected
from tui.app import Dashboard
from tui.dialogs.chooser import Chooser
from tui.dialogs.keys import Keys
from tui.router_thread import RouterThread
from tui.widgets.masthead import TABS, Masthead
from tui.widgets.row_list import RowList


def head(app: Dashboard) -> str:
    """The two lines on top."""
    masthead = app.screen.query_one(Masthead)
    return "\n".join(str(each.visual) for each in masthead.query(Static))


@pytest.mark.parametrize(("number", "mode"), [(number, mode) for number, (mode, _) in enumerate(TABS, 1)])
async def test_number_keys_choose_the_screen(number: int, mode: str) -> None:
    async with running() as (app, _, pilot):
        await pilot.press("6" if number == 1 else "1", str(number))
        await settle(pilot)
        assert app.current_mode == mode
        assert "shop" in head(app)


async def test_tabs_can_be_clicked() -> None:
    async with running() as (app, _, pilot):
        at = 1
        for number, (mode, title) in enumerate(TABS, 1):
            await pilot.click("#tabs", offset=(at + 3, 0))
            await settle(pilot)
            assert app.current_mode == mode
            at += len(f" {number} {title} ")


async def test_the_head_tells_which_router_and_how_it_is() -> None:
    async with running() as (app, _, _):
        for words in ("shop", "/srv/shop/routes.yaml", "revision 9984a99", "up 2 h 3 min", "3 processes"):
            assert words in head(app)


async def test_no_figure_stands_twice_on_the_panel() -> None:
    """The tiles tell them; where those have no room, and on other screens, the head does."""
    async with running() as (app, _, pilot):
        assert "45.6/s" not in head(app)
        await pilot.press("2")
        await settle(pilot)
        assert "45.6/s" in head(app)
    async with running(size=(80, 24)) as (app, _, _):
        assert "45.6/s" in head(app)


async def test_what_is_not_as_usual_is_a_badge() -> None:
    async with running(rejected()) as (app, _, _):
        assert "FILE REJECTED" in head(app)
    async with running(lost()) as (app, _, _):
        assert "GONE" in head(app)
    async with running(replace(busy(), watching=False)) as (app, _, _):
        assert "not watching the file" in head(app)
    async with running(vendors=FixedVendors()) as (app, _, _):
        assert "simulated" in head(app)


async def test_pause_holds_the_picture_and_not_the_router() -> None:
    async with running() as (app, feed, pilot):
        await pilot.press("p")
        feed.pending.put_nowait(replace(busy(), name="later"))
        await settle(pilot)
        assert "shop" in head(app)
        assert "PAUSED" in head(app)
        await pilot.press("p")
        await settle(pilot)
        assert "later" in head(app)
        assert "PAUSED" not in head(app)


async def test_a_router_that_goes_is_shown_as_gone_and_comes_back() -> None:
    async with running() as (app, feed, pilot):
        feed.gone = True
        feed.pending.put_nowait(lost())
        await settle(pilot)
        assert "GONE" in head(app)
        await pilot.press("R")
        await settle(pilot)
        assert toasts(app) == ["no process of shop answers"]
        for key in "23456":
            await pilot.press(key)
            await settle(pilot)
        feed.gone = False
        feed.pending.put_nowait(busy())
        await settle(pilot)
        assert "GONE" not in head(app)


async def test_reload_by_key_says_what_came_of_it() -> None:
    async with running() as (app, feed, pilot):
        feed.outcome = lambda command: Done(False, "routes.yaml was rejected: line 18: [red] is no model")
        await pilot.press("R")
        await settle(pilot)
        commands: list[Command] = [Reload()]
        assert feed.commands == commands
        assert toasts(app) == ["routes.yaml was rejected: line 18: [red] is no model"]


async def test_light_and_dark() -> None:
    async with running() as (app, _, pilot):
        await pilot.press("T")
        assert not app.current_theme.dark
        await pilot.press("T")
        assert app.current_theme.dark


async def test_the_keys_are_listed_for_the_screen_in_front() -> None:
    async with running() as (app, _, pilot):
        await pilot.press("question_mark")
        await settle(pilot)
        assert isinstance(app.screen, Keys)
        text = str(app.screen.query_one(Static).visual)
        for words in ("open its breaker by hand", "hold the picture still", "half-open"):
            assert words in text
        await pilot.press("escape")
        await settle(pilot)
        assert not isinstance(app.screen, Keys)


async def test_the_palette_offers_every_action_by_name() -> None:
    async with running(vendors=FixedVendors()) as (app, _, _):
        offered = [each.name for each in app.actions()]
        for title in ("Stop calls to luna", "Reset qwen", "Drain openai", "Try haiku", "Break groq", "Quit"):
            assert title in offered
        assert offered[:6] == [f"Show {title}" for _, title in TABS]


async def test_the_palette_fits_a_page_until_something_is_typed() -> None:
    """What there is for each of many targets is found by typing."""
    async with running(vendors=FixedVendors()) as (app, _, _):
        listed = [each.name for each in app.actions() if each.listed]
        assert len(listed) < 16
        assert not any("luna" in name for name in listed)


async def test_a_command_of_the_palette_acts() -> None:
    async with running() as (_, feed, pilot):
        await pilot.press("ctrl+p", *"reset qwen")
        await pilot.pause()
        await pilot.press("down", "enter")
        await settle(pilot)
        assert [str(each) for each in feed.commands] == ["SetBreaker(name='qwen', action='reset')"]


async def test_bad_news_is_told_on_every_screen() -> None:
    """News, not what was long before the dashboard came."""
    async with running(mode="plots") as (app, feed, pilot):
        assert toasts(app) == []
        feed.news.put_nowait(Event(NOW + 1, "breaker", "luna opened: 5 failures", "error", "openai", "luna"))
        feed.news.put_nowait(Event(NOW + 1, "breaker", "luna closed: it answers again", "good", "openai", "luna"))
        await settle(pilot)
        assert "luna opened: 5 failures" in head(app)
        assert toasts(app) == []  # those are for what a person did
        feed.pending.put_nowait(replace(busy(), time=NOW + 30))
        await settle(pilot)
        assert "luna opened" not in head(app)


async def test_one_toast_at_a_time_over_the_line_of_keys_alone() -> None:
    app = Dashboard(FixedFeed(busy()))
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await settle(pilot)
        await pilot.press("R", "R")
        await settle(pilot)
        app.notify("the second")
        await settle(pilot)
        assert toasts(app) == ["the second"]
        (toast,) = app.screen.query("Toast")
        assert toast.region.y == app.size.height - 1


async def test_the_help_has_our_own_words_only() -> None:
    async with running(vendors=FixedVendors()) as (app, _, pilot):
        for mode, _ in TABS:
            app.switch_mode(mode)
            await settle(pilot)
            app.action_keys()
            await settle(pilot)
            text = str(app.screen.query_one(Static).visual)
            for stock in ("Scroll", "Quit the app", "command prompt", "Page Down", "Copy selected"):
                assert stock not in text, mode
            assert "the router goes on" in text
            await pilot.press("escape")


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_all_keys_that_end_programs_end_it(key: str) -> None:
    async with running() as (_, feed, pilot):
        await pilot.press(key)
        await pilot.pause()
    assert feed.closed


async def test_quitting_lets_go_of_the_feed() -> None:
    async with running() as (_, feed, pilot):
        await pilot.press("q")
        await pilot.pause()
    assert feed.closed


# --- choosing


SHOP = Running("shop", "/srv/shop/routes.yaml", (4711, 4712), ("/run/a", "/run/b"), "9984a99f819b")
BATCH = Running("batch", None, (99,), ("/run/c",), "11aa22bb33cc")


@asynccontextmanager
async def choosing(*runs: tuple[Running, ...]) -> AsyncIterator[tuple[Dashboard, dict[str, FixedFeed], Pilot[None]]]:
    """A dashboard that finds these, one look after another; the last one stays."""
    feeds: dict[str, FixedFeed] = {}
    looks = list(runs)

    async def find() -> tuple[Running, ...]:
        return looks.pop(0) if len(looks) > 1 else looks[0]

    def attach(running: Running) -> FixedFeed:
        feeds[running.name] = FixedFeed(replace(busy(), name=running.name))
        return feeds[running.name]

    app = Dashboard(find=find, attach=attach)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        yield app, feeds, pilot


async def test_the_only_router_is_watched_without_a_question() -> None:
    async with choosing((SHOP,)) as (app, _, _):
        assert "shop" in head(app)


async def test_one_of_several_is_chosen_and_changed() -> None:
    async with choosing((SHOP, BATCH)) as (app, feeds, pilot):
        assert isinstance(app.screen, Chooser)
        shown = app.screen.query_one(RowList).render_line(0).text
        assert "shop" in shown
        assert "2 processes" in shown
        await pilot.press("down", "enter")
        await settle(pilot)
        assert "batch" in head(app)
        await pilot.press("w")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "shop" in head(app)
        assert feeds["batch"].closed


async def test_it_waits_for_a_router_and_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.dialogs.chooser.SCAN", 0.0)
    async with choosing((), (), (SHOP,)) as (app, _, pilot):
        for _ in range(3):
            await settle(pilot)
        assert "shop" in head(app)


async def test_nothing_runs_and_escape_ends_it() -> None:
    async with choosing(()) as (app, _, pilot):
        assert "none yet" in app.screen.query_one(RowList).render_line(0).text
        await pilot.press("escape")
        await settle(pilot)
        assert app._exit


# --- a router in a thread of its own


async def test_a_router_on_another_loop_is_watched_and_ends_with_the_dashboard() -> None:
    text = "providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n"
    with RouterThread(lambda: Router.from_text(text, env={}, monitor=False)) as thread:
        router = thread.value
        app = Dashboard(router.feed())
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            assert "router" in head(app)
        assert router.loop is not asyncio.get_running_loop()
    assert router._engine.closed


def test_what_the_thread_can_not_start_is_raised() -> None:
    with (
        pytest.raises(UnreadableFile, match=r"no\.yaml"),
        RouterThread(lambda: Router.from_yaml("/nowhere/no.yaml")),
    ):
        pass


# --- how the dialogs look


@pytest.mark.parametrize(("size", "key"), [((80, 24), "question_mark"), ((120, 36), "question_mark"), ((120, 36), "o")])
def test_dialogs_look_like_this(size: tuple[int, int], key: str, snap_compare: Any) -> None:
    async def opened(pilot: Any) -> None:
        await settle(pilot)
        await pilot.press(key)
        await settle(pilot)

    assert snap_compare(Dashboard(FixedFeed(busy()), vendors=FixedVendors()), terminal_size=size, run_before=opened)


@pytest.mark.parametrize("found", [(), (SHOP, BATCH)])
def test_choosing_looks_like_this(found: tuple[Running, ...], snap_compare: Any) -> None:
    async def find() -> tuple[Running, ...]:
        return found

    assert snap_compare(Dashboard(find=find), terminal_size=(120, 36), run_before=settle)


# --- keys


async def test_every_key_has_its_action() -> None:
    """No binding of a screen leads nowhere."""
    async with running(vendors=FixedVendors()) as (app, _, pilot):
        for mode, _ in TABS:
            app.switch_mode(mode)
            await settle(pilot)
            for node, binding, _, _ in app.screen.active_bindings.values():
                name = binding.action.partition("(")[0].rpartition(".")[2]
                owner = app if binding.action.startswith("app.") or binding.action == "command_palette" else node
                assert any(hasattr(each, f"action_{name}") for each in (owner, app.screen, app)), binding


async def test_lists_are_gone_through_by_page() -> None:
    async with running(mode="requests", size=(80, 24)) as (app, feed, pilot):
        shown = app.screen.query_one(RowList)
        await pilot.press("pagedown")
        assert shown.key == feed.records[17].id
        await pilot.press("end", "pageup", "pageup", "pageup", "pageup")
        assert shown.key == feed.records[0].id


async def test_figures_of_the_head_are_whole_or_away() -> None:
    """Of a word that is cut nobody knows what it counts."""
    async with running(mode="requests", size=(80, 24)) as (app, _, pilot):
        for width, last in ((80, " failed"), (96, " ms"), (120, " %")):
            await pilot.resize_terminal(width, 24)
            await settle(pilot)
            line = str(app.screen.query_one("Masthead #tabs", Static).visual)
            assert (line.endswith(last), "…" in line) == (True, False), line
