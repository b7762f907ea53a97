"""Plots of five minutes, an hour and a day."""

from __future__ import annotations

from datetime import datetime

import pytest

from router.views.events import Event
from router.views.history import RANGES
from tests.support.dashboard_app import front, running, settle
from tests.support.dashboard_feed import NOW, FixedFeed
from tui.widgets.chart import Chart, Mark, Series


def axis(chart: Chart) -> list[str]:
    """The times of day under a chart."""
    return chart.render_line(chart.content_size.height - 1).text.split()


def clock(seconds_ago: float) -> str:
    return datetime.fromtimestamp(NOW - seconds_ago).strftime("%H:%M")


async def test_a_key_looks_further_back() -> None:
    async with running(mode="plots") as (app, _, pilot):
        rate = app.screen.query_one("#rate", Chart)
        assert rate.border_title == "requests"
        for title, key in (
            ("requests · 1 h", "]"),
            ("requests · 1 d", "]"),
            ("requests", "]"),
            ("requests · 1 d", "["),
        ):
            await pilot.press({"]": "right_square_bracket", "[": "left_square_bracket"}[key])
            await settle(pilot)
            assert rate.border_title == title
        await pilot.press("down")
        assert rate.border_title == "requests · provider openai · 1 d"


@pytest.mark.parametrize("presses", [1, 2])
async def test_the_axis_has_times_of_its_range(presses: int) -> None:
    async with running(mode="plots", size=(200, 60)) as (app, _, pilot):
        await pilot.press(*["right_square_bracket"] * presses)
        await settle(pilot)
        for chart in app.screen.query(Chart):
            found = axis(chart)
            assert len(found) >= 4
            ages = [(datetime.fromtimestamp(NOW) - datetime.strptime(each, "%H:%M")).seconds for each in found]
            assert ages == sorted(ages, reverse=True)
            assert all(datetime.strptime(each, "%H:%M").minute % 10 == 0 for each in found)


async def test_a_rate_is_a_rate_in_every_range() -> None:
    """Some 45 requests a second are that many, whatever a value stands for."""
    async with running(mode="plots") as (app, _, pilot):
        rate = app.screen.query_one("#rate", Chart)
        for _ in RANGES:
            said = str(rate.border_subtitle).split()[-1]
            assert 20 <= float(said.removesuffix("/s")) <= 60
            await pilot.press("right_square_bracket")
            await settle(pilot)


async def test_the_cursor_reads_values_of_yesterday() -> None:
    async with running(mode="plots", size=(160, 50)) as (app, feed, pilot):
        feed.news.put_nowait(Event(NOW - 7200, "reload", "revision 1234567 loaded", "good"))
        await pilot.press("right_square_bracket", "right_square_bracket")
        await settle(pilot)
        rate = app.screen.query_one("#rate", Chart)
        said = []
        for _ in range(rate.columns):
            await pilot.press("left")
            said.append(str(rate.border_subtitle))
        assert any("◆ revision 1234567" in each for each in said)
        assert len({each.split()[0] for each in said}) >= rate.columns - 2
        await pilot.press("left_square_bracket")
        await settle(pilot)
        assert "newest" in str(rate.border_subtitle)


async def test_a_range_is_fetched_no_more_often_than_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(mode="plots") as (app, _, pilot):
        asked: list[int] = []
        whole = FixedFeed.history

        async def history(self: FixedFeed, span: int = 300) -> object:
            asked.append(span)
            return await whole(self, span)

        monkeypatch.setattr(FixedFeed, "history", history)
        await pilot.press("right_square_bracket", "right_square_bracket")
        await settle(pilot)
        asked.clear()
        for _ in range(5):
            front(app).refresh_now()
            await settle(pilot)
        assert asked == []


async def test_signs_hide_no_time_of_day() -> None:
    async with running(mode="plots", size=(120, 36)) as (app, _, _):
        chart = app.screen.query_one("#rate", Chart)
        series = [Series("now", [5.0] * 300, "$success", filled=True)]
        chart.draw(series, NOW)
        before = axis(chart)
        marks = [Mark(NOW - ago, "○", "opened", "$error") for ago in range(0, 300, 4)]
        chart.draw(series, NOW, marks)
        assert axis(chart) == before
        assert "○" in "".join(chart.render_line(y).text for y in range(chart.content_size.height - 1))
