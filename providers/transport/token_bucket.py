"""Token buckets: so many requests or tokens a second, with a burst."""

from __future__ import annotations


class TokenBucket:
    """Pure: time comes in as `now` (seconds on any clock that does not run backwards).

    Args:
        rate: tokens that flow in each second.
        capacity: tokens it holds at most; it starts full.
    """

    __slots__ = ("_at", "_level", "capacity", "rate")

    def __init__(self, rate: float, capacity: float) -> None:
        if rate <= 0 or capacity <= 0:
            raise ValueError(f"rate and capacity must be above 0 (got {rate} and {capacity})")
        self.rate = rate
        self.capacity = capacity
        self._level = capacity
        self._at: float | None = None

    def available(self, now: float) -> float:
        """Tokens in the bucket; below 0 when more was taken than it held."""
        if self._at is not None and now > self._at:
            self._level = min(self.capacity, self._level + (now - self._at) * self.rate)
        self._at = now if self._at is None else max(now, self._at)
        return self._level

    def take(self, amount: float, now: float) -> None:
        """Take it in any case; the level may fall below 0."""
        self.available(now)
        self._level -= amount

    def give_back(self, amount: float, now: float) -> None:
        """Return what was reserved and not used."""
        self._level = min(self.capacity, self.available(now) + amount)

    def wait_for(self, amount: float, now: float) -> float:
        """Seconds until the bucket has so much, or is full where that is less, if nobody takes meanwhile."""
        return max(0.0, (min(amount, self.capacity) - self.available(now)) / self.rate)
