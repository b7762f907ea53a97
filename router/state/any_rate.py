"""What a rate in use is to those who take from it, whether it is this process's alone or shared with others."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from router.config.units import Allowance

PATIENCE = 0.29  # seconds that a request waits for the server of what processes share; then it goes on without


class AnyRate(Protocol):
    """A rate in use: of this process alone (`Rate`), or one that processes share (`router.shared`)."""

    amount: float
    period: float
    per_second: float

    def change(self, amount: float) -> None:
        """Take over another amount for the same period."""
        ...

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much more may be taken; infinity where nobody knows."""
        ...

    def take(self, amount: float, now: float, at: float) -> Entry:
        """Reserve an amount for a moment that `wait` allows."""
        ...

    def early(self, entry: Entry, now: float) -> float:
        """Return the seconds that a reservation has to wait still."""
        ...

    def hurry(self, entry: Entry, waited: float) -> None:
        """Count what the request has waited for the server of what is shared before."""
        ...

    def coming(self, entry: Entry) -> asyncio.Future[None] | None:
        """Return what is done when a reservation may be looked at again; None where time alone tells."""
        ...

    def correct(self, entry: Entry, amount: float, now: float) -> None:
        """Correct a reservation to what it turned out to be."""
        ...

    def used(self, now: float) -> float:
        """Return how far it is used up: 0 is free, 1 and more is none left."""
        ...

    def tighten(self, left: float, now: float) -> bool:
        """Take over how much the vendor says is left; False where that does not apply."""
        ...


class AnyPlaces(Protocol):
    """The places of calls at the same time that processes share."""

    def most(self, user: Any) -> int:
        """Return how many calls these limits may have under way now."""
        ...

    def hurry(self, waited: float) -> None:
        """Count what a request has waited for the server before."""
        ...

    def freed(self) -> None:
        """Notice that a place is not used any more."""
        ...


class Sharer(Protocol):
    """Makes the rates and places that processes share."""

    def places(self, share_id: str, user: Any) -> AnyPlaces:
        """Return the places that all have who share this id; `user` are the limits that have them in use."""
        ...

    def rate(self, share_id: str, kind: str, allowance: Allowance, *, smooth: bool = True) -> AnyRate:
        """Return the rate of "requests" or "tokens" that all have who share this id; `smooth` as of `RateLimits`."""
        ...


class Grain:
    """What was, or will be, taken in a small part of a period; all of it counts as taken at the last of its moments."""

    __slots__ = ("amount", "at", "began")

    def __init__(self, at: float) -> None:
        self.began = self.at = at
        self.amount = 0.0


class Entry:
    """An amount that a call has taken, or will take, of a rate."""

    __slots__ = ("amount", "grain", "rate")

    def __init__(self, rate: AnyRate, amount: float, grain: Grain) -> None:
        self.rate = rate
        self.amount = amount
        self.grain = grain
