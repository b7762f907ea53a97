"""The seconds of a fleet since somebody watches it, for plots: they are made from its snapshots."""

from __future__ import annotations

from collections.abc import Iterator

from router.views.figures import KEPT, WINDOW, Figures, Snapshot
from router.views.history import History, Samples

_ALL = ("all", "")
_NOTHING = (0, 0, 0.0, None, None, None, None)  # of `Samples`, in the order of its fields

Sample = tuple[int, int, float | None, float | None, float | None, float | None, float | None]


class Seen:
    """Remembers the last five minutes. Quantiles of a second are those of the minute before it."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[tuple[str, str], Sample]] = {}
        self._totals: dict[tuple[str, str], tuple[int, float | None]] = {}
        self._end = 0

    def add(self, snapshot: Snapshot) -> None:
        """Add a snapshot, of about a second after the one before."""
        second = int(snapshot.time) - 1  # the last whole one
        row: dict[tuple[str, str], Sample] = {}
        totals: dict[tuple[str, str], tuple[int, float | None]] = {}
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
        self._rows[second] = row
        self._end = max(self._end, second + 1)
        for old in [old for old in self._rows if old < self._end - KEPT]:
            del self._rows[old]

    def series(self) -> tuple[int, ...]:
        """Return the calls of all in each of the last 60 whole seconds."""
        return self._samples(_ALL).calls[-WINDOW:]

    def history(self) -> History:
        """Return what plots show."""
        names = {name for row in self._rows.values() for name in row}
        by_kind: dict[str, dict[str, Samples]] = {"provider": {}, "route": {}}
        for kind, name in sorted(names - {_ALL}):
            by_kind[kind][name] = self._samples((kind, name))
        return History(float(self._end), KEPT, self._samples(_ALL), by_kind["provider"], by_kind["route"])

    def _samples(self, name: tuple[str, str]) -> Samples:
        seconds = range(self._end - KEPT, self._end)
        return Samples(*zip(*(self._rows.get(second, {}).get(name, _NOTHING) for second in seconds), strict=True))


def _all(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str], Figures]]:
    yield _ALL, snapshot.figures
    for provider in snapshot.providers:
        yield ("provider", provider.name), provider.figures
    for route in snapshot.routes:
        yield ("route", route.name), route.figures
