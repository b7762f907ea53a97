"""The Requests screen: the tail, its filter, and traces."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import Input, Static

from router.views.requests import RequestFilter
from tests.support.dashboard_app import front, lines, running, settle, toasts, write
from tests.support.dashboard_feed import FixedFeed, busy, fresh, trace
from tui import request_filter
from tui.app import Dashboard
from tui.dialogs.trace import TraceDialog
from tui.widgets.request_list import RequestList
from tui.widgets.waterfall import waterfall

# --- the filter as it is typed

names = st.text(st.characters(categories=("L", "N"), include_characters="-_/."), min_size=1, max_size=12)


@given(
    st.builds(
        RequestFilter,
        route=st.none() | names,
        provider=st.none() | names,
        target=st.none() | names,
        code=st.none() | names,
        slow=st.none() | st.sampled_from([0.25, 2.0, 90.0]),
        failed=st.booleans(),
    )
)
def test_a_filter_is_written_as_it_is_read(only: RequestFilter) -> None:
    assert request_filter.parse(request_filter.written(only)) == only


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rout:chat", '"rout:chat" is no filter (did you mean route:?); there are: route: provider: target: code:'),
        ("route:", '"route:" needs a value, such as route:…'),
        ("slow", '"slow" needs a value, such as slow:2s'),
        ("slow:fast", 'slow:fast: "fast" is not a duration, such as 250ms or 2s'),
        ("faild", '"faild" is no filter (did you mean failed?)'),
    ],
)
def test_a_mistake_is_explained(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        request_filter.parse(text)


# --- the screen


async def to_requests(pilot: Any) -> None:
    await settle(pilot)
    await pilot.press("3")
    await settle(pilot)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
def test_a_trace_looks_like_this(size: tuple[int, int], snap_compare: Any) -> None:
    async def opened(pilot: Any) -> None:
        await to_requests(pilot)
        await pilot.press("enter")
        await settle(pilot)

    assert snap_compare(Dashboard(FixedFeed(busy())), terminal_size=size, run_before=opened)


def test_it_is_as_clear_in_light(snap_compare: Any) -> None:
    async def light(pilot: Any) -> None:
        await to_requests(pilot)
        await pilot.press("T", "slash")
        await write(pilot, "rout:chat")
        await settle(pilot)

    app = Dashboard(FixedFeed(busy()))
    app.cursor_blink = False
    assert snap_compare(app, terminal_size=(120, 36), run_before=light)


async def test_each_line_tells_who_answered_and_what_was_unusual() -> None:
    async with running(mode="requests") as (app, _, _):
        shown = "\n".join(lines(app.screen.query_one(RequestList)))
        for words in ("chat → haiku", "✓ fallback", "✓ cached", "✗ rate_limited", "fallback, hedged"):
            assert words in shown
        assert all("$0.0" not in line for line in shown.splitlines() if "✓ cached" in line)  # that is saved


async def test_the_filter_is_typed_and_applied() -> None:
    async with running(mode="requests") as (app, feed, pilot):
        await pilot.press("slash")
        await write(pilot, "route:local failed")
        await pilot.press("enter")
        await settle(pilot)
        assert feed.filters[-1] == RequestFilter(route="local", failed=True)
        shown = app.screen.query_one(RequestList)
        assert shown.border_title == "requests · route:local failed"
        assert all("local" in line and "✗" in line for line in lines(shown)[1:] if line)
        await pilot.press("escape")
        await settle(pilot)
        assert feed.filters[-1] is None


async def test_a_wrong_filter_changes_nothing_and_says_why() -> None:
    async with running(mode="requests") as (app, feed, pilot):
        await pilot.press("slash")
        await write(pilot, "rout:chat")
        await pilot.press("enter")
        await settle(pilot)
        assert "did you mean route:?" in str(app.screen.query_one("#mistake", Static).visual)
        assert all(each is None for each in feed.filters)
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen.query_one(Input).value == ""
        assert app.focused is app.screen.query_one(RequestList)


async def test_words_of_the_filter_are_completed() -> None:
    async with running(mode="requests") as (app, _, pilot):
        await pilot.press("slash")
        await write(pilot, "failed route:su")
        await settle(pilot)
        await pilot.press("right")
        assert app.screen.query_one(Input).value == "failed route:summarize"


async def test_keys_for_failed_and_slow_ones() -> None:
    async with running(mode="requests") as (_, feed, pilot):
        for key, only in (
            ("f", RequestFilter(failed=True)),
            ("f", RequestFilter(slow=2.0)),
            ("f", None),
        ):
            await pilot.press(key)
            await settle(pilot)
            assert feed.filters[-1] == only


async def test_nothing_passes_is_told_with_a_way_back() -> None:
    async with running(mode="requests") as (app, feed, pilot):
        await pilot.press("slash")
        await write(pilot, "code:no_such")
        await pilot.press("enter")
        await settle(pilot)
        assert (
            "no recent request passes code:no_such; escape lets all pass" in lines(app.screen.query_one(RequestList))[1]
        )
        feed.records = ()
        await pilot.press("escape")
        await settle(pilot)
        assert "no request has ended yet" in lines(app.screen.query_one(RequestList))[1]


async def test_a_trace_is_opened_copied_and_tried_again() -> None:
    async with running(mode="requests") as (app, _, pilot):
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, TraceDialog)
        text = str(app.screen.query_one("#trace", Static).visual)
        for words in ("overloaded HTTP 503", "skipped: circuit_open", "first token after 290 ms", "sky blue"):
            assert words in text
        await pilot.press("y")
        assert json.loads(app.clipboard)["record"]["route"] == "chat"
        await pilot.press("t")
        await settle(pilot)
        assert app.current_mode == "try"


async def test_a_forgotten_trace_and_a_lost_router_are_told() -> None:
    async with running(mode="requests") as (app, feed, pilot):
        newest, feed.records = feed.records, ()
        await pilot.press("enter")
        await settle(pilot)
        assert toasts(app) == [f"the trace of {newest[0].id} is not remembered any more"]
        feed.gone = True
        await pilot.press("enter")
        await settle(pilot)
        assert toasts(app)[-1] == "no process of shop answers"


async def test_the_cursor_stays_with_a_request_but_follows_at_the_top() -> None:
    async with running(mode="requests") as (app, feed, pilot):
        shown = app.screen.query_one(RequestList)
        everything = feed.records
        feed.records = everything[5:]
        await pilot.press("f", "f", "f")
        await settle(pilot)
        assert shown.key == everything[5].id
        feed.records = everything[2:]
        front(app).refresh_now()
        await settle(pilot)
        assert shown.key == everything[2].id
        await pilot.press("down", "down")
        here = shown.key
        feed.records = everything
        front(app).refresh_now()
        await settle(pilot)
        assert shown.key == here


async def test_fresh_is_empty() -> None:
    async with running(fresh(), mode="requests") as (app, _, _):
        assert app.screen.query_one(RequestList).border_title == "requests"


# --- the waterfall


@given(st.integers(30, 200))
def test_a_waterfall_fits_its_width(width: int) -> None:
    for line in waterfall(trace(), width):
        assert line.cell_length <= width


def test_bars_stand_where_time_puts_them() -> None:
    """A later attempt begins further right, and no bar is left out."""
    shown = [line.plain for line in waterfall(trace(), 120)]
    first = next(line for line in shown if line.startswith("luna "))
    second = next(line for line in shown if line.startswith("luna key 2"))
    last = next(line for line in shown if "↳ haiku" in line)
    assert first.index("━") < second.index("━") < last.index("╌")
    assert "✗" in first
    assert "✗" not in last
