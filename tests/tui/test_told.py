"""What the dashboard tells in words: what it waits for, where a mistake is, how long money lasts, what was done."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from router.config.diagnostics import Diagnostic
from router.telemetry.events import held
from router.views.commands import PromptEnd
from router.views.figures import RouteFigures, Snapshot, Spending
from router.views.file import ConfigView, Revision
from router.views.running import Running
from tests.support.dashboard_app import FixedVendors, lines, running, settle
from tests.support.dashboard_feed import NOW, busy, fresh
from tui import format as as_text
from tui.app import Dashboard
from tui.demo import ROUTES
from tui.widgets.answer import speed_of
from tui.widgets.config_rows import log_rows
from tui.widgets.event_list import EventList
from tui.widgets.provider_table import ProviderTable
from tui.widgets.row_list import RowList


@pytest.mark.parametrize("seconds", [60.0, 90.0, 160.0, 3600.0, 7384.0])
def test_sentences_and_screens_tell_durations_alike(seconds: float) -> None:
    event = held("luna", seconds, "rate_limited", provider="openai", target="luna", time=NOW)
    assert f"held for {as_text.span(seconds)}:" in event.sentence


async def test_it_says_which_router_it_waits_for() -> None:
    async def find() -> tuple[Running, ...]:
        return ()

    app = Dashboard(find=find, named="nope")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "none named nope yet" in lines(app.screen.query_one(RowList))[0]


def test_the_log_says_where_a_rejected_revision_is_wrong() -> None:
    wrong = Diagnostic("error", "routes.yaml", 17, 50, "routes.chat.targets.1.model", 'no model is named "haikuu"', "")
    rejected = Revision(NOW, "9984a99", False, (), (wrong,))
    (row,) = log_rows(ConfigView("routes.yaml", "1234567", "", "", log=(rejected,)), 200)
    assert '17:50 routes.chat.targets.1.model: no model is named "haikuu"' in row.text


async def test_the_first_run_points_to_a_prompt() -> None:
    async with running(fresh()) as (app, feed, pilot):
        table = app.screen.query_one(ProviderTable)
        assert "t asks" in str(table.border_subtitle)
        feed.pending.put_nowait(busy())
        await settle(pilot)
        assert str(table.border_subtitle) == ""


def test_a_stored_answer_has_no_speed() -> None:
    end = PromptEnd(seconds=0.0004, first_token=0.0001, output_tokens=96, cached=True)
    assert speed_of(end) is None
    assert speed_of(replace(end, cached=False)) is not None


@pytest.mark.parametrize(
    ("used", "cost", "resets", "told"),
    [
        (10.0, 0.5, None, "$0.50/min: used up in 1 h"),
        (10.0, 0.5, 7200.0, "$0.50/min: used up in 1 h; begins anew in 2 h"),
        (10.0, 0.5, 1800.0, "$0.50/min: it lasts; begins anew in 30 min"),
        (40.0, 0.5, 1800.0, "used up; begins anew in 30 min"),
        (10.0, 0.0, None, "nothing is spent now"),
        (None, 0.5, None, None),
        (10.0, None, None, None),
    ],
)
def test_a_budget_tells_how_long_it_lasts(
    used: float | None, cost: float | None, resets: float | None, told: str | None
) -> None:
    budget = Spending("route", "chat", 40.0, used, 86400.0, None if resets is None else NOW + resets)
    route = RouteFigures("chat", replace(busy().figures, cost_per_minute=cost))
    snapshot: Snapshot = replace(busy(), routes=(route,), spending=(budget,))
    assert as_text.outlook(snapshot, "route", "chat") == told
    assert as_text.outlook(snapshot, "route", "local") is None


async def test_what_is_done_to_a_simulated_vendor_is_an_event() -> None:
    async with running(vendors=FixedVendors()) as (app, _, pilot):
        for key in ("b", "m"):
            await pilot.press(key)
            await settle(pilot)
            assert lines(app.screen.query_one(EventList))[0].endswith(f"openai: {'break' if key == 'b' else 'mend'}")
        await pilot.press("6")
        await settle(pilot)
        axis = lines_of_charts(app)
        assert "✓" in axis


def lines_of_charts(app: Dashboard) -> str:
    from tui.widgets.chart import Chart

    return "".join(chart.render_line(y).text for chart in app.screen.query(Chart) for y in range(chart.size.height))


def test_a_mended_vendor_of_the_demo_is_soon_asked_again() -> None:
    assert "max_open_for: 8s" in ROUTES
