"""Numbers, durations and times in few characters, for all that draws. What is unknown is a dash, never a 0."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from router.views import spans
from router.views.figures import Counts, Figures, Snapshot, Spending
from router.views.money import UNKNOWN as UNKNOWN
from router.views.money import dollars as dollars
from router.views.money import gain

_LEVELS = "▁▂▃▄▅▆▇"  # never a whole cell, so that lines below each other stay apart


def number(value: float | None) -> str:
    """Return a number with the three digits that count: 7, 41.2, 1.24k, 12.4M."""
    if value is None:
        return UNKNOWN
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return _three(value / size) + unit
    return _three(value)


def _three(value: float) -> str:
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    return f"{value:.{2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0}f}"


def rate(value: float | None) -> str:
    """Return a number a second, with one decimal below 100, so that it does not jump about."""
    return UNKNOWN if value is None else number(value) if value >= 99.95 else f"{value:.1f}"


def allowance(per_second: float, period: float) -> str:
    """Return what a limit allows in a period of so many seconds: 500/min, 1k/d, 1 in 2 s."""
    for length, unit in ((1, "s"), (60, "min"), (3600, "h"), (86_400, "d")):
        if period == length:
            return f"{number(round(per_second * period, 6))}/{unit}"
    return f"{number(round(per_second * period, 6))} in {span(period)}"


def count(value: int | None) -> str:
    """Return a whole number such as 12,345, shortened from a million on."""
    return UNKNOWN if value is None else f"{value:,}" if value < 1_000_000 else number(value)


def seconds(value: float | None) -> str:
    """Return the duration of a call, given in seconds: 0.4 ms, 182 ms, 1.24 s, 2 min 5 s."""
    if value is None:
        return UNKNOWN
    if value < 0.0095:
        return f"{value * 1000:.1f} ms"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    return f"{_three(value)} s" if value < 100 else span(value)


def span(value: float | None) -> str:
    """Return the length of a period, given in seconds: 8 s, 4 min, 2 h 3 min, 3 d 4 h."""
    return UNKNOWN if value is None else spans.span(value)


def percent(share: float | None) -> str:
    """Return a share of 0 to 1 as 0 %, 0.4 %, 12 %."""
    if share is None:
        return UNKNOWN
    return f"{share * 100:.1f} %" if 0 < share < 0.0995 else f"{share * 100:.0f} %"


def cost_of(counts: Counts) -> str:
    """Return what calls have cost in US dollars: with a + where some of it is not known, a dash where nothing is."""
    return dollars(counts.cost, at_least=counts.unpriced > 0)


def prompt_cache(counts: Counts) -> str | None:
    """Return what the vendors' prompt caches did, as 62 % of prompts read, $0.31 saved; None where they did nothing."""
    if counts.cache_read_share is None:
        return None
    saved = gain(None if counts.cost is None else counts.prompt_cache_saved)
    return f"{percent(counts.cache_read_share)} of prompts read, {saved}"


def cost_per_minute(figures: Figures) -> str:
    """Return what calls cost in a minute."""
    return dollars(figures.cost_per_minute, at_least=figures.window.unpriced > 0)


def paid(cost: float | None, *, cached: bool) -> str:
    """Return what a request cost, in words; an answer out of the cache costs nothing, and saves what it cost once."""
    if cached:
        return "$0" if not cost else f"$0, {dollars(cost)} saved"
    return "cost unknown" if cost is None else dollars(cost)


def spent(snapshot: Snapshot, scope: str, name: str) -> str | None:
    """Return how much of its budget a route or provider has spent; None without a budget."""
    for budget in snapshot.spending:
        if (budget.scope, budget.name, budget.of) == (scope, name, ""):
            return used(budget)
    return None


def used(budget: Spending) -> str:
    """Return how much of a budget is spent, as $1.20 of $5.00, or $1.20 of $5.00 of all machines."""
    whose = " of all machines" if budget.of_all_machines else ""
    return f"{dollars(budget.used, at_least=budget.at_least)} of {dollars(budget.limit)}{whose}"


