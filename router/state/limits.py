"""Keeps calls within what a vendor allows: token buckets of requests and of tokens, and calls at the same time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import takewhile
from math import inf
from typing import NamedTuple

from providers.transport.token_bucket import TokenBucket
from router.plan.rules import Limits

_TENTH_OF_A_MINUTE = 6.0  # seconds of the rate that a bucket holds
_FIRST_ANSWER = 500.0  # tokens reserved for an answer while none has been seen
_WEIGHT = 0.2


_MINUTE = 60.0  # seconds
_ROUNDING = 1e-9


class Entry:
    """An amount that was, or will be, taken at a moment of the loop's clock."""

    __slots__ = ("amount", "at")

    def __init__(self, at: float, amount: float) -> None:
        self.at = at
        self.amount = amount


class Rate:
    """An amount in a time: a token bucket against bursts, and never more than a minute's worth in any minute.

    The bucket alone would let its own capacity through on top of a minute's allowance.
    """

    __slots__ = ("_bucket", "_log", "_most", "_sum", "per_second")

    def __init__(self, per_second: float) -> None:
        self._log: deque[Entry] = deque()
        self._sum = 0.0
        self.change(per_second)

    def change(self, per_second: float) -> None:
        """Take over another rate; what the last minute had still counts."""
        self.per_second = per_second
        self._most = max(1.0, per_second * _MINUTE)
        self._bucket = TokenBucket(per_second, max(1.0, per_second * _TENTH_OF_A_MINUTE))

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much more may be taken, after all that is reserved already."""
        return max(self._bucket.wait_for(amount, now), self._room(amount, now) - now)

    def _room(self, amount: float, now: float) -> float:
        """Return the moment from which the last minute has room for it, behind all that is reserved."""
        log = self._log
        while log and log[0].at <= now - _MINUTE:
            self._sum -= log.popleft().amount
        if not log:
            self._sum = 0.0  # rounding
            return now
        return max(log[-1].at, self._freed(self._sum + min(amount, self._most), log, now))

    def _freed(self, amount: float, log: Iterable[Entry], now: float) -> float:
        """Return when enough of a log has left the last minute for `amount` to be within the limit."""
        moment = now
        for entry in log:
            if amount <= self._most + _ROUNDING:
                break
            amount -= entry.amount
            moment = max(moment, entry.at + _MINUTE)
        return moment

    def take(self, amount: float, now: float) -> Entry:
        """Reserve an amount for the first moment that allows it."""
        entry = Entry(now + self.wait(amount, now), amount)
        self._bucket.take(amount, now)
        self._log.append(entry)
        self._sum += amount
        return entry

    def early(self, entry: Entry, now: float) -> float:
        """Return the seconds that a reservation has to wait still, when those before it used more than they had
        reserved.
        """
        recent = (earlier for earlier in self._log if earlier.at > now - _MINUTE)
        before = list(takewhile(lambda earlier: earlier is not entry, recent))
        amount = sum(earlier.amount for earlier in before) + min(entry.amount, self._most)
        moment = self._freed(amount, before, now)
        entry.at = max(entry.at, moment)
        return moment - now

    def correct(self, entry: Entry, amount: float, now: float) -> None:
        """Correct a reservation to what it turned out to be; 0 when it was not used at all."""
        more = amount - entry.amount
        if more > 0:
            self._bucket.take(more, now)
        else:
            self._bucket.give_back(-more, now)
        entry.amount = amount
        if entry.at > now - _MINUTE:
            self._sum += more

    def used(self, now: float) -> float:
        """Return how far it is used up: 0 is free, 1 and more is none left."""
        bucket = self._bucket
        self._room(0.0, now)
        return max(1 - bucket.available(now) / bucket.capacity, self._sum / self._most)

    def tighten(self, left: float, now: float) -> None:
        """Take over how much the vendor says is left."""
        self._bucket.take(max(0.0, self._bucket.available(now) - left), now)


class Reserved(NamedTuple):
    """What one call has taken of the limits."""

    request: Entry | None = None
    tokens: Entry | None = None


NOTHING = Reserved()


class RateLimits:
    """The limits of one provider key or target, in use.

    Tokens are reserved before a call and corrected by what it really used.
    """

    __slots__ = ("_mean_answer", "_requests", "_tokens", "_waiting", "in_flight", "is_unlimited", "on_idle", "rules")

    def __init__(self, limits: Limits) -> None:
        self.in_flight = 0
        self.on_idle: Callable[[], None] | None = None  # called once when the last call under way has ended
        self._mean_answer = _FIRST_ANSWER
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._requests: Rate | None = None
        self._tokens: Rate | None = None
        self.change(limits)

    def change(self, limits: Limits) -> None:
        """Take over new limits; what is the same goes on as it was."""
        self._requests = _changed(self._requests, limits.requests)
        self._tokens = _changed(self._tokens, limits.tokens)
        self.rules = limits
        self.is_unlimited = limits == Limits()

    @property
    def requests(self) -> Rate | None:
        """The rate of requests; None where they are not limited."""
        return self._requests

    @property
    def tokens(self) -> Rate | None:
        """The rate of tokens; None where they are not limited."""
        return self._tokens

    @property
    def waiting(self) -> int:
        """The number of calls in line for a place."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether as many calls as allowed are under way, or others wait for a place."""
        most = self.rules.in_flight
        return most is not None and (self.in_flight >= most or bool(self._waiting))

    def expected(self, prompt: float, max_tokens: int | None) -> float:
        """Return the tokens to reserve for a prompt of so many tokens."""
        if self._tokens is None:
            return 0.0
        return prompt + (self._mean_answer if max_tokens is None else max_tokens)

    def wait(self, tokens: float, now: float) -> float:
        """Return the seconds until a call of so many tokens is allowed."""
        return max(
            0.0 if self._requests is None else self._requests.wait(1.0, now),
            0.0 if self._tokens is None else self._tokens.wait(tokens, now),
        )

    def take(self, tokens: float, now: float) -> Reserved:
        """Reserve a call's worth; later calls wait for what is taken beyond the limit."""
        if self._requests is None and self._tokens is None:
            return NOTHING
        return Reserved(
            None if self._requests is None else self._requests.take(1.0, now),
            None if self._tokens is None else self._tokens.take(tokens, now),
        )

    def early(self, reserved: Reserved, now: float) -> float:
        """Return the seconds that a reserved call has to wait still."""
        pairs = ((self._requests, reserved.request), (self._tokens, reserved.tokens))
        waits = [rate.early(entry, now) for rate, entry in pairs if rate is not None and entry is not None]
        return max(waits, default=0.0)

    def give_back(self, reserved: Reserved, now: float) -> None:
        """Give back the reservation of a call that was not made."""
        if self._requests is not None and reserved.request is not None:
            self._requests.correct(reserved.request, 0.0, now)
        if self._tokens is not None and reserved.tokens is not None:
            self._tokens.correct(reserved.tokens, 0.0, now)

    def settle(self, reserved: Reserved, used: int | None, answer: int | None, now: float) -> None:
        """Correct a reservation by the tokens that the vendor counted."""
        if answer is not None:
            self._mean_answer += _WEIGHT * (answer - self._mean_answer)
        if self._tokens is not None and reserved.tokens is not None and used is not None:
            self._tokens.correct(reserved.tokens, used, now)

    def tighten(self, requests: float | None, tokens: float | None, now: float) -> bool:
        """Take over how much the vendor says is left; False when this has no limit of that kind."""
        applied = False
        for rate, left in ((self._requests, requests), (self._tokens, tokens)):
            if rate is not None and left is not None:
                applied = True
                rate.tighten(left, now)
        return applied

    def is_idle(self, now: float) -> bool:
        """Say whether no call is under way or in line, and nothing of the limits is used up."""
        rates = (rate for rate in (self._requests, self._tokens) if rate is not None)
        return not (self.in_flight or self._waiting) and all(rate.used(now) < _ROUNDING for rate in rates)

    # --- places

    def acquire_slot(self) -> None:
        """Take a place for a call that begins."""
        self.in_flight += 1

    def release_slot(self) -> None:
        """Free a place; the first who waits gets it."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return  # the place goes from hand to hand: in_flight stays
        self.in_flight -= 1
        if self.in_flight == 0 and self.on_idle is not None:
            idle, self.on_idle = self.on_idle, None
            idle()

    async def wait_for_slot(self, seconds: float) -> bool:
        """Wait in line for a place; True when it is had, which counts as `acquire_slot`. First come, first served."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(None if seconds == inf else seconds):
                await waiter
        except TimeoutError:
            return self._gone(waiter)
        except BaseException:
            if self._gone(waiter):
                self.release_slot()
            raise
        return True

    def _gone(self, waiter: asyncio.Future[None]) -> bool:
        """Take a waiter out of the line; True when it had got the place just before."""
        if waiter.done() and not waiter.cancelled():
            return True
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        return False


def _changed(rate: Rate | None, per_second: float | None) -> Rate | None:
    if per_second is None:
        return None
    if rate is None:
        return Rate(per_second)
    if rate.per_second != per_second:
        rate.change(per_second)
    return rate
