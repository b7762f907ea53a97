"""The Routes screen's plan of tracks: tiers one below the other, what each target should get, and what it gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from router.views.figures import RouteFigures, Snapshot, TargetFigures
from router.views.routes import BranchView, Chains, ChainView, TierView
from tui import format as as_text
from tui.lamps import words_of
from tui.theme import BAD, FAINT, GOOD, INFO, LAMPS, MUTED, STRONG, TEXT, WARN
from tui.widgets.row_list import By, Line, Piece, Row, RowList

_TRACK = 8  # cells that calls run along
_BAR = 8
_REAL, _RATE = 5, 9  # cells of the share and the rate
_BARS = 2 * (_BAR + 1) + _REAL  # more cells when shares have bars, and the weights are told


_FIXED = 3 + 1 + 2 + _TRACK + 1 + 2 + 1 + _REAL + _RATE  # cells of the rail, the track, the lamp, and the figures


class _Columns(NamedTuple):
    """The columns' widths in cells, 0 where one has no room. `bars` is 1 where weights are shown, and shares have
    bars.
    """

    bars: int
    label: int
    name: int
    state: int
    model: int
    series: int

    @property
    def before_target(self) -> int:
        """Cells to the left of the target's name: the rail, the label, the track and the lamp."""
        return 3 + self.label + 1 + 2 + _TRACK + 1 + 2


class _Needs(NamedTuple):
    """How many cells the widest of each column takes."""

    label: int
    name: int
    state: int
    model: int


# Who gets room first: the column, up to how many cells in all, the fewest of use, and cells of its own gap. No column
# gets more than it needs, so that no name is cut beside one that stands empty.
_ORDER = (
    ("label", 14, 1, 0), ("name", 40, 1, 0), ("bars", 1, 1, 0), ("model", 40, 12, 1), ("state", 40, 1, 0),
    ("label", 30, 1, 0), ("name", 80, 1, 0), ("series", 60, 8, 2),
)  # fmt: skip
_LEAST = {"bars": 0, "label": 8, "name": 8, "state": 10, "model": 0, "series": 0}


