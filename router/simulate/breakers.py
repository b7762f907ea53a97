"""The history of circuit breakers, by looking at them."""

from __future__ import annotations

from dataclasses import dataclass, field

from router.simulate.counters import BINS
from router.state.breaker import Breaker

MOST = 2000  # changes that are remembered of one breaker


@dataclass(slots=True)
class BreakerHistory:
    """Of one breaker: (seconds since the start, state) of every change, the oldest first."""

    name: str
    key_of: str | None = None  # the provider, where it is of a key and not of a target
    changes: list[tuple[float, str]] = field(default_factory=list)
    opened: int = 0
    open_seconds: float = 0.0
    course: list[float] = field(default_factory=lambda: [0.0] * BINS)  # the part of each bin in which it was not closed


class Watch:
    """Looks at breakers whenever it is told to.

    Args:
        duration: of the simulation, in seconds.
    """

    def __init__(self, duration: float) -> None:
        self._bin = duration / BINS
        self._watched: list[tuple[Breaker, BreakerHistory]] = []
        self._seen: list[tuple[int, str, float]] = []  # changes, state and since when, of each

    @property
    def histories(self) -> list[BreakerHistory]:
        return [history for _, history in self._watched]

    @property
    def watched(self) -> list[Breaker]:
        return [breaker for breaker, _ in self._watched]

    def add(self, breaker: Breaker, history: BreakerHistory) -> None:
        self._watched.append((breaker, history))
        self._seen.append((breaker.changes, breaker.state, 0.0))

    def look(self, now: float) -> None:
        """Note what has changed since the last look."""
        for place, (breaker, history) in enumerate(self._watched):
            changes, state, since = self._seen[place]
            if breaker.changes == changes:
                continue
            self._spend(history, state, since, now)
            self._seen[place] = breaker.changes, breaker.state, now
            history.opened += breaker.state == "open"
            if len(history.changes) < MOST:
                history.changes.append((now, breaker.state))

    def end(self, now: float) -> None:
        """The simulation is over."""
        self.look(now)
        for (_, history), (_, state, since) in zip(self._watched, self._seen, strict=True):
            self._spend(history, state, since, now)

    def _spend(self, history: BreakerHistory, state: str, since: float, now: float) -> None:
        if state == "closed":
            return
        if state == "open":
            history.open_seconds += now - since
        for place in range(min(BINS - 1, int(since / self._bin)), min(BINS - 1, int(now / self._bin)) + 1):
            begin, end = place * self._bin, (place + 1) * self._bin
            history.course[place] += max(0.0, min(end, now) - max(begin, since)) / self._bin
