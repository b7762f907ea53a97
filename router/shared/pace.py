"""Whether a server is asked at all: one that is late again and again costs nobody time. Pure: time comes in."""

from __future__ import annotations

_LATE_IN_A_ROW = 3  # after these it counts as away
_PROBE_EVERY = 1.0  # seconds


class Pace:
    """Counts what came late or failed.

    `away_since` is the time since when the server counts as away, None while it does not.
    """

    def __init__(self) -> None:
        self.away_since: float | None = None
        self._in_a_row = 0
        self._probe_at = 0.0

    def late(self, now: float, *, at_once: bool = False) -> bool:
        """Count a reply that did not come in time, or not at all; says whether the server is away from now on.

        Args:
            at_once: whether this one is enough.
        """
        self._in_a_row += _LATE_IN_A_ROW if at_once else 1
        if self.away_since is not None:
            self._probe_at = now + _PROBE_EVERY
        if self._in_a_row < _LATE_IN_A_ROW or self.away_since is not None:
            return False
        self.away_since, self._probe_at = now, now + _PROBE_EVERY
        return True

    def in_time(self, now: float) -> float | None:
        """Count a reply that came in time; returns for how many seconds the server was away, None if it was not."""
        since, self.away_since, self._in_a_row = self.away_since, None, 0
        return None if since is None else now - since

    def probes(self, now: float) -> bool:
        """Say whether it is time to try a server that is away; it is once in a while."""
        if self.away_since is None or now < self._probe_at:
            return False
        self._probe_at = now + _PROBE_EVERY
        return True