def outlook(snapshot: Snapshot, scope: str, name: str) -> str | None:
    """Return how fast the budget of a route or provider is spent now, and when it will be used up; None without one,
    and where what calls cost is not known.
    """
    budget = next((each for each in snapshot.spending if (each.scope, each.name, each.of) == (scope, name, "")), None)
    of = snapshot.routes if scope == "route" else snapshot.providers
    cost = next((each.figures.cost_per_minute for each in of if each.name == name), None)
    if budget is None or budget.used is None or cost is None or budget.of_all_machines:
        return None
    left = budget.limit - budget.used
    resets = None if budget.resets_at is None else budget.resets_at - snapshot.time
    anew = "" if resets is None else f"; begins anew in {span(resets)}"
    if left <= 0:
        return f"used up{anew}"
    if not cost:
        return f"nothing is spent now{anew}"
    lasts = left / cost * 60
    if resets is not None and resets <= lasts:
        return f"{dollars(cost)}/min: it lasts{anew}"
    return f"{dollars(cost)}/min: used up in {span(lasts)}{anew}"


def fullest_clients(snapshot: Snapshot, most: int) -> list[Spending]:
    """Return the budgets of those clients that have spent the largest part of theirs, so many at most."""
    return _fullest([budget for budget in snapshot.spending if budget.scope == "key"], most)


def fullest_values(snapshot: Snapshot, scope: str, name: str, most: int) -> list[Spending]:
    """Return the budgets of those users and the like that have spent the largest part of theirs, of a route or
    provider.
    """
    return _fullest([each for each in snapshot.spending if each.of and (each.scope, each.name) == (scope, name)], most)


def _fullest(budgets: list[Spending], most: int) -> list[Spending]:
    return sorted(budgets, key=lambda budget: -(budget.used or 0.0) / (budget.limit or 1.0))[:most]


def size(value: float | None) -> str:
    """Return a number of bytes as 812 B, 12.4 kB, 3.1 MB."""
    return UNKNOWN if value is None else f"{value:.0f} B" if value < 1000 else f"{number(value)}B".replace("k", " k")


def clock(moment: float | None) -> str:
    """Return the local time of day of a moment, given in seconds since 1970."""
    return UNKNOWN if moment is None else time.strftime("%H:%M:%S", time.localtime(moment))


def bar(share: float | None, width: int) -> str:
    """Return a bar of `width` cells, exact to half a cell; whatever is more than nothing shows."""
    halves = round(min(1.0, max(0.0, share or 0.0)) * width * 2)
    full, rest = divmod(max(halves, 1 if share else 0), 2)
    return ("━" * full + "╸" * rest).ljust(width)[:width]


def sparkline(values: Sequence[float | None], width: int, *, top: float | None = None) -> str:
    """Return the newest `width` values, a character each, in seven heights; None is a space.

    `top` is the value of the full height; None takes the highest that is shown.
    """
    shown = list(values)[-width:]
    highest = max((value or 0 for value in shown), default=0) if top is None else top
    signs = "".join(
        _LEVELS[min(6, int(value / highest * 6.999))] if value and highest else " " if value is None else "▁"
        for value in shown
    )
    return signs.rjust(width)


def fit(text: str, width: int) -> str:
    """Return the text exactly so many cells wide: padded, or cut with an ellipsis."""
    if cell_len(text) <= width:
        return text + " " * (width - cell_len(text))
    return set_cell_size(text, max(0, width - 1)) + "…"[: max(0, width)]


def right(text: str, width: int) -> str:
    """Return the text exactly so many cells wide, flush right, as numbers stand."""
    return fit(text, width) if cell_len(text) > width else " " * (width - cell_len(text)) + text


def literal(text: str) -> str:
    """Return the text as markup that shows it as it is."""
    return text.replace("[", r"\[")


def home(path: str) -> str:
    """Return a path with ~ for the user's home folder."""
    return path.replace(os.path.expanduser("~"), "~", 1) if path.startswith(os.path.expanduser("~") + os.sep) else path
