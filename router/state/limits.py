"""Keeps calls within what a vendor allows: rates of requests and of tokens, and calls at the same time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import takewhile
from math import inf
from typing import NamedTuple

from providers.transport.token_bucket import TokenBucket
from router.config.units import Allowance
from router.plan.rules import Limits
from router.state.any_rate import AnyPlaces, AnyRate, Entry, Grain, Sharer

SMOOTHED = 60.0  # seconds: the period of the rates that are smoothed
BURST = 0.1  # of such a rate's allowance may go at once
_EXACT = 256  # moments that are told apart in a period, whatever they are
_GRAINS = 128  # beyond those, parts of a period that are
_FIRST_ANSWER = 500.0  # tokens reserved for an answer while none has been seen
_WEIGHT = 0.2
_ROUNDING = 1e-9


class Rate:
    """An allowance in use: never more than its amount in any window of its period (half open: what was taken at 0 s
    is free again at 60 s).

    It is exact for 256 moments in a period. Beyond those, what is taken within 1/128 of the period counts as taken at
    its end, so that memory is bounded. That never lets too much through; under steady overload it leaves 0.8 % of the
    allowance unused at worst.

    A rate a minute is smoothed besides, by a token bucket: at most a tenth of it goes at once. Others are not: a second
    is short enough, and an hour or a day is a quota that its owner may use up as it comes; nor is one without `smooth`.

    Only two things exceed it: a call that is larger than the whole amount, which waits until nothing else is in the
    window, and one that uses more than was reserved for it.
    """

    __slots__ = ("_burst", "_grains", "_is_smoothed", "_sum", "amount", "per_second", "period")

    def __init__(self, allowance: Allowance, *, smooth: bool = True) -> None:
        self.period = allowance.period
        self._is_smoothed = smooth and self.period == SMOOTHED
        self._grains: deque[Grain] = deque()
        self._sum = 0.0
        self.change(allowance.amount)

    def change(self, amount: float) -> None:
        """Take over another amount for the same period; what was taken in it still counts."""
        self.amount = amount
        self.per_second = amount / self.period
        self._burst = TokenBucket(self.per_second, max(1.0, amount * BURST)) if self._is_smoothed else None

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much more may be taken, after all that is reserved already."""
        room = self._room(amount, now) - now
        return room if self._burst is None else max(self._burst.wait_for(amount, now), room)

    def _room(self, amount: float, now: float) -> float:
        """Return the moment from which the window has room for it, behind all that is reserved."""
        grains = self._grains
        while grains and grains[0].at <= now - self.period:
            self._leave(grains.popleft())
        while grains and grains[-1].at > now and grains[-1].amount <= _ROUNDING:
            self._leave(grains.pop())  # those who waited for it have gone
        if not grains:
            self._sum = 0.0  # rounding
            return now
        return max(now, grains[-1].at, self._freed(self._sum + min(amount, self.amount), grains, now))

    def _leave(self, grain: Grain) -> None:
        self._sum -= grain.amount
        grain.at = -inf  # what is corrected from now on counts no more

    def _freed(self, amount: float, grains: Iterable[Grain], now: float) -> float:
        """Return when enough of these has left the window for `amount` to be within the limit."""
        moment = now
        for grain in grains:
            if amount <= self.amount + _ROUNDING:
                break
            amount -= grain.amount
            moment = max(moment, grain.at + self.period)
        return moment

    def take(self, amount: float, now: float, at: float) -> Entry:
        """Reserve an amount for a moment that `wait` allows: now or later."""
        grains = self._grains
        if not grains or (
            at > grains[-1].at and (len(grains) < _EXACT or at - grains[-1].began > self.period / _GRAINS)
        ):
            grains.append(Grain(at))
        grain = grains[-1]
        grain.at = max(grain.at, at)
        grain.amount += amount
        self._sum += amount
        if self._burst is not None:
            self._burst.take(amount, now)
        return Entry(self, amount, grain)

    def early(self, entry: Entry, now: float) -> float:
        """Return the seconds that a reservation has to wait still, when those before it used more than they had
        reserved.
        """
        self._room(0.0, now)
        before = list(takewhile(lambda grain: grain is not entry.grain, self._grains))
        amount = sum(grain.amount for grain in before) + min(entry.grain.amount, self.amount)
        moment = self._freed(amount, before, now)
        entry.grain.at = max(entry.grain.at, moment)
        return moment - now

    def hurry(self, entry: Entry, waited: float) -> None:
        """No server is waited for here."""

    def coming(self, entry: Entry) -> asyncio.Future[None] | None:
        """Return None: time alone tells when a reservation is due."""
        return None

    def correct(self, entry: Entry, amount: float, now: float) -> None:
        """Correct a reservation to what it turned out to be; 0 when it was not used at all."""
        more = amount - entry.amount
        if self._burst is not None:
            if more > 0:
                self._burst.take(more, now)
            else:
                self._burst.give_back(-more, now)
        entry.amount = amount
        entry.grain.amount += more
        if entry.grain.at > now - self.period:
            self._sum += more

    def used(self, now: float) -> float:
        """Return how far it is used up: 0 is free, 1 and more is none left."""
        self._room(0.0, now)
        used = self._sum / self.amount
        return used if self._burst is None else max(1 - self._burst.available(now) / self._burst.capacity, used)

    def tighten(self, left: float, now: float) -> bool:
        """Take over how much the vendor says is left; False for a rate that is not smoothed.

        Headers speak of the vendor's own period, mostly a minute: for a day they would hold much too long.
        """
        if self._burst is None:
            return False
        self._burst.take(max(0.0, self._burst.available(now) - left), now)
        return True