def _columns(width: int, needs: _Needs) -> _Columns:
    wanted = {**needs._asdict(), "bars": 1, "series": 60}
    cells = {**_LEAST, "state": max(_LEAST["state"], min(needs.state, 17))}
    spare = width - _FIXED - sum(cells.values())
    for column, most, fewest, gap in _ORDER:
        if column == "state" and not cells["model"]:  # which then tells the model of one that is well
            wanted["state"] = max(needs.state, needs.model)
        each = _BARS if column == "bars" else 1
        given = min(most - cells[column], wanted[column] - cells[column], (spare - gap) // each)
        if given >= fewest:
            cells[column] += given
            spare -= given * each + gap
    return _Columns(**cells)


class RoutePlan(RowList):
    """Lists chains; the keys of its rows are `route NAME` and `target ROUTE TIER NAME`. Routes are sorted, tiers never
    are.
    """

    orders = (
        By("route", lambda shown: shown[0].route, down=False),
        By("req/s", lambda shown: shown[1].figures.rate),
        By("failed", lambda shown: shown[1].figures.error_rate),
        By("p95", lambda shown: shown[1].figures.first_token.p95),
        By("$/min", lambda shown: shown[1].figures.cost_per_minute),
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(empty="this file has no route", id=id)
        self._chains: Chains | None = None
        self._snapshot: Snapshot | None = None

    def draw(self, chains: Chains | None, snapshot: Snapshot) -> None:
        """Show these chains with the figures of this snapshot."""
        self._chains, self._snapshot = chains, snapshot
        if chains is None:
            return
        targets = {target.name: target for target in snapshot.targets}
        figures = {route.name: route for route in snapshot.routes}
        width = self.scrollable_content_region.width
        columns = _columns(width, _needs(chains, targets, snapshot.time))
        rows: list[Row] = []
        routes = [(chain, figures.get(chain.route, RouteFigures(chain.route))) for chain in chains.routes]
        for chain, route in self.in_order(routes):
            if rows:
                rows.append(Row(None, ()))
            rows.append(Row(f"route {chain.route}", _head(chain, route, snapshot, width), words=chain.route))
            for number, tier in enumerate(chain.tiers):
                rows += _tier(chain, number, tier, route, targets, snapshot, columns)
        by = self.sorted_by
        self.show(rows, _titles(columns, "" if by is None else f" by {self.titled(by.title)}") if rows else ())

    def redraw(self) -> None:
        if self._snapshot is not None:
            self.draw(self._chains, self._snapshot)

    @property
    def chosen(self) -> tuple[ChainView, int, BranchView | None] | None:
        """The chain that the cursor is on, its tier's number from 0, and its branch; None on a route's own row."""
        parts = (self.key or "").split(" ", 3)
        for chain in () if self._chains is None else self._chains.routes:
            if len(parts) > 1 and chain.route == parts[1]:
                if parts[0] == "route":
                    return chain, 0, None
                number = int(parts[2])
                return chain, number, next((b for b in chain.tiers[number].branches if b.target == parts[3]), None)
        return None


def _head(chain: ChainView, route: RouteFigures, snapshot: Snapshot, width: int) -> Line:
    figures = route.figures
    bad = figures.error_rate or 0.0
    pieces: list[Piece] = [
        (f" {chain.route}", STRONG),
        (f"  {as_text.rate(figures.rate)}/s", INFO),
        (f"  {figures.in_flight} in flight  p95 {as_text.seconds(figures.first_token.p95)}", MUTED),
        (f"  {as_text.percent(figures.error_rate)} failed", BAD if bad > 0.02 else WARN if bad else MUTED),
    ]
    rest = "  ".join(_terms(chain, route, snapshot))
    room = width - sum(len(text) for text, _ in pieces) - 2
    if rest and room > 12:
        pieces.append((f"  {as_text.fit(rest, room).rstrip()}", FAINT))
    return tuple(pieces)


def _terms(chain: ChainView, route: RouteFigures, snapshot: Snapshot) -> Iterator[str]:
    if chain.cache:
        yield f"cache {as_text.percent(hit_rate(route))}"
    if spent := as_text.spent(snapshot, "route", chain.route):
        yield f"{spent} spent"
    if chain.total is not None:
        yield f"within {as_text.span(chain.total)}"
    if chain.on_stream_break != "error":
        yield f"a broken stream: {chain.on_stream_break}"


def hit_rate(route: RouteFigures) -> float | None:
    """Return the share of a route's answers that came out of the cache in the last minute, 0 to 1."""
    window = route.figures.window
    return window.cache_hits / window.succeeded if window.succeeded else None


def _tier(
    chain: ChainView, number: int, tier: TierView, route: RouteFigures, targets: Mapping[str, TargetFigures],
    snapshot: Snapshot, columns: _Columns,
) -> Iterator[Row]:  # fmt: skip
    last = len(tier.branches) - 1
    ends = number == len(chain.tiers) - 1
    for index, branch in enumerate(tier.branches):
        rail = ("└" if ends else "├") if index == 0 else " " if ends else "│"
        label = _indented(chain, tier, number, index)
        fork = "──" if last == 0 else "┬─" if index == 0 else "└─" if index == last else "├─"
        flow = route.flows.get(branch.target)
        rate = 0.0 if flow is None else flow.rate
        target = targets.get(branch.target)
        lead: list[Piece] = [
            (f" {rail} ", FAINT),
            (f"{as_text.fit(label, columns.label)} ", MUTED if number else TEXT),
            (fork, FAINT),
            *_moving(rate, snapshot.time, dark=target is not None and target.health.state != "closed"),
            *_target(branch, target, snapshot.time, columns),
        ]
        line = (*lead, *_load(tier, branch, route, rate, columns))
        words = f"{branch.target} {branch.provider}/{branch.model} {label} {_note(branch, target, snapshot.time)}"
        yield Row(f"target {chain.route} {number} {branch.target}", line, f"route {chain.route}", words)


def depth(chain: ChainView, tier: TierView) -> int:
    """Return how many fallback routes a tier is within; the first tier of each stands with the tiers of its caller."""
    levels = 0
    while tier.gate:
        tier = chain.tiers[tier.gate]
        levels += 1
    return levels


def _needs(chains: Chains, targets: Mapping[str, TargetFigures], now: float) -> _Needs:
    label = name = state = model = 0
    for chain in chains.routes:
        for number, tier in enumerate(chain.tiers):
            for index, branch in enumerate(tier.branches):
                label = max(label, len(_indented(chain, tier, number, index)))
                name = max(name, len(branch.target))
                state = max(state, len(_note(branch, targets.get(branch.target), now)))
                model = max(model, len(_model(branch)))
    return _Needs(label, name, state, model)


def _titles(columns: _Columns, by: str) -> Line:
    targets = columns.name + (columns.model + 1 if columns.model else 0) + 1 + columns.state
    title = as_text.fit(by, columns.before_target) + as_text.fit("target", targets)
    if columns.bars:
        title += f" {'set':>{_BAR + 5}} {'real':>{_BAR + _REAL}}"
    else:
        title += f"{'real':>{_REAL}}"
    return ((title + f"{'req/s':>{_RATE}}", ""),)


def _indented(chain: ChainView, tier: TierView, number: int, index: int) -> str:
    return "  " * depth(chain, tier) + _label(tier, number, index)


def _label(tier: TierView, number: int, index: int) -> str:
    """Say at a tier's first target when it serves, and at a fallback tier's second one how it shares load."""
    if tier.level == 0:
        balance = tier.balance if len(tier.branches) > 1 else "" if tier.chain or number else "first"
        return "" if index else f"{tier.chain} {balance}".strip()
    if index:
        return f"  {tier.balance}" if index == 1 else ""
    return "↳ any failure" if tier.on is None else f"↳ {', '.join(tier.on)}"


def _moving(rate: float, now: float, *, dark: bool) -> Iterator[Piece]:
    """Yield calls as they run along: one for a few, more for many."""
    if rate <= 0:
        yield "┄" * _TRACK + " ", FAINT
        return
    gap = 8 if rate < 1 else 4 if rate < 10 else 2
    step = int(now * 4)
    signs = "".join("▸" if (place - step) % gap == 0 else "─" for place in range(_TRACK))
    yield f"{signs} ", WARN if dark else GOOD


def _target(branch: BranchView, target: TargetFigures | None, now: float, columns: _Columns) -> Iterator[Piece]:
    lamp_state = "disabled" if branch.disabled or branch.barred else "closed" if target is None else target.health.state
    sign, style, _ = LAMPS[lamp_state]
    note, model = _note(branch, target, now), _model(branch)
    yield f"{sign} ", style
    yield as_text.fit(branch.target, columns.name), FAINT if branch.disabled or branch.barred else STRONG
    if columns.model:
        yield f" {as_text.fit(model, columns.model)}", FAINT
    elif not note:
        note, style = model, FAINT
    yield f" {as_text.fit(note, columns.state)}", style


def _note(branch: BranchView, target: TargetFigures | None, now: float) -> str:
    if branch.disabled or branch.barred:
        return "left out" if branch.disabled else "never asked (require)"
    return "" if target is None else words_of(target.health, now)


def _model(branch: BranchView) -> str:
    """Return the model as its provider calls it; "" where the target is named so."""
    model = f"{branch.provider}/{branch.model}"
    return "" if model == branch.target else model


def _load(tier: TierView, branch: BranchView, route: RouteFigures, rate: float, columns: _Columns) -> Iterator[Piece]:
    """Yield what its weight gives a target, what it gets, and how much that is."""
    flow = route.flows.get(branch.target)
    share = None if flow is None else flow.share
    several = len(tier.branches) > 1
    weighted = tier.balance == "weighted" and several
    if columns.bars:
        setting = (
            f"{branch.share:>4.0%}" if weighted else f"#{branch.place}" if tier.balance == "ordered" and several else ""
        )
        yield f" {as_text.bar(branch.share, _BAR) if weighted else ' ' * _BAR}", FAINT
        yield f"{setting:>5} ", MUTED
        yield as_text.bar(share, _BAR), GOOD
    yield f"{as_text.UNKNOWN if share is None else f'{share:.0%}':>{_REAL}}", TEXT if share else FAINT
    yield f"{as_text.rate(rate):>{_RATE - 2}}/s", TEXT if rate else FAINT
    if columns.series and flow is not None:
        yield f"  {as_text.sparkline(flow.series, columns.series)}", f"{GOOD} 70%"
