"""What is remembered of one target, or of one provider key: breaker, hold, limits, latency. `States` keeps them."""

from __future__ import annotations

import random
from math import inf
from typing import Protocol

import msgspec

from router.plan.rules import BreakerRules, Limits
from router.plan.target import Key
from router.state.breaker import Breaker
from router.state.evidence import Doubt
from router.state.latency import PeakEwma, Recent
from router.state.limits import RateLimits
from router.views import spans

_FAILURE_COUNTS_AS = 5.0  # seconds of latency, so that a target that fails fast does not look fast


class HoldTeller(Protocol):
    """Tells other processes what a vendor said to one target or key."""

    def held(self, until: float, code: str, now: float, key: Key | None = None) -> None:
        """Tell that the vendor asked to wait until then, by its own word.

        Args:
            key: with which the target is held; None for all of them.
        """
        ...


class Guard:
    """Breaker, hold and limits of one target, or of one provider key. A draining one gets no new call."""

    __slots__ = ("breaker", "draining", "held_until", "limited", "limits", "teller")

    def __init__(self, rules: BreakerRules, limits: Limits, rng: random.Random) -> None:
        self.breaker = Breaker(rules, rng)
        self.limits = RateLimits(limits)
        self.held_until = -inf
        self.limited: tuple[Guard, float] | None = None  # of a key: the target that was limited last, until when
        self.draining = False
        self.teller: HoldTeller | None = None  # where holds are shared

    def hold(self, until: float) -> None:
        """Give it no call before this time (the loop's), since the vendor asked to wait."""
        self.held_until = max(self.held_until, until)

    def follow(self, breaker: BreakerRules, limits: Limits) -> None:
        """Take over the policies of today."""
        self.breaker.follow(breaker)
        if self.limits.rules != limits:
            self.limits.change(limits)

    @property
    def is_out_by_hand(self) -> bool:
        """Whether a person has seen to it that it gets no calls."""
        return self.draining or (self.breaker.manual and self.breaker.state == "open")


class Pacing:
    """What one key was told about one target: vendors limit a key's calls of each model."""

    __slots__ = ("doubt", "held_until", "hits")

    def __init__(self) -> None:
        self.held_until = -inf
        self.hits = 0  # 429s in a row
        self.doubt = Doubt()

    def hold(self, until: float) -> None:
        """Give the target no call with this key before this time (the loop's)."""
        self.held_until = max(self.held_until, until)


class TargetState(Guard):
    """The state of one model at one provider. `pacing` is by the identity of the key that was told to slow down."""

    __slots__ = ("answers", "explored", "firsts", "latency", "pacing", "turn", "turns")

    def __init__(self, rules: BreakerRules, limits: Limits, rng: random.Random) -> None:
        super().__init__(rules, limits, rng)
        self.latency = PeakEwma()
        self.firsts = Recent()  # times to first content of streams
        self.answers = Recent()  # times of plain calls
        self.explored = False
        self.turn = 0
        self.turns: dict[str, int] = {}  # by the identity of the key: when it was used last
        self.pacing: dict[str, Pacing] = {}

    def is_idle(self, now: float) -> bool:
        """Say whether it is as if it had never been used, but for how fast it was."""
        return (
            not self.draining
            and self.breaker.is_idle(now)
            and self.limits.is_idle(now)
            and max(self.held_until, *(pacing.held_until for pacing in self.pacing.values()), -inf) <= now
        )

    def paced(self, key: Key) -> Pacing:
        """Return the pacing of a key at this target, made on first use."""
        return self.pacing.setdefault(key.identity, Pacing())

    def held(self, key: Key) -> float:
        """Return until when the vendor asked to wait, for this target and key alone."""
        pacing = self.pacing.get(key.identity) if self.pacing else None
        return self.held_until if pacing is None else max(self.held_until, pacing.held_until)


class Refusal(msgspec.Struct, frozen=True):
    """Why a target gets no call now, and until when (the loop's time; infinity where nobody knows)."""

    reason: str
    message: str
    until: float = inf


def why_limited(wait: float) -> str:
    """Say that a limit allows the next call in so many seconds; infinity where nobody knows."""
    if wait == inf:
        return "what is left of the limit is not known, since the shared state is away (shared.away: refuse)"
    return f"the limit allows the next call in {spans.wait(wait)}"
