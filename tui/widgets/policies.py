"""What is chosen in the Routes screen's plan: what it is, the values that hold for it, and where each comes from."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from router.views.figures import RouteFigures, Snapshot
from router.views.routes import BranchView, ChainView, PolicyValue, TierView
from router.views.shadows import compared
from tui import format as as_text
from tui.theme import FAINT, INFO, MUTED, STRONG, TEXT
from tui.widgets.route_plan import depth, hit_rate
from tui.widgets.row_list import Row, RowList

_CLIENTS = 3  # whose budgets are shown: those that are nearest to their end


class Fact(NamedTuple):
    """One thing to know about a route or a target."""

    name: str
    text: str


class Policies(RowList):
    """Lists facts first, then what the file says, then what is built in."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._facts: tuple[Fact, ...] = ()
        self._values: tuple[PolicyValue, ...] = ()

    def draw(self, facts: Sequence[Fact], values: Sequence[PolicyValue]) -> None:
        """Show these facts and values."""
        self._facts, self._values = tuple(facts), tuple(values)
        width = self.scrollable_content_region.width
        names = [*(fact.name for fact in self._facts), *(value.key for value in self._values)]
        longest = min(24, max(map(len, names), default=0))
        rows = [row for fact in self._facts for row in _fact_rows(fact, longest, width)]
        ordered = sorted(self._values, key=lambda value: value.line is None)
        self.show([*rows, *(Row(value.key, tuple(_pieces(value, longest, width))) for value in ordered)])

    def redraw(self) -> None:
        self.draw(self._facts, self._values)


def of_route(chain: ChainView, snapshot: Snapshot) -> Iterator[Fact]:
    """Yield what a route does, in full."""
    route = next((known for known in snapshot.routes if known.name == chain.route), RouteFigures(chain.route))
    for rule in chain.rules:
        yield Fact("when", rule)
    yield Fact("answers within", "no limit" if chain.total is None else as_text.span(chain.total))
    if chain.cache:
        rate = hit_rate(route)
        now = (
            "no answer in the last minute" if rate is None else f"{as_text.percent(rate)} of answers in the last minute"
        )
        yield Fact("cache", f"{chain.cache}; {now}")
    if spent := as_text.spent(snapshot, "route", chain.route):
        yield Fact("budget", f"{spent} spent")
    if outlook := as_text.outlook(snapshot, "route", chain.route):
        yield Fact("spending", outlook)
    for budget in as_text.fullest_values(snapshot, "route", chain.route, _CLIENTS):
        yield Fact(budget.of, f"{as_text.used(budget)} spent")
    for budget in as_text.fullest_clients(snapshot, _CLIENTS):
        yield Fact(budget.owner, f"{as_text.used(budget)} spent, on all routes")
    for shadow in snapshot.shadows:
        if shadow.route == chain.route:
            yield Fact(f"copied to {shadow.to}", "; ".join(compared(shadow)))
    if chain.on_stream_break != "error":
        yield Fact("a broken stream", chain.on_stream_break)


def of_target(chain: ChainView, number: int, branch: BranchView) -> Iterator[Fact]:
    """Yield which model it is, and when and how often its tier asks it; `number` is the tier's, from 0."""
    tier = chain.tiers[number]
    yield Fact("model", f"{branch.provider}/{branch.model}" + (" (left out)" if branch.disabled else ""))
    if branch.labels:
        yield Fact("labels", branch.labels)
    for required in tier.required:
        yield Fact("required", required)
    if branch.barred:
        yield Fact("never asked", branch.barred)
    if tier.level == 0:
        yield Fact("asked", f"first, of {tier.chain}" if tier.chain else "first")
    else:
        after = "any failure that falls back" if tier.on is None else ", ".join(tier.on)
        gate = f", once tier {(tier.gate or 0) + 1} was asked" if depth(chain, tier) else ""
        yield Fact("asked", f"after {after}{gate}")
    yield Fact("tier", f"{number + 1} of {len(chain.tiers)}")
    if len(tier.branches) > 1:
        yield Fact("balance", _balance(tier, branch))


def _balance(tier: TierView, branch: BranchView) -> str:
    if tier.balance == "weighted":
        return f"weighted: {branch.share:.0%} of the calls, weight {branch.weight:g}"
    if tier.balance == "ordered":
        return f"ordered: {branch.place} of {len(tier.branches)}"
    return f"{tier.balance}, one of {len(tier.branches)}"


def _fact_rows(fact: Fact, longest: int, width: int) -> Iterator[Row]:
    """Yield a fact in as many rows as it needs."""
    for index, text in enumerate(_wrapped(fact.text, max(8, width - longest - 3))):
        name = as_text.fit("" if index else fact.name, longest)
        yield Row(f"{fact.name} {index}", ((f" {name} ", MUTED), (text, TEXT)))


def _pieces(value: PolicyValue, longest: int, width: int) -> list[tuple[str, str]]:
    room = max(8, width - longest - 3)
    place = f"{value.file}:{value.line}" if value.file else f"line {value.line}"
    origin = value.origin if value.line is None else f"{place}: {value.origin}"
    shown = as_text.fit(value.value, min(len(value.value), room - 2))
    left = room - len(shown) - 2
    style = MUTED if value.line is None else STRONG
    where = as_text.fit(origin, left).rstrip() if left >= 8 else ""
    return [
        (f" {as_text.fit(value.key, longest)} ", INFO if value.line is not None else MUTED),
        (f"{shown}  ", style),
        (where, FAINT),
    ]


def _wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text; a number and its unit stay on one."""
    joined = re.sub(r"(?<=\d) (?=[%a-z])", "\u00a0", text)
    return [line.replace("\u00a0", " ") for line in textwrap.wrap(joined, width)] or [""]
