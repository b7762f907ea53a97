"""Measures how fast a target is: an average for the balancer, quantiles for hedging. It is pure: time comes in as
`now`.
"""

from __future__ import annotations

from collections import deque
from math import ceil, exp, inf

LATENCY_DECAY = 10.0  # seconds
_RECENT = 100  # times of which a quantile is taken
_ENOUGH = 20  # below that nothing can be said


class PeakEwma:
    """A latency that jumps up at once and comes down slowly; it fades while nothing is seen."""

    __slots__ = ("_at", "_value")

    def __init__(self) -> None:
        self._value = 0.0
        self._at = -inf

    @property
    def known(self) -> bool:
        """Whether any latency was seen."""
        return self._at > -inf

    def add(self, seconds: float, now: float) -> None:
        """Take in a latency of so many seconds."""
        weight = exp((self._at - now) / LATENCY_DECAY)  # 0 at first
        mean = self._value * weight * weight + seconds * (1.0 - weight)
        self._value = seconds if seconds > mean else mean
        self._at = now

    def value(self, now: float) -> float:
        """Return the average in seconds, as it has faded until now."""
        return self._value * exp(-(now - self._at) / LATENCY_DECAY) if self.known else 0.0


class Recent(deque[float]):
    """The last hundred times of a target in seconds, for their quantiles."""

    def __init__(self) -> None:
        super().__init__(maxlen=_RECENT)

    def quantile(self, share: float) -> float | None:
        """Return the nearest-rank quantile in seconds; None while fewer than 20 times were seen."""
        if len(self) < _ENOUGH:
            return None
        return sorted(self)[ceil(share * len(self)) - 1]
