"""Keeps five minutes of whole seconds, for plots. A second that is over is added up once, when it is first asked
for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from typing import TypeAlias

from router.telemetry import sketch
from router.telemetry.buckets import Bucket, Kept, known_cost
from router.telemetry.recorder import Telemetry
from router.telemetry.sketch import Sketch
from router.telemetry.windows import ALL, groups_of
from router.views.figures import KEPT, Struct
from router.views.history import History, Samples

_AT_ONCE = 30  # buckets or seconds that are added up before others get a turn


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
        end = int(now + telemetry.offset)
        first = max(first, end - KEPT)
        for old in [second for second in self._rows if second < end - KEPT]:
            del self._rows[old]
        for second, buckets in telemetry.seconds():
            if first <= second < end and second not in self._rows:
                adding = _Adding()
                for start in range(0, len(buckets), _AT_ONCE):
                    for bucket in buckets[start : start + _AT_ONCE]:
                        if isinstance(bucket, Bucket):
                            telemetry.close_bucket(bucket)
                        adding.add(bucket)
                    await asyncio.sleep(0)
                self._rows[second] = adding.row()
        rows = {second: row for second, row in self._rows.items() if first <= second < end}
        return Seconds(end, rows)


class _Adding:
    """One second while it is added up."""

    def __init__(self) -> None:
        self._sums: dict[str, _Sum] = {}

    def add(self, bucket: Bucket | Kept) -> None:
        for key in groups_of(bucket.counter):
            if key[0] != "target":
                self._sums.setdefault("all" if key == ALL else " ".join(key), _Sum()).add(bucket)

    def row(self) -> Row:
        return {name: each.point() for name, each in self._sums.items()}


class _Sum:
    """A point while it is added up."""

    __slots__ = ("calls", "cost", "failed", "first_token", "latency", "unpriced")

    def __init__(self) -> None:
        self.calls = self.failed = self.unpriced = 0
        self.cost = 0.0
        self.first_token: Sketch = {}
        self.latency: Sketch = {}

    def add(self, bucket: Bucket | Kept) -> None:
        self.calls += bucket.calls
        self.failed += bucket.failed
        self.cost += bucket.cost
        self.unpriced += bucket.unpriced
        sketch.add(self.first_token, bucket.first_token)
        sketch.add(self.latency, bucket.latency)

    def point(self) -> Point:
        cost = known_cost(self.cost, self.unpriced)
        return Point(self.calls, self.failed, cost, self.first_token, self.latency)


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


def making_history(seconds: Seconds) -> Generator[None, None, History]:
    """Make the history that plots show: every second of the last 300 has its place, calls or not; by steps."""
    names = {name for row in seconds.rows.values() for name in row}
    order = range(seconds.end - KEPT, seconds.end)
    samples: dict[str, Samples] = {}
    for name in names | {"all"}:
        samples[name] = yield from _samples([seconds.rows.get(second, {}).get(name) for second in order])
    return History(
        end=float(seconds.end),
        seconds=KEPT,
        total=samples["all"],
        providers=_of("provider ", samples),
        routes=_of("route ", samples),
    )


def _of(kind: str, samples: Mapping[str, Samples]) -> dict[str, Samples]:
    return {name.removeprefix(kind): columns for name, columns in sorted(samples.items()) if name.startswith(kind)}


def _samples(points: list[Point | None]) -> Generator[None, None, Samples]:
    quantiles = []
    for number, point in enumerate(points):
        first, latency = (None, None) if point is None else (point.first_token, point.latency)
        quantiles.append((*_p50_p95(first), *_p50_p95(latency)))
        if number % _AT_ONCE == 0:
            yield
    first_p50, first_p95, latency_p50, latency_p95 = zip(*quantiles, strict=True)
    return Samples(
        calls=tuple(0 if point is None else point.calls for point in points),
        errors=tuple(0 if point is None else point.failed for point in points),
        cost=tuple(0.0 if point is None else point.cost for point in points),
        first_token_p50=first_p50,
        first_token_p95=first_p95,
        latency_p50=latency_p50,
        latency_p95=latency_p95,
    )


def _p50_p95(buckets: Mapping[int, int] | None) -> tuple[float | None, float | None]:
    if not buckets:
        return None, None
    p50, p95 = sketch.quantiles(buckets, 0.5, 0.95)
    return p50, p95
