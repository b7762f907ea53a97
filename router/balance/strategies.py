"""The strategies that a file can name: which of the eligible targets comes next. They are pure: time and random
numbers come in with a `BalanceContext`. The engine has one `Balancers`; `explain` makes single ones.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from hashlib import blake2b
from math import ceil, inf, log

from providers.types import Usage
from router.balance.balancer import BalanceContext, Balancer, IsEligible
from router.balance.weighted import Weighted
from router.plan.plan import Plan
from router.plan.pricing import cost
from router.plan.target import Key, Target

_BOUND = 1.25  # times the mean of calls under way that one target of an affinity may have
_USUAL_ANSWER = 500  # tokens, where a request sets no max_tokens


class Ordered:
    """Picks the first target that may be called, in the file's order."""

    def pick(self, targets: Sequence[Target], is_eligible: IsEligible, context: BalanceContext) -> Target | None:
        return next(filter(is_eligible, targets), None)

    def shares(self, eligible: Sequence[Target], context: BalanceContext) -> list[tuple[Target, float]]:
        return _all_to(eligible[0], eligible)


class _Scored:
    """Picks the target with the lowest score."""

    def __init__(self, score: Callable[[Target, BalanceContext], float | tuple[float, ...]]) -> None:
        self._score = score

    def pick(self, targets: Sequence[Target], is_eligible: IsEligible, context: BalanceContext) -> Target | None:
        return min(filter(is_eligible, targets), key=lambda target: self._score(target, context), default=None)

    def shares(self, eligible: Sequence[Target], context: BalanceContext) -> list[tuple[Target, float]]:
        return _all_to(self.pick(eligible, _any, context), eligible)


class LeastBusy:
    """Picks the target with the fewest calls under way for its weight; of those that have equally few, as all have
    while there is little to do, each has its share by weight.
    """

    def __init__(self) -> None:
        self._line = Weighted()

    def pick(self, targets: Sequence[Target], is_eligible: IsEligible, context: BalanceContext) -> Target | None:
        idle = self._least_busy(filter(is_eligible, targets), context)
        return self._line.pick(targets, idle.__contains__, context) if idle else None

    def shares(self, eligible: Sequence[Target], context: BalanceContext) -> list[tuple[Target, float]]:
        idle = self._least_busy(eligible, context)
        others = [(target, 0.0) for target in eligible if target not in idle]
        return self._line.shares(idle, context) + others

    def _least_busy(self, eligible: Iterable[Target], context: BalanceContext) -> list[Target]:
        load = {target: _busy(target, context) for target in eligible}
        least = min(load.values(), default=0.0)
        return [target for target, busy in load.items() if busy == least]


class LeastLatency:
    """Draws two targets at random and picks the one with the better time to first token and fewer calls under way. A
    target of unknown latency is tried once.

    "The Power of Two Choices in Randomized Load Balancing" (Mitzenmacher, 2001), over a peak EWMA as in Finagle.
    """

    def pick(self, targets: Sequence[Target], is_eligible: IsEligible, context: BalanceContext) -> Target | None:
        eligible = list(filter(is_eligible, targets))
        for target in eligible:
            state = context.states.target(target)
            if not state.latency.known and not state.explored:
                state.explored = True
                return target
        pair = context.rng.sample(eligible, min(2, len(eligible)))
        return min(pair, key=lambda target: _latency(target, context), default=None)

    def shares(self, eligible: Sequence[Target], context: BalanceContext) -> list[tuple[Target, float]]:
        ranked = sorted(eligible, key=lambda target: _latency(target, context))
        if len(ranked) == 1:
            return [(ranked[0], 1.0)]
        # Of all pairs, the best is in n-1, the second best wins n-2, …
        pairs = len(ranked) * (len(ranked) - 1) / 2
        return [(target, (len(ranked) - 1 - rank) / pairs) for rank, target in enumerate(ranked)]


