"""Says how long to wait before the same target is tried again, and how often a route may."""

from __future__ import annotations

import random
from math import inf


def full_jitter(retry: int, base: float, cap: float, rng: random.Random) -> float:
    """Return the seconds before retry number `retry` (0 is the first): `uniform(0, min(cap, base · 2^retry))`.

    The formula is "full jitter" of the AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
    """
    return rng.uniform(0.0, min(cap, base * 2.0**retry))


_FLOOR = 1.0  # tries a second
_SECONDS = 10.0  # that the budget holds
_HELD = _FLOOR * _SECONDS


class RetryBudget:
    """A route's allowance of tries beyond the first: a share of its requests, and a floor of one a second.

    Args:
        share: of the requests, 0 to 1.
    """

    __slots__ = ("_at", "_level", "share")

    def __init__(self, share: float) -> None:
        self.share = share
        self._level = _HELD
        self._at = -inf

    def request(self, now: float) -> None:
        """Count a request of the route that begins."""
        self._level = self._flown(now) + self.share

    def take(self, now: float) -> bool:
        """Take one more try from the budget; False when there is none left."""
        self._level = self._flown(now)
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True

    def give_back(self) -> None:
        """Give back a try that was not made after all."""
        self._level += 1.0

    def _flown(self, now: float) -> float:
        """Return the level of now: the floor flows in; what was saved up by requests fades over the budget's time."""
        level, passed = self._level, now - self._at
        self._at = now
        if level < _HELD:
            return min(_HELD, level + passed * _FLOOR)
        return level - (level - _HELD) * passed / _SECONDS if passed < _SECONDS else _HELD


class HedgeBudget:
    """A route's allowance of hedges: a share of its requests, saved up to ten.

    Args:
        share: of the requests, 0 to 1.
    """

    __slots__ = ("_level", "share")

    _MOST = 10.0

    def __init__(self, share: float) -> None:
        self.share = share
        self._level = 1.0

    def request(self) -> None:
        """Count a request of the route that begins."""
        self._level = min(self._MOST, self._level + self.share)

    def take(self) -> bool:
        """Take one more hedge from the budget; False when there is none left."""
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True

    def give_back(self) -> None:
        """Give back a hedge that was not called after all."""
        self._level += 1.0