class Reserved(NamedTuple):
    """What one call has taken of the limits."""

    requests: tuple[Entry, ...] = ()
    tokens: tuple[Entry, ...] = ()


NOTHING = Reserved()


class RateLimits:
    """The limits of one provider key or target, in use.

    Tokens are reserved before a call and corrected by what it really used. `requests` and `tokens` are the rates of
    each, which hold side by side.

    Args:
        smooth: whether a rate a minute is smoothed.
    """

    __slots__ = (
        "__weakref__",
        "_mean_answer",
        "_places",
        "_shared",
        "_smooth",
        "_waiting",
        "in_flight",
        "is_unlimited",
        "on_idle",
        "requests",
        "rules",
        "tokens",
    )

    def __init__(self, limits: Limits, *, smooth: bool = True) -> None:
        self.in_flight = 0
        self._smooth = smooth
        self._shared: tuple[Sharer, str] | None = None
        self._places: AnyPlaces | None = None  # those of all processes
        self.on_idle: Callable[[], None] | None = None  # called once when the last call under way has ended
        self._mean_answer = _FIRST_ANSWER
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.requests: tuple[AnyRate, ...] = ()
        self.tokens: tuple[AnyRate, ...] = ()
        self.change(limits)

    def change(self, limits: Limits) -> None:
        """Take over new limits; what is the same goes on as it was."""
        self.requests = self._changed("requests", self.requests, limits.requests)
        self.tokens = self._changed("tokens", self.tokens, limits.tokens)
        self.rules = limits
        self.is_unlimited = limits == Limits()
        self.hand_out()

    def share(self, sharer: Sharer | None, share_id: str) -> None:
        """Have the rates and places in common with all who share this id, from now on; without a sharer or an id for
        itself.
        """
        shared = None if sharer is None or not share_id else (sharer, share_id)
        if shared != self._shared:
            self._shared = shared
            self.requests = self.tokens = ()  # what calls under way have taken is settled where they took it
            self._places = None if shared is None else shared[0].places(share_id, self)
            self.change(self.rules)

    def _changed(
        self, kind: str, rates: tuple[AnyRate, ...], limits: tuple[Allowance, ...] | None
    ) -> tuple[AnyRate, ...]:
        """Return the rates of new limits; one for a period that had one goes on, with what was taken in it."""
        had = {rate.period: rate for rate in rates}
        kept: list[AnyRate] = []
        for allowance in limits or ():
            rate = had.pop(allowance.period, None)
            if rate is None:
                rate = self._new(kind, allowance)
            elif rate.amount != allowance.amount:
                rate.change(allowance.amount)
            kept.append(rate)
        return tuple(kept)

    def _new(self, kind: str, allowance: Allowance) -> AnyRate:
        if self._shared is None:
            return Rate(allowance, smooth=self._smooth)
        sharer, share_id = self._shared
        return sharer.rate(share_id, kind, allowance, smooth=self._smooth)

    @property
    def waiting(self) -> int:
        """The number of calls in line for a place."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether as many calls as allowed are under way, or others wait for a place."""
        if self.rules.in_flight is None:
            return False
        return bool(self._waiting) or self.in_flight >= self._most()

    @property
    def places(self) -> int | None:
        """How many calls may be under way at the same time, by the file; None for any number."""
        return self.rules.in_flight

    def _most(self) -> float:
        """Return how many calls may be under way now."""
        if self._places is not None and self.rules.in_flight is not None:
            return self._places.most(self)
        return inf if self.rules.in_flight is None else self.rules.in_flight

    def expected(self, prompt: float, max_tokens: int | None) -> float:
        """Return the tokens to reserve for a prompt of so many tokens."""
        if not self.tokens:
            return 0.0
        return prompt + (self._mean_answer if max_tokens is None else max_tokens)

    def wait(self, tokens: float, now: float) -> float:
        """Return the seconds until a call of so many tokens is allowed."""
        return max(self.waits(tokens, now))

    def waits(self, tokens: float, now: float) -> tuple[float, float]:
        """Return the seconds until the rates of requests allow a call, and until those of tokens do."""
        requests = answers = 0.0
        for rate in self.requests:
            requests = max(requests, rate.wait(1.0, now))
        for rate in self.tokens:
            answers = max(answers, rate.wait(tokens, now))
        return requests, answers

    def take(self, tokens: float, now: float, at: float) -> Reserved:
        """Reserve a call's worth for a moment that `wait` allows, or for one that later calls make good for."""
        if not self.requests and not self.tokens:
            return NOTHING
        return Reserved(
            tuple([rate.take(1.0, now, at) for rate in self.requests]),
            tuple([rate.take(tokens, now, at) for rate in self.tokens]),
        )

    def early(self, reserved: Reserved, now: float) -> float:
        """Return the seconds that a reserved call has to wait still."""
        return max((entry.rate.early(entry, now) for entry in (*reserved.requests, *reserved.tokens)), default=0.0)

    def hurry(self, reserved: Reserved, waited: float) -> None:
        """Count what the request has waited for the server of what is shared before."""
        for entry in (*reserved.requests, *reserved.tokens):
            entry.rate.hurry(entry, waited)

    def coming(self, reserved: Reserved) -> list[asyncio.Future[None]]:
        """List what is done when a reserved call may be looked at again, of rates where time alone does not tell."""
        entries = *reserved.requests, *reserved.tokens
        return [future for entry in entries if (future := entry.rate.coming(entry)) is not None]

    def give_back(self, reserved: Reserved, now: float) -> None:
        """Give back the reservation of a call that was not made, or that never reached its vendor."""
        for entry in (*reserved.requests, *reserved.tokens):
            entry.rate.correct(entry, 0.0, now)

    def settle(self, reserved: Reserved, used: int, now: float) -> None:
        """Correct a reservation to the tokens that a call has used. That it was made stays counted, however it ended:
        vendors count failed requests too.
        """
        for entry in reserved.tokens:
            entry.rate.correct(entry, used, now)

    def learn(self, answer: int) -> None:
        """Learn how long answers are, for calls that do not bound theirs."""
        self._mean_answer += _WEIGHT * (answer - self._mean_answer)

    def tighten(self, requests: float | None, tokens: float | None, now: float) -> bool:
        """Take over how much the vendor says is left; False when this has no limit of that kind."""
        applied = False
        for rates, left in ((self.requests, requests), (self.tokens, tokens)):
            if left is not None:
                for rate in rates:
                    applied |= rate.tighten(left, now)
        return applied

    def is_idle(self, now: float) -> bool:
        """Say whether no call is under way or in line, and nothing of the limits is used up."""
        busy = self.in_flight or self._waiting
        return not busy and all(rate.used(now) < 1e-9 for rate in (*self.requests, *self.tokens))  # but for rounding

    # --- places

    def release_slot(self) -> None:
        """Free a place that a call had, which counted as one `in_flight`; the first who waits gets it."""
        self.in_flight -= 1
        if self._places is not None and self.rules.in_flight is not None:
            self._places.freed()
        elif self._waiting:
            self.hand_out()
        if self.on_idle is not None and self.in_flight == 0:
            idle, self.on_idle = self.on_idle, None
            idle()

    def hand_out(self) -> None:
        """Give the places that are free to those who wait: an edit of the file may have made more of them, or fewer."""
        while self._waiting and self.in_flight < self._most():
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self.in_flight += 1

    async def wait_for_slot(self, seconds: float, waited: float = 0.0) -> bool:
        """Wait in line for a place; True when it is had, counted `in_flight`. First come, first served.

        Args:
            waited: seconds that the request has waited for the server of what is shared.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if waited and self._places is not None:
            self._places.hurry(waited)
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
