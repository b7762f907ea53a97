"""Money on the dashboard: an unknown cost is a dash on every screen that shows one."""

from __future__ import annotations

import re

from msgspec.structs import replace

from router.views.figures import Figures, ProviderFigures, RouteFigures, Snapshot
from tests.support.dashboard_app import lines, running, settle
from tests.support.dashboard_feed import busy
from tui import format as as_text
from tui.widgets.provider_table import ProviderTable
from tui.widgets.tiles import Tiles


def without_prices(snapshot: Snapshot) -> Snapshot:
    """The same, of models whose price nobody knows."""

    def figures(had: Figures) -> Figures:
        window, totals = (replace(counts, cost=None, unpriced=counts.calls) for counts in (had.window, had.totals))
        return replace(had, cost_per_minute=None, window=window, totals=totals)

    def provider(had: ProviderFigures) -> ProviderFigures:
        targets = tuple(replace(target, figures=figures(target.figures)) for target in had.targets)
        return replace(had, figures=figures(had.figures), targets=targets)

    def route(had: RouteFigures) -> RouteFigures:
        return replace(had, figures=figures(had.figures))

    return replace(
        snapshot,
        figures=figures(snapshot.figures),
        providers=tuple(map(provider, snapshot.providers)),
        routes=tuple(map(route, snapshot.routes)),
        spending=tuple(replace(budget, used=None) for budget in snapshot.spending),
    )


async def test_the_panel() -> None:
    async with running() as (app, feed, pilot):
        feed.pending.put_nowait(without_prices(busy()))
        await settle(pilot)
        tiles = " ".join(str(tile.render()) for tile in app.screen.query_one(Tiles).query("Static"))
        assert "– so far" in tiles
        assert "–/min" in tiles
        shown = tiles + "\n".join(lines(app.screen.query_one(ProviderTable)))
        assert not re.search(r"\$[0-9]", shown)


def test_budgets_and_sums() -> None:
    unknown, known = without_prices(busy()), busy()
    (budget, *_) = known.spending
    assert as_text.spent(unknown, budget.scope, budget.name) == f"– of {as_text.dollars(budget.limit)}"
    some = replace(known, spending=(replace(budget, at_least=True),))
    assert as_text.spent(some, budget.scope, budget.name) == (
        f"{as_text.dollars(budget.used)}+ of {as_text.dollars(budget.limit)}"
    )
    assert as_text.cost_of(unknown.figures.totals) == as_text.cost_per_minute(unknown.figures) == "–"
    assert as_text.cost_of(replace(known.figures.totals, cost=0.0, unpriced=0)) == "$0"


def test_limits_are_told_in_their_own_period() -> None:
    shown = [as_text.allowance(amount / period, period) for amount, period in ((500, 60), (250, 86_400), (1, 2))]
    assert shown == ["500/min", "250/d", "1 in 2 s"]
