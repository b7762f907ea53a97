"""Says who may be called now, and who not and why: `decide` asks before every step. Nothing here waits or changes
state, but for the place in line that a balancer's pick takes.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf
from typing import NamedTuple

import msgspec

from providers.errors import CONSEQUENCES, ErrorCode, ProviderError
from providers.prompt_cache import is_on
from providers.types import CompletionRequest
from router.balance.balancer import BalanceContext
from router.balance.strategies import warm_key
from router.engine.context import RequestContext
from router.engine.needs import serves, why_unfit
from router.engine.steps import Call
from router.errors import SKIP_CODES
from router.plan.plan import Branch, Draw, Tier
from router.plan.target import Key, Target
from router.state.guard import Refusal
from router.state.spending import why_over
from router.views.trace import Skip

AGAIN = "again"  # why a target that was called already may be called later, where others have a skip's reason


class Failure(NamedTuple):
    """How an attempt failed: with which key (its identity), and when (the loop's time)."""

    key: str
    error: ProviderError
    at: float


class Progress(msgspec.Struct):
    """What a request has seen so far. `tried` has a failure for each attempt, and `keys` the keys that an error was
    about, both by the target's identity; `renewed` are the targets that were called again on a new connection.

    `attempts` are those at a model: a key that is refused is none, as if it had been skipped.
    """

    tried: dict[str, list[Failure]] = {}  # of its own: msgspec copies what is empty
    keys: dict[str, set[str]] = {}
    renewed: frozenset[str] = frozenset()
    entered: frozenset[int] = frozenset()  # tiers, and the marks of draws
    drawn: dict[int, list[Branch]] = {}  # by the mark of the draw, in the order in which they serve
    skipped: frozenset[tuple[int, str]] = frozenset()  # (tier, target) whose skip is in the trace already
    attempts: int = 0
    waiting_since: float | None = None  # the loop's time; None while somebody may be called
    vain: int = 0  # waits that came to nothing
    window_floor: int = 0  # a prompt that did not fit into this many tokens needs more
    last: ProviderError | None = None
    codes: frozenset[ErrorCode] = frozenset()

    def learn(self, call: Call, error: ProviderError, now: float) -> None:
        """Remember that a call failed, and how."""
        failures = self.tried.setdefault(call.target.identity, [])
        if CONSEQUENCES[error.code].other_key:
            if all(failure.key != call.key.identity for failure in failures):
                self.attempts -= 1
            if call.key.number:
                self.keys.setdefault(call.target.identity, set()).add(call.key.identity)
        failures.append(Failure(call.key.identity, error, now))
        self.waiting_since = None
        self.last = error
        self.codes = frozenset((error.code,))
        if error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED:
            window = error.context_window or call.target.capabilities.context_window or 0
            self.window_floor = max(self.window_floor, window)

    def may_try(self, target: Target) -> bool:
        """Say whether a target was not tried yet, or only with keys that it may fare better without."""
        failures = self.tried.get(target.identity)
        if not failures:
            return True
        used = self.keys.get(target.identity)
        return used is not None and CONSEQUENCES[failures[-1].error.code].other_key and len(used) < len(target.keys)

    def failures(self, target: Target, key: Key) -> list[Failure]:
        """Return those that tell how the target would fare with this key: what was about another key does not."""
        return [
            failure
            for failure in self.tried.get(target.identity, ())
            if failure.key == key.identity or not CONSEQUENCES[failure.error.code].other_key
        ]


def enters(tier_index: int, tier: Tier | Draw, progress: Progress) -> bool:
    """Say whether a tier serves now: the first, those that were entered, and those that what happened opens.

    Args:
        tier_index: the number of the tier, or the mark of a draw.
        tier: whose `on` and `gate` count: a draw's, for the first tier of the chain that was drawn first.
    """
    last = progress.last
    if last is not None and is_final(last):
        return tier_index != 0 and serves(tier, progress.codes)
    if tier_index == 0 or tier_index in progress.entered:
        return True
    if tier.gate is not None and tier.gate not in progress.entered:
        return False  # part of a fallback route whose first tier was not entered
    return serves(tier, progress.codes)


def is_final(error: ProviderError) -> bool:
    """Say whether no other target may have this request, unless a tier names the code."""
    return CONSEQUENCES[error.code].fallback in ("no", "if_named", "stream_policy")


class Later(NamedTuple):
    """A target and key that could serve, but not now. `until` is from when on (the loop's time), `reason` why."""

    until: float
    tier: int
    target: Target
    key: Key
    reason: str


def pick(context: RequestContext, progress: Progress, tier_index: int, beside: Collection[str] = ()) -> Call | None:
    """Return the next call in a tier, by its balancer; None when none of its targets may be called.

    Args:
        tier_index: the number of the tier, from 0.
        beside: identities of targets that are under way.
    """
    now, chain, needs = context.clock(), context.chain, context.requirements
    tier = chain.tiers[tier_index]

    def is_eligible(target: Target) -> bool:
        if target.weight <= 0 or (progress.tried and not progress.may_try(target)) or target.identity in beside:
            return False
        if needs.least_tokens > target.serves_up_to or context.windows or progress.window_floor or needs.excluded:
            unfit = why_unfit(target, needs, context.windows, progress.window_floor)
            if unfit is not None:
                note_skip(context, progress, tier_index, target, unfit)
                return False
        refusal = None if context.spending is None else over_budget(context, target, now)
        if refusal is None:
            prompt, most, keys = needs.prompt_tokens, needs.max_tokens, target.keys
            if len(keys) == 1:
                refusal = context.states.refusal_for_key(target, keys[0], prompt, most, now)
            else:
                without = progress.keys.get(target.identity, ())
                refusal = context.states.refusal_for_target(target, prompt, most, now, without)
            if refusal is None:
                return True
        note_skip(context, progress, tier_index, target, (refusal.reason, refusal.message))
        return False

    if len(tier.targets) == 1:
        target = tier.targets[0] if is_eligible(tier.targets[0]) else None
    else:
        balancer = context.balancers[chain.places[tier_index]]
        target = balancer.pick(tier.targets, is_eligible, situation(context, now))
    if target is None:
        return None
    if len(target.keys) == 1:
        return Call(target, tier_index, target.keys[0])
    return Call(target, tier_index, _key(context, target, tier, progress.keys.get(target.identity, ()), now))


def _key(context: RequestContext, target: Target, tier: Tier, without: Collection[str], now: float) -> Key:
    """Return the key to call a target with: one that has the conversation's prompts, or the least busy one."""
    request = context.request
    is_kept = isinstance(request, CompletionRequest) and is_on(request.prompt_cache or target.prompt_cache)
    if tier.balance == "affinity" or is_kept:
        return warm_key(target, situation(context, now), without)
    needs = context.requirements
    return context.states.best_key(target, needs.prompt_tokens, needs.max_tokens, now, without)


def situation(context: RequestContext, now: float) -> BalanceContext:
    """Return what a balancer may look at now."""
    needs = context.requirements
    return BalanceContext(context.states, now, context.rng, needs.prompt_tokens, needs.max_tokens, needs.affinity)


def note_skip(
    context: RequestContext, progress: Progress, tier_index: int, target: Target, why: tuple[str, str]
) -> None:
    """Write into the trace why a target is passed over, once for a request."""
    if (tier_index, target.name) not in progress.skipped:
        progress.skipped |= {(tier_index, target.name)}
        tier, at = context.chain.tiers[tier_index], context.clock() - context.began
        context.trace.entries.append(Skip(target.name, tier.level, at, *why, chain=tier.chain))
        if progress.last is None:
            progress.codes |= {SKIP_CODES[why[0]]}


def why_not_now(context: RequestContext, progress: Progress, target: Target) -> tuple[str, str] | None:
    """Say why a target that was not tried could not be called now, as (reason, message); None when it could."""
    needs, now = context.requirements, context.clock()
    why = why_unfit(target, needs, context.windows, progress.window_floor)
    if why is not None:
        return why
    without = progress.keys.get(target.identity, ())
    refusal = over_budget(context, target, now) or context.states.refusal_for_target(
        target, needs.prompt_tokens, needs.max_tokens, now, without
    )
    return None if refusal is None else (refusal.reason, refusal.message)


def refusal(
    context: RequestContext, target: Target, key: Key, *, placed: bool = False, reserved: bool = False
) -> Refusal | None:
    """Say why the target gets no call with this key now, after a wait; None when it may.

    Args:
        placed: its place is had already.
        reserved: so is what it takes of the limits.
    """
    now, needs = context.clock(), context.requirements
    prompt, max_tokens = (0.0, 0) if reserved else (needs.prompt_tokens, needs.max_tokens)
    return over_budget(context, target, now) or context.states.refusal_for_key(
        target, key, prompt, max_tokens, now, placed=placed
    )


def over_budget(context: RequestContext, target: Target, now: float) -> Refusal | None:
    """Say why a budget keeps the target from being called; None when none does."""
    if context.spending is None or target.is_own:  # the caller's own key is the caller's own money
        return None
    over = context.spending.over(context.budgets(target), target)
    return None if over is None else Refusal("over_budget", why_over(*over), now + over[1])


def callable_later(context: RequestContext, progress: Progress, tiers: Collection[int]) -> list[Later]:
    """List the targets of these tiers, with each of their keys, that were not tried and could serve but for the
    moment.
    """
    now, needs = context.clock(), context.requirements
    later: list[Later] = []
    seen: set[str] = set()
    for tier_index in sorted(index for index in tiers if index >= 0):
        for target in context.chain.tiers[tier_index].targets:
            if target.weight <= 0 or target.identity in seen:
                continue
            if why_unfit(target, needs, context.windows, progress.window_floor) is not None:
                continue
            seen.add(target.identity)
            if not progress.may_try(target):
                continue
            over = over_budget(context, target, now)
            refused = progress.keys.get(target.identity, ())
            for key in target.keys:
                if key.identity in refused:
                    continue
                refusal = over or context.states.refusal_for_key(
                    target, key, needs.prompt_tokens, needs.max_tokens, now
                )
                if refusal is None:
                    later.append(Later(now, tier_index, target, key, "limited"))
                elif refusal.reason == "circuit_open":  # where nothing else is left it is probed before its time
                    later.append(Later(next_probe(context, target, key), tier_index, target, key, refusal.reason))
                elif refusal.reason != "draining":
                    later.append(Later(refusal.until, tier_index, target, key, refusal.reason))
    return later


def next_try(context: RequestContext, tiers: Collection[int]) -> float | None:
    """Return the seconds until some target of these tiers may be called again; None where nobody knows."""
    later = callable_later(context, Progress(), tiers)
    soonest = min((target.until for target in later), default=inf)
    return None if soonest == inf else max(0.0, soonest - context.clock())


def next_probe(context: RequestContext, target: Target, key: Key) -> float:
    """Return from when on an open breaker of the target or key may be probed (the loop's time)."""
    now = context.clock()
    return max(guard.breaker.next_probe(now) for guard in context.states.guards(target, key))


def breakers_admit(context: RequestContext, target: Target, key: Key) -> bool:
    """Say whether both breakers, of the target and of the key, let a call through."""
    now = context.clock()
    return all(guard.breaker.admits(now) for guard in context.states.guards(target, key))
