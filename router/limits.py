"""What a vendor allows: token buckets of requests and of tokens, and calls at the same time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from providers.transport.rate_limit import TokenBucket

_TENTH_OF_A_MINUTE = 6.0  # seconds of the rate that a bucket holds
_FIRST_ANSWER = 500.0  # tokens reserved for an answer while none has been seen
_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class Limits:
    """Rates per second; None is no limit."""

    requests: float | None = None
    tokens: float | None = None
    in_flight: int | None = None


class Allowance:
    """The limits of one provider key or target, in use.

    Tokens are reserved before a call and corrected by what it really used.
    """

    __slots__ = ("_mean_answer", "_requests", "_tokens", "_waiting", "in_flight", "is_unlimited", "limits", "on_idle")

    def __init__(self, limits: Limits) -> None:
        self.in_flight = 0
        self.on_idle: Callable[[], None] | None = None  # called once when the last call under way has ended
        self._mean_answer = _FIRST_ANSWER
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.limits = Limits()
        self._requests: TokenBucket | None = None
        self._tokens: TokenBucket | None = None
        self.change(limits)

    def change(self, limits: Limits) -> None:
        """New limits; what is the same goes on as it was."""
        if limits.requests != self.limits.requests:
            self._requests = _bucket(limits.requests)
        if limits.tokens != self.limits.tokens:
            self._tokens = _bucket(limits.tokens)
        self.limits = limits
        self.is_unlimited = limits == Limits()

    @property
    def full(self) -> bool:
        """Whether as many calls as allowed are under way, or others wait for a place."""
        most = self.limits.in_flight
        return most is not None and (self.in_flight >= most or bool(self._waiting))

    def expected(self, prompt: float, max_tokens: int | None) -> float:
        """Tokens to reserve for a prompt of so many tokens."""
        if self._tokens is None:
            return 0.0
        return prompt + (self._mean_answer if max_tokens is None else max_tokens)

    def wait(self, tokens: float, now: float) -> float:
        """Seconds until a call of so many tokens is allowed."""
        return max(
            0.0 if self._requests is None else self._requests.wait_for(1.0, now),
            0.0 if self._tokens is None else self._tokens.wait_for(tokens, now),
        )

    def take(self, tokens: float, now: float) -> None:
        """Reserve; the buckets may fall below 0, which later calls wait for."""
        if self._requests is not None:
            self._requests.take(1.0, now)
        if self._tokens is not None:
            self._tokens.take(tokens, now)

    def give_back(self, tokens: float, now: float) -> None:
        """The call was not made."""
        if self._requests is not None:
            self._requests.give_back(1.0, now)
        if self._tokens is not None:
            self._tokens.give_back(tokens, now)

    def settle(self, reserved: float, used: int | None, answer: int | None, now: float) -> None:
        """Correct a reservation by the tokens that the vendor counted."""
        if answer is not None:
            self._mean_answer += _WEIGHT * (answer - self._mean_answer)
        if self._tokens is None or used is None:
            return
        if used > reserved:
            self._tokens.take(used - reserved, now)
        else:
            self._tokens.give_back(reserved - used, now)

    def tighten(self, requests: float | None, tokens: float | None, now: float) -> bool:
        """The vendor says so much is left; False when this has no limit of that kind."""
        told = False
        for bucket, left in ((self._requests, requests), (self._tokens, tokens)):
            if bucket is not None and left is not None:
                told = True
                bucket.take(max(0.0, bucket.available(now) - left), now)
        return told

    # --- places

    def enter(self) -> None:
        self.in_flight += 1

    def leave(self) -> None:
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

    async def place(self, seconds: float) -> bool:
        """Wait in line for a place; True when it is had, which counts as `enter`. First come, first served."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(None if seconds == inf else seconds):
                await waiter
        except TimeoutError:
            return self._gone(waiter)
        except BaseException:
            if self._gone(waiter):
                self.leave()
            raise
        return True

    def _gone(self, waiter: asyncio.Future[None]) -> bool:
        """Take a waiter out of the line; True when it had got the place just before."""
        if waiter.done() and not waiter.cancelled():
            return True
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        return False


def _bucket(rate: float | None) -> TokenBucket | None:
    return None if rate is None else TokenBucket(rate, max(1.0, rate * _TENTH_OF_A_MINUTE))
