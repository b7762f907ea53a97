"""Every list finds by words and sorts by columns, in the same way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.views.requests import RequestFilter
from tests.support.dashboard_app import lines, running, settle
from tests.support.dashboard_feed import outage
from tui import request_filter
from tui.app import Dashboard
from tui.widgets.event_list import EventList
from tui.widgets.provider_table import ProviderTable
from tui.widgets.request_list import RequestList
from tui.widgets.route_plan import RoutePlan
from tui.widgets.row_list import RowList
from tui.widgets.rows import By, Row, found, ordered

LIST: dict[str, type[RowList] | str] = {
    "panel": ProviderTable,
    "routes": RoutePlan,
    "requests": RequestList,
    "plots": "#subjects",
}


def the_list(app: Dashboard) -> Any:
    wanted = LIST[app.current_mode]
    return app.screen.query_one(wanted, RowList) if isinstance(wanted, str) else app.screen.query_one(wanted)


def keys(shown: RowList) -> list[str]:
    return [row.key for row in shown.rows if row.key is not None]


# --- which rows


def rows(*names: str) -> list[Row]:
    """`a/b` belongs to `a`; a name that begins with # is a heading."""
    return [
        Row(None, ((name[1:], ""),)) if name[0] == "#" else Row(name, ((name, ""),), name.rpartition("/")[0] or None)
        for name in names
    ]


@pytest.mark.parametrize(
    ("looked_for", "left"),
    [
        ("llama", ["groq", "groq/llama"]),
        ("GROQ", ["groq", "groq/llama", "groq/qwen"]),
        ("groq qwen", ["groq", "groq/qwen"]),
        ("luna", ["openai", "openai/luna"]),
        ("nobody", []),
        ("", ["groq", "groq/llama", "groq/qwen", "openai", "openai/luna"]),
    ],
)
def test_what_belongs_to_a_row_stays_with_it(looked_for: str, left: list[str]) -> None:
    tree = rows("groq", "groq/llama", "groq/qwen", "openai", "openai/luna")
    assert [row.key for row in found(tree, looked_for)] == left


def test_a_heading_stays_while_something_below_it_does() -> None:
    shown = found(rows("#one", "apple", "#two", "pear", "#three", "apple pie"), "apple")
    assert ["".join(text for text, _ in row.line) for row in shown] == ["one", "apple", "three", "apple pie"]


@given(st.lists(st.none() | st.floats(-1e6, 1e6)), st.booleans())
def test_what_is_not_known_is_last_whichever_way(values: list[float | None], inverted: bool) -> None:
    shown = ordered(values, By("it", lambda value: value), inverted=inverted)
    known = [value for value in values if value is not None]
    assert shown == sorted(known, reverse=not inverted) + [None] * (len(values) - len(known))


# --- by keys, on every list


@pytest.mark.parametrize(
    ("mode", "word", "left"),
    [
        ("panel", "groq", ["groq", "groq/llama"]),
        ("panel", "held", ["groq", "groq/llama"]),
        ("routes", "qwen", ["route chat", "target chat 2 qwen", "route local", "target local 0 qwen"]),
        ("plots", "anth", ["provider anthropic"]),
    ],
)
async def test_slash_leaves_rows_that_have_the_words(mode: str, word: str, left: list[str]) -> None:
    async with running(outage(), mode=mode) as (app, feed, pilot):
        shown = the_list(app)
        everything = keys(shown)
        await pilot.press("slash", *word)
        assert keys(shown) == left
        feed.pending.put_nowait(outage())
        await settle(pilot)
        assert keys(shown) == left  # also with the next figures
        await pilot.press("enter")
        assert keys(shown) == left
        assert any(f"/ {word}" in line for line in lines(shown))
        await pilot.press("escape")
        assert keys(shown) == everything


