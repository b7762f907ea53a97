"""Token buckets: so many requests or tokens a second, with a burst."""

from __future__ import annotations

import asyncio
from collections import deque

_ROUNDING = 1e-9  # tokens: what floating point loses while a bucket fills


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

    def try_take(self, amount: float, now: float) -> bool:
        """Take `amount`, or nothing. More than the capacity is had from a full bucket, which then owes the rest."""
        if self.available(now) + _ROUNDING < min(amount, self.capacity):
            return False
        self._level -= amount
        return True

    def take(self, amount: float, now: float) -> None:
        """Take it in any case; the level may fall below 0."""
        self.available(now)
        self._level -= amount

    def give_back(self, amount: float, now: float) -> None:
        """Return what was reserved and not used."""
        self._level = min(self.capacity, self.available(now) + amount)

    def wait_for(self, amount: float, now: float) -> float:
        """Seconds until `try_take(amount)` would succeed, if nobody else takes meanwhile."""
        return max(0.0, (min(amount, self.capacity) - self.available(now)) / self.rate)


class RateLimiter:
    """A bucket to wait at, first come, first served, on the event loop's clock."""

    def __init__(self, rate: float, capacity: float) -> None:
        self._bucket = TokenBucket(rate, capacity)
        self._queue: deque[object] = deque()
        self._turn = asyncio.Condition()

    async def acquire(self, amount: float = 1.0) -> None:
        """Return when `amount` tokens were taken."""
        loop = asyncio.get_running_loop()
        ticket = object()
        self._queue.append(ticket)
        try:
            async with self._turn:
                await self._turn.wait_for(lambda: self._queue[0] is ticket)
            wait = self._bucket.wait_for(amount, loop.time())
            if wait > 0:
                await asyncio.sleep(wait)  # nobody else takes meanwhile: the others queue behind this one
            self._bucket.take(amount, loop.time())
        finally:
            self._queue.remove(ticket)
            async with self._turn:
                self._turn.notify_all()
