"""Keeps five minutes of whole seconds, for plots. A second that is over is added up once, when it is first asked
for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from router.telemetry import sketch
from router.telemetry.buckets import Bucket, Totals, known_cost
from router.telemetry.recorder import Telemetry
from router.telemetry.windows import ALL, groups_of
from router.views.figures import KEPT, Struct
from router.views.history import History, Samples

_AT_ONCE = 10  # seconds that are added up before others get a turn


class Point(Struct, frozen=True, array_like=True, omit_defaults=True):
    """One second of a route, a provider, or everything. The sketches are as in `router.telemetry.sketch`."""

    calls: int = 0
    failed: int = 0
    cost: float | None = 0.0
    first_token: Mapping[int, int] = {}
    latency: Mapping[int, int] = {}


Row: TypeAlias = dict[str, Point]  # by "all", "route chat", "provider groq"


class Seconds(Struct, frozen=True):
    """Whole seconds since 1970, up to and without `end`; those without a call are left out."""

    end: int
    rows: dict[int, Row]


class Past:
    """Remembers the seconds that were added up."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._rows: dict[int, Row] = {}

    async def since(self, first: int, now: float) -> Seconds:
        """Return the whole seconds from `first` on that are kept. Other tasks get their turn while it works."""
        telemetry = self._telemetry
        telemetry.close_buckets()
        end = int(now + telemetry.offset)
        first = max(first, end - KEPT)
        for old in [second for second in self._rows if second < end - KEPT]:
            del self._rows[old]
        work = [entry for entry in (*telemetry.older, *telemetry.recent) if first <= entry[0] < end]
        done = 0
        for second, buckets in work:
            if second not in self._rows:
                self._rows[second] = _row(buckets)
                done += 1
                if done % _AT_ONCE == 0:
                    await asyncio.sleep(0)
        rows = {second: row for second, row in self._rows.items() if first <= second < end}
        return Seconds(end, rows)


def _row(buckets: Iterable[Bucket]) -> Row:
    sums: dict[str, Totals] = {}
    for bucket in buckets:
        for key in groups_of(bucket.counter):
            if key[0] != "target":
                sums.setdefault("all" if key == ALL else " ".join(key), Totals()).add(bucket)
    return {name: _point(totals) for name, totals in sums.items()}


def _point(totals: Totals) -> Point:
    cost = known_cost(totals.cost, totals.unpriced)
    return Point(totals.calls, totals.failed, cost, totals.first_token, totals.latency)


def add_rows(rows: dict[int, Row], more: Mapping[int, Row]) -> None:
    """Add another process's seconds to these."""
    for second, row in more.items():
        points = rows.setdefault(second, {})
        for name, point in row.items():
            points[name] = _added(points[name], point) if name in points else point


def _added(point: Point, other: Point) -> Point:
    first, latency = dict(point.first_token), dict(point.latency)
    sketch.add(first, other.first_token)
    sketch.add(latency, other.latency)
    # One may have cost nothing that is known: what the other has cost stands, unless that is nothing as well.
    known = (point.cost or 0.0) + (other.cost or 0.0)
    cost = known if known or None not in (point.cost, other.cost) else None
    return Point(point.calls + other.calls, point.failed + other.failed, cost, first, latency)


def history_of(seconds: Seconds) -> History:
    """Make the history that plots show: every second of the last 300 has its place, calls or not."""
    names = {name for row in seconds.rows.values() for name in row}
    order = range(seconds.end - KEPT, seconds.end)
    columns = {name: [seconds.rows.get(second, {}).get(name) for second in order] for name in names | {"all"}}
    samples = {name: _samples(points) for name, points in columns.items()}
    return History(
        end=float(seconds.end),
        seconds=KEPT,
        total=samples["all"],
        providers=_of("provider ", samples),
        routes=_of("route ", samples),
    )


def _of(kind: str, samples: Mapping[str, Samples]) -> dict[str, Samples]:
    return {name.removeprefix(kind): columns for name, columns in sorted(samples.items()) if name.startswith(kind)}


def _samples(points: list[Point | None]) -> Samples:
    first = [_p50_p95(None if point is None else point.first_token) for point in points]
    latency = [_p50_p95(None if point is None else point.latency) for point in points]
    return Samples(
        calls=tuple(0 if point is None else point.calls for point in points),
        errors=tuple(0 if point is None else point.failed for point in points),
        cost=tuple(0.0 if point is None else point.cost for point in points),
        first_token_p50=tuple(p50 for p50, _ in first),
        first_token_p95=tuple(p95 for _, p95 in first),
        latency_p50=tuple(p50 for p50, _ in latency),
        latency_p95=tuple(p95 for _, p95 in latency),
    )


def _p50_p95(buckets: Mapping[int, int] | None) -> tuple[float | None, float | None]:
    if not buckets:
        return None, None
    p50, p95 = sketch.quantiles(buckets, 0.5, 0.95)
    return p50, p95