class Affinity:
    """Picks by rendezvous hashing: each key has its own order over the targets, and the first with room takes it.

    A target that goes moves only its own keys. Weights by the logarithm method of "Weighted Distributed Hash Tables"
    (Schindelhauer and Schomaker, 2005); bounded load after "Consistent Hashing with Bounded Loads" (Mirrokni et al.,
    2016).
    """

    def pick(self, targets: Sequence[Target], is_eligible: IsEligible, context: BalanceContext) -> Target | None:
        eligible = list(filter(is_eligible, targets))
        if not eligible:
            return None
        busy = {target.name: context.states.in_flight(target) for target in eligible}
        most = ceil(_BOUND * (sum(busy.values()) + 1) / len(eligible))
        key = context.affinity()
        ranked = sorted(eligible, key=lambda target: _distance(key, target.identity) / target.weight)
        return next((target for target in ranked if busy[target.name] < most), ranked[0])

    def shares(self, eligible: Sequence[Target], context: BalanceContext) -> list[tuple[Target, float]]:
        return _all_to(self.pick(eligible, _any, context), eligible)


def warm_key(target: Target, context: BalanceContext, without: Container[str] = ()) -> Key:
    """Return the key of a target that has a conversation's prompts in its vendor's cache, which no two organisations
    share: each conversation has its own order over the keys, and the first that may be used now is its.

    Args:
        without: the identities of keys that are not to be used.
    """
    conversation = context.affinity()

    def order(key: Key) -> tuple[float, float]:
        refusal = context.states.refusal_for_key(target, key, context.prompt, context.max_tokens, context.now)
        return -inf if refusal is None else refusal.until, _distance(conversation, key.identity)

    return min([key for key in target.keys if key.identity not in without] or target.keys, key=order)


def _any(_: Target) -> bool:
    return True


def _all_to(first: Target | None, eligible: Sequence[Target]) -> list[tuple[Target, float]]:
    return [(target, float(target is first)) for target in sorted(eligible, key=lambda option: option is not first)]


def _latency(target: Target, context: BalanceContext) -> float:
    state = context.states.target(target)
    return state.latency.value(context.now) * (state.limits.in_flight + 1)


def _busy(target: Target, context: BalanceContext) -> float:
    weight = target.weight * context.states.share(target, context.now)
    return context.states.in_flight(target) / weight


def _expense(target: Target, context: BalanceContext) -> tuple[float, float]:
    answer = _USUAL_ANSWER if context.max_tokens is None else context.max_tokens
    expected = cost(target.capabilities.price, Usage(context.prompt, answer))
    return inf if expected is None else expected, _latency(target, context)


def _distance(key: bytes, identity: str) -> float:
    digest = blake2b(identity.encode(), key=blake2b(key, digest_size=16).digest(), digest_size=8).digest()
    unit = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -log(unit)


_STRATEGIES: dict[str, Callable[[], Balancer]] = {
    "weighted": Weighted,
    "ordered": Ordered,
    "least_latency": LeastLatency,
    "least_busy": LeastBusy,
    "cheapest": lambda: _Scored(_expense),
    "affinity": Affinity,
}


def make_balancer(strategy: str) -> Balancer:
    """Make a balancer by its name in the file."""
    return _STRATEGIES[strategy]()


class Balancers(dict[tuple[str, int, str], Balancer]):
    """The balancers of one router, by the chain's line, index of the tier (from 0) or mark of the draw, and
    strategy; made when first asked for.

    They are state, not part of a plan: an edit of the file leaves their place in line, and neither another router nor a
    second simulation on the same plan shares it.
    """

    def __missing__(self, key: tuple[str, int, str]) -> Balancer:
        balancer = self[key] = make_balancer(key[2])
        return balancer

    def forget(self, name: str) -> None:
        """Forget the balancer of a direct name."""
        for key in [key for key in self if key[0] == name]:
            del self[key]

    def adopt(self, plan: Plan) -> None:
        """Forget the balancers of tiers that a new plan no longer has, or has with another strategy."""
        chains = [each for chain in plan.chains.values() for each in chain.variants]
        kept = {place for chain in chains for place in chain.places}
        kept |= {(chain.line, draw.mark, draw.balance) for chain in chains for draw in chain.draws}
        for key in [key for key in self if key not in kept]:
            del self[key]