async def test_letters_are_no_commands_while_they_are_typed() -> None:
    async with running() as (app, feed, pilot):
        await pilot.press("slash", "q", "d", "1", "o", "backspace")
        await settle(pilot)
        assert app.is_running
        assert feed.commands == []
        assert "/ qd1" in lines(the_list(app))[0]
        await pilot.press("escape", "d", "y")
        await settle(pilot)
        assert len(feed.commands) == 1


async def test_targets_of_a_folded_provider_are_found() -> None:
    async with running(outage()) as (app, _, pilot):
        await pilot.press("space", "slash", *"luna")
        assert keys(the_list(app)) == ["openai", "openai/luna"]
        await pilot.press("escape")
        assert "openai/luna" not in keys(the_list(app))


async def test_what_was_chosen_stays_chosen_while_it_is_found() -> None:
    async with running(outage()) as (app, _, pilot):
        shown = the_list(app)
        shown.key = "groq/llama"
        await pilot.press("slash", *"llama")
        assert shown.key == "groq/llama"
        await pilot.press("escape")
        assert shown.key == "groq/llama"


async def test_events_are_found_by_what_their_line_cuts() -> None:
    async with running(size=(80, 24)) as (app, _, pilot):
        events = app.screen.query_one(EventList)
        events.focus()
        await pilot.press("slash", *"retry in 10 s")
        assert len(keys(events)) == 1


async def test_requests_are_found_by_plain_words() -> None:
    async with running(mode="requests") as (app, feed, pilot):
        await pilot.press("slash", *"LOCAL qwen", "enter")
        await settle(pilot)
        assert feed.filters[-1] == RequestFilter(text="LOCAL qwen")
        shown = lines(the_list(app))[1:]
        assert all("local → qwen" in line for line in shown if line)
        assert "local" in shown[0]
    assert request_filter.parse("route:chat llama") == RequestFilter(route="chat", text="llama")


@pytest.mark.parametrize(
    ("mode", "times", "mark", "first"),
    [
        ("panel", 1, "provider▴", "anthropic"),
        ("panel", 2, "state▾", "openai"),
        ("panel", 3, "share▾", "openai"),
        ("panel", 4, "req/s▾", "anthropic"),
        ("routes", 1, "by route▴", "route chat"),
        ("routes", 3, "by failed▾", "route chat"),
        ("plots", 1, "name▴", "all"),
        ("plots", 2, "req/s▾", "all"),
    ],
)
async def test_a_key_sorts_and_the_column_is_marked(mode: str, times: int, mark: str, first: str) -> None:
    async with running(outage(), mode=mode) as (app, _, pilot):
        shown = the_list(app)
        before = keys(shown)
        await pilot.press(*["greater_than_sign"] * times)
        assert mark in lines(shown)[0]
        assert keys(shown)[0] == first
        after = keys(shown)
        await pilot.press("I")
        assert keys(shown) != after
        await pilot.press(*["less_than_sign"] * times)
        assert keys(shown) == before
        assert "▾" not in lines(shown)[0].replace("▾ ", "")


async def test_requests_are_sorted_by_how_long_they_took() -> None:
    async with running(mode="requests") as (app, feed, pilot):
        await pilot.press(*["greater_than_sign"] * 5)
        slowest = max(feed.records, key=lambda record: record.seconds)
        assert keys(the_list(app))[0] == slowest.id
        assert "took▾" in lines(the_list(app))[0]


async def test_a_click_on_a_title_sorts_and_a_second_one_turns_it_round() -> None:
    async with running(outage()) as (app, _, pilot):
        shown = the_list(app)
        at = lines(shown)[0].index("req/s")
        for mark in ("req/s▾", "req/s▴"):
            await pilot.click(ProviderTable, offset=(at + 3, 1))
            await pilot.pause()
            assert mark in lines(shown)[0]


async def test_the_targets_of_a_provider_stay_below_it() -> None:
    async with running(outage()) as (app, _, pilot):
        await pilot.press("greater_than_sign")
        shown = keys(the_list(app))
        for key in shown:
            if "/" in key:
                above = [each for each in shown[: shown.index(key)] if "/" not in each]
                assert above[-1] == key.partition("/")[0]
