"""Plots: the geometry of charts, and what is chosen by keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.views.events import Event
from tests.support.dashboard_app import front, running, settle
from tests.support.dashboard_feed import NOW, fresh
from tui.widgets.chart import Chart, Series, columns, dots, nice_top, row_of
from tui.widgets.row_list import RowList


@given(st.floats(1e-6, 1e9))
def test_the_scale_ends_at_a_round_number_at_or_above(value: float) -> None:
    top = nice_top(value)
    assert value * 0.999 <= top <= value * 1.3334  # three quarters of the height are used, or more
    assert float(f"{top:.1e}") == pytest.approx(top)


def lit(cells: list[list[int]]) -> set[tuple[int, int]]:
    """The dots of a pattern, (column, row) from the upper left."""
    places = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
    return {
        (x * 2 + right, y * 4 + down)
        for y, row in enumerate(cells)
        for x, cell in enumerate(row)
        for down in range(4)
        for right in range(2)
        if cell & places[down][right]
    }


@given(st.lists(st.none() | st.floats(0, 100), min_size=8, max_size=8), st.integers(1, 10))
def test_a_value_stands_at_its_height_and_a_gap_stays_a_gap(values: list[float | None], height: int) -> None:
    found = lit(dots(Series("x", values, ""), 4, height, 100.0))
    for x, value in enumerate(values):
        column = {y for at, y in found if at == x}
        if value is None:
            assert column == set()
        else:
            assert row_of(value, height, 100.0) in column


@given(st.lists(st.floats(0.01, 100), min_size=8, max_size=8))
def test_a_filled_series_is_painted_down_to_zero(values: list[float]) -> None:
    found = lit(dots(Series("x", values, "", filled=True), 4, 5, 100.0))
    for x, value in enumerate(values):
        assert {y for at, y in found if at == x} == set(range(row_of(value, 5, 100.0), 20))


@given(st.lists(st.none() | st.floats(0, 100), min_size=1, max_size=400), st.integers(1, 200))
def test_columns_keep_within_their_values(values: list[float | None], width: int) -> None:
    """Means: nothing above the highest, nothing where nothing was measured."""
    found = columns(values, width)
    known = [value for value in values if value is not None]
    assert len(found) == width
    for value in found:
        assert value is None or min(known) - 1e-9 <= value <= max(known) + 1e-9


def test_two_series_are_told_apart_without_colours() -> None:
    """One is painted whole, the other thinly under its line, which has no holes."""
    values = [50.0] * 8
    line, whole = ({(x, y) for x in range(8) for y in range(row_of(50.0, 3, 100.0), end)} for end in (6, 12))
    hatched = lit(dots(Series("p95", values, "", hatched=True), 4, 3, 100.0))
    assert lit(dots(Series("p50", values, "", filled=True), 4, 3, 100.0)) == whole
    assert line < hatched < whole
    assert len(hatched - line) < len(whole - line) / 3


async def test_a_scale_grows_at_once_and_shrinks_late() -> None:
    async with running(mode="plots") as (app, _, _):
        chart = app.screen.query_one("#rate", Chart)
        chart.draw([Series("now", [900.0] * 300, "$success")], 1.0)
        assert chart.top == 1000
        for second in range(2, 20):
            chart.draw([Series("now", [10.0] * 300, "$success")], float(second))
        assert chart.top == 1000
        for second in range(20, 40):
            chart.draw([Series("now", [10.0] * 300, "$success")], float(second))
        assert chart.top == 10


async def test_a_provider_and_a_route_are_chosen_by_key_and_mouse() -> None:
    async with running(mode="plots") as (app, _, pilot):
        rate = app.screen.query_one("#rate", Chart)
        await pilot.press("down")
        assert rate.border_title == "requests · provider openai"
        await pilot.press("down", "down")
        assert rate.border_title == "requests · provider groq"
        await pilot.press("up", "end")
        assert rate.border_title == "requests · route local"
        await pilot.click(RowList, offset=(6, 2))
        await pilot.pause()
        assert rate.border_title == "requests"


async def test_first_token_and_whole_answer() -> None:
    async with running(mode="plots") as (app, _, pilot):
        latency = app.screen.query_one("#latency", Chart)
        before = str(latency.border_subtitle)
        await pilot.press("a")
        await settle(pilot)
        assert latency.border_title == "whole answer"
        assert str(latency.border_subtitle) != before


async def test_one_chart_at_a_time() -> None:
    async with running(mode="plots") as (app, _, pilot):

        def shown() -> list[str | None]:
            return [each.id for each in app.screen.query(Chart) if each.display]

        await pilot.press("z")
        assert shown() == ["rate"]
        await pilot.press("z")
        assert shown() == ["latency"]
        await pilot.press("z", "z", "z")
        assert shown() == ["rate", "latency", "errors", "cost"]


async def test_the_mouse_reads_values() -> None:
    async with running(mode="plots") as (app, _, pilot):
        rate = app.screen.query_one("#rate", Chart)
        assert str(rate.border_subtitle).startswith("now")
        await pilot.hover("#rate", offset=(20, 5))
        await pilot.pause()
        assert str(rate.border_subtitle).startswith("15:1")
        await pilot.hover("#subjects")
        await pilot.pause()
        assert str(rate.border_subtitle).startswith("now")


async def test_without_history_it_stays_empty() -> None:
    async with running(fresh()) as (app, feed, pilot):
        feed.gone = True
        await pilot.press("6")
        await settle(pilot)
        assert str(app.screen.query_one("#rate", Chart).border_subtitle or "") == ""


async def test_keys_read_values_and_what_happened_then() -> None:
    async with running(mode="plots", size=(200, 50)) as (app, feed, pilot):
        charts = list(app.screen.query(Chart))
        feed.news.put_nowait(Event(NOW - 100, "breaker", "luna opened: 5 failures", "error", "openai", "luna"))
        await settle(pilot)
        front(app).refresh_now()
        await settle(pilot)
        assert "○" in "".join(charts[0].render_line(y).text for y in range(charts[0].size.height))
        before = [str(chart.border_subtitle) for chart in charts]
        await pilot.press("left")
        assert all(str(chart.border_subtitle).startswith("15:22:") for chart in charts)
        for _ in range(charts[0].columns):
            await pilot.press("left")
            if "luna opened" in str(charts[0].border_subtitle):
                break
        said = str(charts[0].border_subtitle)
        assert said.startswith("15:20:3")
        assert "○ luna opened: 5 failures" in said
        assert "/s" in said
        await pilot.press("right")
        assert "luna opened" not in str(charts[0].border_subtitle)
        await pilot.press("escape")
        assert [str(chart.border_subtitle) for chart in charts] == before


async def test_a_revision_is_marked() -> None:
    async with running(mode="plots") as (app, feed, pilot):
        feed.news.put_nowait(Event(NOW - 30, "reload", "revision 1234567 loaded", "good"))
        await settle(pilot)
        front(app).refresh_now()
        await settle(pilot)
        chart = app.screen.query_one("#rate", Chart)
        assert "◆" in "".join(chart.render_line(y).text for y in range(chart.size.height))
