"""What happened lately, for plots. A second that is over is added up once, when it is first asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from typing import TypeAlias

from router.telemetry import sketch
from router.telemetry.buckets import ALL, Bucket, CallCounter, Kept, Key, Source, Sums, groups_of, known_cost
from router.telemetry.recorder import Telemetry
from router.views.figures import KEPT, Struct
from router.views.history import RANGES, History, Samples

SPANS = {grain: span for span, grain in RANGES.items()}  # seconds that are kept, by those of one value
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
    """What happened up to and without the second `end` (since 1970), by when each `grain` of seconds began; those
    without a call are left out, and the newest may not be over.
    """

    end: int
    rows: dict[int, Row]
    grain: int = 1


class Past:
    """Remembers the seconds that were added up."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._rows: dict[int, Row] = {}

    async def since(self, first: int, now: float, grain: int = 1) -> Seconds:
        """Return what is kept from the second `first` on, in rows of `grain` seconds (one of `RANGES`). Other tasks get
        their turn while it works.
        """
        end = int(now + self._telemetry.offset)
        if grain == 1:
            return Seconds(end, await self._seconds(first, end))
        return Seconds(end, await self._slots(first, end, grain), grain)

    async def _seconds(self, first: int, end: int) -> dict[int, Row]:
        first = max(first, end - KEPT)
        for old in [second for second in self._rows if second < end - KEPT]:
            del self._rows[old]
        for second, counted in self._telemetry.ages.seconds():
            if first <= second < end and second not in self._rows:
                adding = _Adding()
                for start in range(0, len(counted), _AT_ONCE):
                    for counter, sums in counted[start : start + _AT_ONCE]:
                        if isinstance(sums, Bucket):
                            self._telemetry.close_bucket(sums)
                        adding.add(counter, sums)
                    await asyncio.sleep(0)
                self._rows[second] = adding.row()
        return {second: row for second, row in self._rows.items() if first <= second < end}

    async def _slots(self, first: int, end: int, grain: int) -> dict[int, Row]:
        ages, first = self._telemetry.ages, max(first, end - SPANS[grain] - grain)
        first -= first % grain
        ages.age(end)
        newest = await self._seconds(ages.passed + 1, end)  # while these are added up, more may be passed on
        for _ in ages.rest():
            await asyncio.sleep(0)
        passed, rows = ages.passed, dict[int, Row]()
        for began, kept in ages.slots(grain):
            if began >= first:
                add_rows(rows, coarser({began: {_name(key): _point(each) for key, each in kept.items()}}, grain))
                await asyncio.sleep(0)
        recent = {second: row for second, row in newest.items() if second > passed and second >= first}
        add_rows(rows, coarser(recent, grain))
        return rows


class _Adding:
    """One second while it is added up."""

    def __init__(self) -> None:
        self._sums: dict[Key, Sums] = {}

    def add(self, counter: CallCounter | Source, counted: Bucket | Kept) -> None:
        for key in groups_of(counter):
            if key[0] != "target":
                self._sums.setdefault(key, Sums()).add(counted)

    def row(self) -> Row:
        return {_name(key): _point(sums) for key, sums in self._sums.items()}


def _name(key: Key) -> str:
    return "all" if key == ALL else " ".join(key)


def _point(sums: Sums | Kept) -> Point:
    first, latency = dict(sums.first_token.items()), dict(sums.latency.items())
    return Point(sums.calls, sums.failed, known_cost(sums.cost, sums.unpriced), first, latency)


def coarser(rows: Mapping[int, Row], grain: int) -> dict[int, Row]:
    """Return the rows of slots of so many seconds, made of finer ones."""
    slots: dict[int, Row] = {}
    for second, row in rows.items():
        add_rows(slots, {second - second % grain: row})
    return slots


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


class Told:
    """What a router has told of a range so far: `rows` of `grain` seconds, up to `end`. Those before `over` are final,
    and need not be told again.
    """

    def __init__(self, grain: int) -> None:
        self._grain = grain
        self.rows: dict[int, Row] = {}
        self.end = self.over = 0

    def add(self, seconds: Seconds) -> None:
        """Add what is told from `over` on; by the second, where a router is of an older version."""
        self.rows.update(seconds.rows if seconds.grain == self._grain else coarser(seconds.rows, self._grain))
        self.end, self.over = seconds.end, seconds.end - seconds.end % self._grain
        for old in [began for began in self.rows if began < self.over - SPANS[self._grain]]:
            del self.rows[old]


def making_history(seconds: Seconds) -> Generator[None, None, History]:
    """Make the history that plots show, in which every slot has its place, calls or not; by steps."""
    grain, rows = seconds.grain, seconds.rows
    span, over = SPANS[grain], seconds.end - seconds.end % grain
    if grain > 1 and over in rows:  # what is not over yet goes to the one before
        rows = {**rows, over - grain: dict(rows.get(over - grain, {}))}
        add_rows(rows, {over - grain: rows.pop(over)})
    names = {name for row in rows.values() for name in row}
    order = range(over - span, over, grain)
    samples: dict[str, Samples] = {}
    for name in names | {"all"}:
        samples[name] = yield from _samples([rows.get(began, {}).get(name) for began in order])
    return History(
        end=float(seconds.end),
        seconds=span,
        total=samples["all"],
        providers=_of("provider ", samples),
        routes=_of("route ", samples),
        grain=grain,
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
