"""The routes as a plan of tracks: tiers one below the other, what each target should get, and what it gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual import events

from router.telemetry.snapshot import RouteFigures, Snapshot, TargetFigures
from router.telemetry.views import BranchView, Chains, ChainView, TierView
from tui import format as as_text
from tui.theme import BAD, FAINT, GOOD, INFO, LAMPS, MUTED, STRONG, TEXT, WARN
from tui.widgets.board import state
from tui.widgets.rows import Line, Piece, Row, Rows

_TRACK = 8  # cells that calls run along
_BAR = 8


class TrackPlan(Rows):
    """Keys are `route NAME` and `target ROUTE TIER NAME`."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(empty="this file has no route", id=id)
        self._chains: Chains | None = None
        self._snapshot: Snapshot | None = None

    def draw(self, chains: Chains | None, snapshot: Snapshot) -> None:
        """Show these chains, live."""
        self._chains, self._snapshot = chains, snapshot
        if chains is None:
            return
        targets = {each.name: each for each in snapshot.targets}
        figures = {each.name: each for each in snapshot.routes}
        width = self.scrollable_content_region.width
        rows: list[Row] = []
        for chain in chains.routes:
            if rows:
                rows.append(Row(None, ()))
            found = figures.get(chain.route, RouteFigures(chain.route))
            rows.append(Row(f"route {chain.route}", _head(chain, found, snapshot, width)))
            for number, tier in enumerate(chain.tiers):
                rows += _tier(chain, number, tier, found, targets, snapshot, width)
        self.show(rows, _titles(width) if rows else ())

    def on_resize(self, event: events.Resize) -> None:
        if self._snapshot is not None:
            self.draw(self._chains, self._snapshot)

    @property
    def chosen(self) -> tuple[ChainView, BranchView | None] | None:
        """The route, and the target where the cursor is on one."""
        parts = (self.key or "").split(" ", 3)
        for chain in () if self._chains is None else self._chains.routes:
            if len(parts) > 1 and chain.route == parts[1]:
                if parts[0] == "route":
                    return chain, None
                branches = chain.tiers[int(parts[2])].branches
                return chain, next((each for each in branches if each.target == parts[3]), None)
        return None


def _head(chain: ChainView, found: RouteFigures, snapshot: Snapshot, width: int) -> Line:
    figures = found.figures
    bad = figures.error_rate or 0.0
    pieces: list[Piece] = [
        (f" {chain.route}", STRONG),
        (f"  {as_text.rate(figures.rate)}/s", INFO),
        (f"  {figures.in_flight} in flight  p95 {as_text.seconds(figures.first_token.p95)}", MUTED),
        (f"  {as_text.percent(figures.error_rate)} failed", BAD if bad > 0.02 else WARN if bad else MUTED),
    ]
    rest = "  ".join(_terms(chain, snapshot))
    room = width - sum(len(text) for text, _ in pieces) - 2
    if rest and room > 12:
        pieces.append((f"  {as_text.fit(rest, room).rstrip()}", FAINT))
    return tuple(pieces)


def _terms(chain: ChainView, snapshot: Snapshot) -> Iterator[str]:
    if chain.cache:
        yield f"cache {chain.cache}"
    for each in snapshot.spending:
        if each.scope == "route" and each.name == chain.route:
            yield f"{as_text.dollars(each.used)} of {as_text.dollars(each.limit)} spent"
    if chain.total is not None:
        yield f"within {as_text.span(chain.total)}"
    if chain.on_stream_break != "error":
        yield f"a broken stream: {chain.on_stream_break}"


