"""A log's requests, side by side: what they came to, and what they would come to on a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from router.simulate.counters import Quantiles, RouteCount, TargetCount
from router.simulate.expect import percent, seconds, usd
from router.simulate.report import Style, plain
from router.simulate.run import Outcome
from router.simulate.traffic import LoggedTraffic

_NAME, _WHAT, _COLUMN = 16, 11, 14  # columns of text
_LEAST = 0.0005  # of a value: a smaller difference is none


class Side(NamedTuple):
    """One column: the log itself, or what a file would have made of it."""

    name: str
    routes: dict[str, RouteCount]
    targets: dict[str, TargetCount]
    outcome: Outcome | None = None


def side_of_log(traffic: LoggedTraffic) -> Side:
    """The log as it is."""
    return Side("the log", traffic.routes, traffic.targets)


def side_of(name: str, outcome: Outcome) -> Side:
    """What a file made of it."""
    return Side(name, outcome.routes, outcome.targets, outcome)


class _Row(NamedTuple):
    """A figure: how it is got of a count (None is unknown), and how it is written."""

    what: str
    value: Callable[[Any, Side], float | None]
    written: Callable[[float], str]
    changes: bool = True  # whether the difference is told as a share


def _quantile(of: Callable[[Any], Quantiles], share: float) -> Callable[[Any, Side], float | None]:
    return lambda count, _: of(count).quantile(share)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _limited(side: Side) -> int:
    return sum(count.errors["rate_limited"] for count in side.targets.values())


_ROUTE = (
    _Row("requests", lambda count, _: count.requests, lambda value: f"{value:,.0f}"),
    _Row("failed", lambda count, _: _share(count.failed, count.requests), percent, changes=False),
    _Row("cached", lambda count, _: _share(count.hits, count.requests), percent, changes=False),
    _Row("fallbacks", lambda count, _: _share(count.fallbacks, count.called), percent, changes=False),
    _Row("1st p50", _quantile(lambda count: count.first_token, 0.5), seconds),
    _Row("1st p95", _quantile(lambda count: count.first_token, 0.95), seconds),
    _Row("p50", _quantile(lambda count: count.whole, 0.5), seconds),
    _Row("p95", _quantile(lambda count: count.whole, 0.95), seconds),
    _Row("cost", lambda count, _: count.usd, usd),
)
_TARGET = (
    _Row("calls", lambda count, _: count.calls, lambda value: f"{value:,.0f}"),
    _Row(
        "share",
        lambda count, side: _share(count.answers, sum(route.called for route in side.routes.values())),
        percent,
        changes=False,
    ),
    _Row("429s", lambda count, _: count.errors["rate_limited"], lambda value: f"{value:,.0f}"),
    _Row("failed", lambda count, _: _share(count.failed, count.calls), percent, changes=False),
    _Row("cost", lambda count, _: count.usd, usd),
)
_QUIET = frozenset({"cached", "fallbacks", "failed", "429s"})  # rows that are left out where all sides have none


def totals(side: Side) -> dict[str, float | None]:
    """The sums of a side: requests, those that failed, calls that were answered 429, and US dollars."""
    costs = [count.usd for count in side.routes.values()]
    return {
        "requests": sum(count.requests for count in side.routes.values()),
        "failed": sum(count.failed for count in side.routes.values()),
        "rate_limited": _limited(side),
        "cost": None if None in costs else sum(cost or 0.0 for cost in costs),
    }


def render(traffic: LoggedTraffic, sides: Sequence[Side], notes: Sequence[str], style: Style = plain) -> str:
    """The whole comparison; the change is from the last but one side to the last."""
    begin, end = (
        datetime.fromtimestamp(at, UTC).isoformat(" ", timespec="seconds").replace("+00:00", "")
        for at in (traffic.first, traffic.last)
    )
    took = sum(side.outcome.took for side in sides if side.outcome is not None)
    heads = "".join(f"{_cut(side.name, _COLUMN - 2):>{_COLUMN}}" for side in sides)
    lines = [
        f"{traffic.requests:,} requests from {begin} to {end} UTC, simulated in {took:.1f} s",
        *notes,
        "",
        style(f"{'':<{_NAME + _WHAT}}{heads}{'change':>10}", bold=True),
    ]
    names = {
        title: list(dict.fromkeys(name for side in sides for name in getattr(side, title.lower())))
        for title in ("Routes", "Targets")
    }
    lines += _table("All", [""], _totals_rows(), sides, lambda side, _: side, style)
    lines += _table("Routes", names["Routes"], _ROUTE, sides, lambda side, name: side.routes.get(name), style)
    lines += _table("Targets", names["Targets"], _TARGET, sides, lambda side, name: side.targets.get(name), style)
    return "\n".join(line.rstrip() for line in lines)


def _totals_rows() -> tuple[_Row, ...]:
    def total(name: str) -> Callable[[Any, Side], float | None]:
        return lambda _, side: totals(side)[name]

    def whole(value: float) -> str:
        return f"{value:,.0f}"

    return (
        _Row("requests", total("requests"), whole),
        _Row("failed", total("failed"), whole),
        _Row("429s", total("rate_limited"), whole),
        _Row("cost", total("cost"), usd),
    )


def _table(
    title: str,
    names: Sequence[str],
    rows: Sequence[_Row],
    sides: Sequence[Side],
    find: Callable[[Side, str], Any],
    style: Style,
) -> Iterator[str]:
    yield style(title, bold=True)
    for name in names:
        label = name
        for row in rows:
            found = [find(side, name) for side in sides]
            values = [
                None if count is None else row.value(count, side) for count, side in zip(found, sides, strict=True)
            ]
            if row.what in _QUIET and not any(values):
                continue
            cells = "".join(f"{'-' if value is None else row.written(value):>{_COLUMN}}" for value in values)
            change = _change(values[-2], values[-1], row)
            yield f"{_cut(label, _NAME - 1):<{_NAME}}{row.what:<{_WHAT}}{cells}{change:>10}"
            label = ""


def _change(before: float | None, after: float | None, row: _Row) -> str:
    if before is None or after is None or abs(after - before) <= _LEAST * abs(before or 1.0):
        return ""
    if not row.changes:
        return f"{(after - before) * 100:+.1f} pt"
    return f"{(after - before) / before:+.0%}" if before else "new"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def as_dict(traffic: LoggedTraffic, sides: Sequence[Side], notes: Sequence[str]) -> dict[str, Any]:
    """JSON-ready. Times in seconds (of day: since 1970), shares from 0 to 1, money in USD; None is unknown."""
    return {
        "traffic": {
            "log": str(traffic.source),
            "requests": traffic.requests,
            "from": traffic.first if traffic.requests else None,
            "to": traffic.last if traffic.requests else None,
            "unreadable": traffic.unreadable,
            "places": traffic.places,
        },
        "notes": list(notes),
        "sides": [
            {
                "name": side.name,
                "revision": None if side.outcome is None else side.outcome.revision,
                "total": totals(side),
                "routes": {name: _values(_ROUTE, count, side) for name, count in side.routes.items()},
                "targets": {name: _values(_TARGET, count, side) for name, count in side.targets.items()},
            }
            for side in sides
        ],
    }


def _values(rows: Sequence[_Row], count: Any, side: Side) -> dict[str, Any]:
    values = {row.what.replace("1st", "first_token").replace(" ", "_"): row.value(count, side) for row in rows}
    return {**values, "errors": dict(count.errors)}
