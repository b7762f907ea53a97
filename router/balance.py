"""Which of the eligible targets comes next. Pure: time, chance and state come in with a `Look`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import ceil, inf, log
from typing import Protocol

import msgspec

from providers.types import Usage
from router.state import States
from router.target import Target, cost

_BOUND = 1.25  # times the mean of calls under way that one target of an affinity may have
_ROUNDING = 1e-9  # of a call
_USUAL_ANSWER = 500  # tokens, where a request sets no max_tokens


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a balancer may look at.

    Args:
        now: the loop's time.
        prompt: tokens of the prompt, roughly.
        affinity: gives what keeps requests together: a session, or the beginning of a prompt.
    """

    states: States
    now: float
    chance: random.Random
    prompt: int = 0
    max_tokens: int | None = None
    affinity: Callable[[], bytes] = bytes


class Balancer(Protocol):
    """Picks one of the eligible targets of a tier; `eligible` has at least two and keeps the file's order."""

    def pick(self, eligible: Sequence[Target], look: Look) -> Target: ...

    def odds(self, eligible: Sequence[Target], look: Look) -> list[tuple[Target, float]]:
        """Each target's share of the next picks, most likely first; changes nothing."""
        ...


class Ordered:
    """The first as written."""

    def pick(self, eligible: Sequence[Target], look: Look) -> Target:
        return eligible[0]

    def odds(self, eligible: Sequence[Target], look: Look) -> list[tuple[Target, float]]:
        return _all_to(eligible[0], eligible)


class Weighted:
    """Weights kept to one call: at every moment a target has had its share of the calls so far, give or take one.

    A target's credit is what it should have had less what it had. Of those with credit, the one whose credit would
    reach a whole call soonest is picked: earliest deadline first, as in "Proportionate Progress" (Baruah, Cohen,
    Plaxton and Varvel, 1996). Smooth weighted round robin, which takes the richest, strays further with many targets.
    A target that has just come back has less weight.
    """

    __slots__ = ("_credit",)

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def pick(self, eligible: Sequence[Target], look: Look) -> Target:
        credit, share, now = self._credit, look.states.share, look.now
        weights = [target.weight * share(target, now) for target in eligible]
        total = sum(weights)
        best, soonest, richest, most = None, inf, eligible[0], -inf
        for target, weight in zip(eligible, weights, strict=True):
            had = credit[target.name] = credit.get(target.name, 0.0) + weight / total
            due = (1.0 - had) * total / weight
            if had > _ROUNDING and due < soonest - _ROUNDING:
                best, soonest = target, due
            if had > most:
                richest, most = target, had
        # Nobody has credit where those who have are not eligible now.
        picked = richest if best is None else best
        credit[picked.name] -= 1.0
        return picked

    def odds(self, eligible: Sequence[Target], look: Look) -> list[tuple[Target, float]]:
        weights = [target.weight * look.states.share(target, look.now) for target in eligible]
        total = sum(weights) or 1.0
        shares = [(target, weight / total) for target, weight in zip(eligible, weights, strict=True)]
        return sorted(shares, key=lambda share: -share[1])


class _Scored:
    """The least of a score."""

    def __init__(self, score: Callable[[Target, Look], float | tuple[float, ...]]) -> None:
        self._score = score

    def pick(self, eligible: Sequence[Target], look: Look) -> Target:
        return min(eligible, key=lambda target: self._score(target, look))

    def odds(self, eligible: Sequence[Target], look: Look) -> list[tuple[Target, float]]:
        return _all_to(self.pick(eligible, look), eligible)


class LeastLatency:
    """The better of two drawn by chance, by time to first token and calls under way; the unknown is tried once.

    "The Power of Two Choices in Randomized Load Balancing" (Mitzenmacher, 2001), over a peak EWMA as in Finagle.
    """

    def pick(self, eligible: Sequence[Target], look: Look) -> Target:
        for target in eligible:
            state = look.states.of(target)
            if not state.latency.known and not state.explored:
                state.explored = True
                return target
        pair = look.chance.sample(eligible, 2)
        return min(pair, key=lambda target: _latency(target, look))

    def odds(self, eligible: Sequence[Target], look: Look) -> list[tuple[Target, float]]:
        ranked = sorted(eligible, key=lambda target: _latency(target, look))
        if len(ranked) == 1:
            return [(ranked[0], 1.0)]
        # Of all pairs, the best is in n-1, the second best wins n-2, …
        pairs = len(ranked) * (len(ranked) - 1) / 2
        return [(target, (len(ranked) - 1 - place) / pairs) for place, target in enumerate(ranked)]


class Affinity:
    """Rendezvous hashing: each key has an order of its own over the targets, of which the first with room takes it.

    A target that goes moves only its own keys. Weights by the logarithm method of "Weighted Distributed Hash Tables"
    (Schindelhauer and Schomaker, 2005); bounded load after "Consistent Hashing with Bounded Loads" (Mirrokni et al.,
    2016).
    """

    def pick(self, eligible: Sequence[Target], look: Look) -> Target:
        busy = {target.name: look.states.in_flight(target) for target in eligible}
        most = ceil(_BOUND * (sum(busy.values()) + 1) / len(eligible))
        key = look.affinity()
        ranked = sorted(eligible, key=lambda target: _distance(key, target))
        return next((target for target in ranked if busy[target.name] < most), ranked[0])

    def odds(self, eligible: Sequence[Target], look: Look) -> list[tuple[Target, float]]:
        return _all_to(self.pick(eligible, look), eligible)


def _all_to(first: Target, eligible: Sequence[Target]) -> list[tuple[Target, float]]:
    return [(first, 1.0), *((target, 0.0) for target in eligible if target is not first)]


def _latency(target: Target, look: Look) -> float:
    state = look.states.of(target)
    return state.latency.value(look.now) * (state.allowance.in_flight + 1)


def _busy(target: Target, look: Look) -> float:
    weight = target.weight * look.states.share(target, look.now)
    return look.states.in_flight(target) / weight


def _expense(target: Target, look: Look) -> tuple[float, float]:
    answer = _USUAL_ANSWER if look.max_tokens is None else look.max_tokens
    expected = cost(target.capabilities.price, Usage(look.prompt, answer))
    return inf if expected is None else expected, _latency(target, look)


def _distance(key: bytes, target: Target) -> float:
    digest = blake2b(target.identity.encode(), key=blake2b(key, digest_size=16).digest(), digest_size=8).digest()
    unit = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -log(unit) / target.weight


_STRATEGIES: dict[str, Callable[[], Balancer]] = {
    "weighted": Weighted,
    "ordered": Ordered,
    "least_latency": LeastLatency,
    "least_busy": lambda: _Scored(_busy),
    "cheapest": lambda: _Scored(_expense),
    "affinity": Affinity,
}


def make_balancer(strategy: str) -> Balancer:
    """A balancer by its name in the file."""
    return _STRATEGIES[strategy]()