def _tier(
    chain: ChainView, number: int, tier: TierView, found: RouteFigures, targets: Mapping[str, TargetFigures],
    snapshot: Snapshot, width: int,
) -> Iterator[Row]:  # fmt: skip
    names = _names(width)
    last = len(tier.branches) - 1
    for index, branch in enumerate(tier.branches):
        label = _label(tier, number) if index == 0 else ""
        fork = "──" if last == 0 else "┬─" if index == 0 else "└─" if index == last else "├─"
        flow = found.flows.get(branch.target)
        rate = 0.0 if flow is None else flow.rate
        target = targets.get(branch.target)
        lead: list[Piece] = [
            (f"   {as_text.fit(label, names)} ", MUTED if number else TEXT),
            (fork, FAINT),
            *_moving(rate, snapshot.time, dark=target is not None and target.lamp.state != "closed"),
            *_target(branch, target, snapshot.time, width),
        ]
        yield Row(f"target {chain.route} {number} {branch.target}", (*lead, *_load(tier, branch, found, rate, width)))


def _names(width: int) -> int:
    """Cells for a tier's label, and for a target's name."""
    return 22 if width >= 100 else 14


def _titles(width: int) -> Line:
    lead = 3 + _names(width) + 1 + 2 + _TRACK + 1 + 2
    title = " " * lead + as_text.fit("target", _targets(width))
    if width >= 84:
        title += f" {'set':>{_BAR + 5}} "
    title += f"{'real':>{_BAR + 5}}" if width >= 84 else f"{'real':>5}"
    return ((title + f"{'req/s':>9}", ""),)


def _targets(width: int) -> int:
    """Cells for a target's name, model and state."""
    name = 12 if width < 100 else 14 if width < 150 else 20
    return name + (35 if width >= 150 else 0) + 14


def _label(tier: TierView, number: int) -> str:
    if number == 0:
        return tier.balance
    on = "any failure" if tier.on is None else ", ".join(tier.on)
    return f"↳ {on}"


def _moving(rate: float, now: float, *, dark: bool) -> Iterator[Piece]:
    """Calls as they run along: one for a few, more for many."""
    if rate <= 0:
        yield "┄" * _TRACK + " ", FAINT
        return
    gap = 8 if rate < 1 else 4 if rate < 10 else 2
    step = int(now * 4)
    signs = "".join("▸" if (place - step) % gap == 0 else "─" for place in range(_TRACK))
    yield f"{signs} ", WARN if dark else GOOD


def _target(branch: BranchView, target: TargetFigures | None, now: float, width: int) -> Iterator[Piece]:
    lamp_state = "disabled" if branch.disabled else "closed" if target is None else target.lamp.state
    sign, style, _ = LAMPS[lamp_state]
    told = "left out" if branch.disabled else "" if target is None else state(target.lamp, now)
    yield f"{sign} ", style
    names = 12 if width < 100 else 14 if width < 150 else 20
    yield as_text.fit(branch.target, names), STRONG if not branch.disabled else FAINT
    if width >= 150:
        model = f"{branch.provider}/{branch.model}"
        yield f" {as_text.fit('' if model == branch.target else model, 34)}", FAINT
    yield f" {as_text.fit(told, 13)}", style


def _load(tier: TierView, branch: BranchView, found: RouteFigures, rate: float, width: int) -> Iterator[Piece]:
    """What its weight gives it, what it gets, and how much that is."""
    flow = found.flows.get(branch.target)
    share = None if flow is None else flow.share
    weighted = tier.balance == "weighted" and len(tier.branches) > 1
    if width >= 84:
        told = f"{branch.share:>4.0%}" if weighted else f"#{branch.place}" if tier.balance == "ordered" else ""
        yield f" {as_text.bar(branch.share, _BAR) if weighted else ' ' * _BAR}", FAINT
        yield f"{told:>5} ", MUTED
        yield as_text.bar(share, _BAR), GOOD
    yield f"{as_text.UNKNOWN if share is None else f'{share:.0%}':>5}", TEXT if share else FAINT
    yield f"{as_text.rate(rate):>7}/s", TEXT if rate else FAINT
    if width >= 112 and flow is not None:
        yield f"  {as_text.sparkline(flow.series, min(60, width - 110))}", f"{GOOD} 70%"
