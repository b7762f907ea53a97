"""The seconds of a fleet since somebody watches it, for plots: they are made from its snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from router.views.figures import KEPT, WINDOW, Figures, Snapshot
from router.views.history import NAMES, RANGES, History, Samples

Name: TypeAlias = tuple[str, str]
_ALL: Name = ("all", "")
_NOTHING = (0, 0, 0.0, None, None, None, None)  # of `Samples`, in the order of its fields

Sample: TypeAlias = tuple[int, int, float | None, float | None, float | None, float | None, float | None]


class Seen:
    """Remembers as much as plots look back. Quantiles of a second are those of the minute before it, those of longer
    values the means of their seconds.
    """

    def __init__(self) -> None:
        self._rows: dict[int, dict[int, dict[Name, Sample]]] = {span: {} for span in RANGES}  # by when they began
        self._totals: dict[Name, tuple[int, float | None]] = {}
        self._end = 0

    def add(self, snapshot: Snapshot) -> None:
        """Add a snapshot, of about a second after the one before."""
        second = int(snapshot.time) - 1  # the last whole one
        row: dict[Name, Sample] = {}
        totals: dict[Name, tuple[int, float | None]] = {}
        for name, figures in _all(snapshot):
            failed, cost = totals[name] = figures.totals.failed, figures.totals.cost
            failed_before, cost_before = self._totals.get(name, (failed, cost))
            row[name] = (
                round(figures.rate) if name == _ALL else figures.series[-1] if figures.series else 0,
                max(0, failed - failed_before),
                None if cost is None or cost_before is None else max(0.0, cost - cost_before),
                figures.first_token.p50,
                figures.first_token.p95,
                figures.latency.p50,
                figures.latency.p95,
            )
        self._totals = totals
        self._end = max(self._end, second + 1)
        for span, grain in RANGES.items():
            rows = self._rows[span]
            if grain == 1:
                rows[second] = row
            else:
                _join(rows.setdefault(second - second % grain, {}), row)
            for old in [old for old in rows if old < self._end - span - grain]:
                del rows[old]

    def series(self) -> tuple[int, ...]:
        """Return the calls of all in each of the last 60 whole seconds."""
        rows = self._rows[KEPT]
        return tuple(rows.get(at, {}).get(_ALL, _NOTHING)[0] for at in range(self._end - WINDOW, self._end))

    def history(self, span: int) -> History:
        """Return what plots show of the last so many seconds."""
        grain, rows = RANGES[span], self._rows[span]
        over = self._end - self._end % grain
        if over in rows:  # what is not over yet goes to the one before
            before = dict(rows.get(over - grain, {}))
            _join(before, rows[over])
            rows = {**rows, over - grain: before}

        def samples(name: Name) -> Samples:
            order = range(over - span, over, grain)
            return Samples(*zip(*(rows.get(began, {}).get(name, _NOTHING) for began in order), strict=True))

        by_kind: dict[str, dict[str, Samples]] = {"provider": {}, "route": {}}
        for kind, name in sorted({name for row in rows.values() for name in row} - {_ALL}):
            by_kind[kind][name] = samples((kind, name))
        end, total = float(self._end), samples(_ALL)
        return History(end, span, total, by_kind["provider"], by_kind["route"], grain)


def _join(row: dict[Name, Sample], more: Mapping[Name, Sample]) -> None:
    for name, sample in more.items():
        if name in row:
            row[name] = _joined(row[name], sample)
        elif len(row) < NAMES or name == _ALL:
            row[name] = sample


def _joined(sample: Sample, other: Sample) -> Sample:
    calls = sample[0] + other[0]
    cost = None if sample[2] is None and other[2] is None else (sample[2] or 0.0) + (other[2] or 0.0)
    quantiles = []
    for one, two in zip(sample[3:], other[3:], strict=True):
        known = [
            (value, weight) for value, weight in ((one, sample[0]), (two, other[0])) if value is not None and weight
        ]
        weights = sum(weight for _, weight in known)
        quantiles.append(sum(value * weight for value, weight in known) / weights if weights else two)
    p50, p95, whole_p50, whole_p95 = quantiles
    return calls, sample[1] + other[1], cost, p50, p95, whole_p50, whole_p95


def _all(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str], Figures]]:
    yield _ALL, snapshot.figures
    for provider in snapshot.providers:
        yield ("provider", provider.name), provider.figures
    for route in snapshot.routes:
        yield ("route", route.name), route.figures
