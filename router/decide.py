"""Every decision about one request, without I/O: which target next, when to wait, when to give up.

`decide` is a generator. It yields `Call` or `Wait`, is sent what came of a call (`None` for success, else the
error) and ends when nothing is left. The engine drives it with real calls; `explain` asks the same helpers
without any.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping, MutableMapping
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from providers.errors import CONSEQUENCES, ErrorCode, ProviderError
from router.backoff import RetryBudget, full_jitter
from router.balance import Look
from router.errors import falls_back
from router.plan import Chain, RetryRules, Tier
from router.state import States
from router.target import Target
from router.trace import Pause, Skip, Trace

if TYPE_CHECKING:
    from router.telemetry.recorder import Witness


@dataclass(frozen=True, slots=True)
class Call:
    """Try this target now. `reserved`: its tokens are taken from the limits already; `placed`: so is its place."""

    target: Target
    tier: int
    reserved: tuple[float, float] | None = None
    placed: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so many seconds; nothing else could be done meanwhile.

    With `place` it is the longest wait for a place at that target; what is sent back is None when it was had, else an
    error. With `reserved` it is for that target's limits, from which so many tokens were taken already.
    """

    seconds: float
    place: Target | None = None
    reserved: tuple[Target, tuple[float, float]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decisions look at besides the request.

    Args:
        clock: the loop's time in seconds; `deadline` is on it.
        windows: context windows learned from errors, by the target's identity.
        budget: of retries, shared by all requests of the route.
        witness: of the request, where telemetry wants to know.
    """

    states: States
    clock: Callable[[], float]
    deadline: float
    chance: random.Random
    windows: MutableMapping[str, int]
    budget: RetryBudget
    witness: Witness | None = None

    def look(self, needs: Needs) -> Look:
        return Look(
            states=self.states,
            now=self.clock(),
            chance=self.chance,
            prompt=needs.prompt_tokens,
            max_tokens=needs.max_tokens,
            affinity=needs.affinity,
        )


Step: TypeAlias = Call | Wait
Decision: TypeAlias = Generator[Step, ProviderError | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a request asks of a target.

    `least_tokens` is a lower bound of the prompt's size, `prompt_tokens` about what it is. `affinity` gives what keeps
    requests at one target.
    """

    tools: bool = False
    vision: bool = False
    json_schema: bool = False
    streaming: bool = False
    least_tokens: int = 0
    prompt_tokens: int = 0
    max_tokens: int | None = None
    affinity: Callable[[], bytes] = bytes


RAISE = "raise"  # what `decide` returns when the last error is the caller's own


@dataclass(slots=True)
class _Progress:
    """What the request has seen so far."""

    tried: dict[str, list[ProviderError]] = field(
        default_factory=dict
    )  # by the target's identity: one error an attempt
    attempts: int = 0
    window_floor: int = 0  # a prompt that did not fit into this many tokens needs more
    last: ProviderError | None = None
    codes: set[ErrorCode] = field(default_factory=set)  # why the tiers so far could not serve


def unfit(target: Target, needs: Needs, windows: Mapping[str, int], window_floor: int = 0) -> tuple[str, str] | None:
    """Why this target can't serve, as (reason, message), or None. Unknown never excludes.

    Args:
        windows: context windows learned from errors, by the target's identity.
        window_floor: tokens that were already too few elsewhere.
    """
    if target.disabled:
        return "disabled", "a variable of its provider is not set"
    has = target.capabilities
    for need in ("tools", "vision", "json_schema", "streaming"):
        if getattr(needs, need) and getattr(has, need) is False:
            return "unsupported", f"no {need}"
    window = windows.get(target.identity, has.context_window)
    if window is None:
        return None
    if needs.least_tokens > window:
        return "too_small", f"the prompt has at least {needs.least_tokens} tokens, the window {window}"
    if window_floor and window <= window_floor:
        return "too_small", f"a window of {window_floor} was too small, this one has {window}"
    return None


def serves(tier: Tier, codes: set[ErrorCode]) -> bool:
    """Whether a fallback tier takes over after these codes."""
    if tier.on is None:
        return any(falls_back(code) for code in codes)
    return not codes.isdisjoint(tier.on)


def decide(chain: Chain, needs: Needs, trace: Trace, at: Situation) -> Decision:
    """The walk along a chain; returns why it ended ("" when every target was tried).

    Args:
        trace: gets the skips and waits; the attempts are the caller's to write.
    """
    start = at.clock()
    seen = _Progress()
    entered: set[int] = set()
    for number, tier in enumerate(chain.tiers):
        if not _enters(number, tier, entered, seen):
            continue
        entered.add(number)
        skipped: set[str] = set()
        while (target := _pick(tier, number, needs, seen, at, trace, start, skipped)) is not None:
            while True:
                if note := _spent(seen, chain.retry, at):
                    return note
                error = yield Call(target, number)
                if error is None:
                    return ""
                _learn(seen, target, error)
                if not _again_at_once(seen, target, error, chain.retry, at):
                    break
            if _final(error):
                if not _named_later(chain, number, error):
                    return RAISE
                break  # only a tier that names this code may go on
    if seen.last is None:
        note = yield from _patiently(chain, needs, seen, entered, trace, start, at)
        if seen.last is None:
            return note
    return (yield from _again(chain, needs, seen, trace, start, at))


def _enters(number: int, tier: Tier, entered: set[int], seen: _Progress) -> bool:
    if number == 0:
        return True
    if tier.gate is not None and tier.gate not in entered:
        return False  # part of a fallback route whose first tier was not entered
    return serves(tier, seen.codes)


def _pick(
    tier: Tier,
    number: int,
    needs: Needs,
    seen: _Progress,
    at: Situation,
    trace: Trace,
    start: float,
    skipped: set[str],
) -> Target | None:
    now = at.clock()
    eligible: list[Target] = []
    for target in tier.targets:
        if target.weight <= 0 or target.identity in seen.tried:
            continue
        why = unfit(target, needs, at.windows, seen.window_floor)
        if why is None:
            refusal = at.states.refusal(target, needs.prompt_tokens, needs.max_tokens, now)
            if refusal is None:
                eligible.append(target)
                continue
            why = refusal.reason, refusal.message
        if target.name not in skipped:
            skipped.add(target.name)
            trace.entries.append(Skip(target.name, number, now - start, *why))
            if seen.last is None:
                seen.codes.add(_SKIP_CODES[why[0]])
    if len(eligible) > 1:
        return tier.balancer.pick(eligible, at.look(needs))
    return eligible[0] if eligible else None


# What a skip counts as when a tier is left without one attempt, so that `on` can name it.
_SKIP_CODES = {
    "disabled": ErrorCode.AUTHENTICATION,
    "unsupported": ErrorCode.UNSUPPORTED,
    "too_small": ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    "circuit_open": ErrorCode.OVERLOADED,
    "draining": ErrorCode.OVERLOADED,
    "held": ErrorCode.RATE_LIMITED,
    "limited": ErrorCode.RATE_LIMITED,
    "saturated": ErrorCode.RATE_LIMITED,
}


def _patiently(
    chain: Chain,
    needs: Needs,
    seen: _Progress,
    entered: set[int],
    trace: Trace,
    start: float,
    at: Situation,
) -> Decision:
    """No target was eligible: wait for the first that will be, or probe the breaker that opens soonest."""
    refused = _refused(chain, needs, seen, entered, at)
    longest = min(chain.retry.max_wait, at.deadline - at.clock())
    for until, number, target, reason in sorted(refused, key=lambda each: each[:2]):
        pause = max(0.0, until - at.clock())
        if reason == "saturated":
            if (yield Wait(longest, place=target)) is not None:
                continue
            error = yield Call(target, number, placed=True)
        elif reason in ("held", "limited") and pause <= longest:
            # What is reserved now is waited for by those who come later: first come, first served.
            reserved = at.states.reserve(target, needs.prompt_tokens, needs.max_tokens, at.clock())
            trace.entries.append(Pause(target.name, at.clock() - start, pause))
            yield Wait(pause, reserved=(target, reserved))
            error = yield Call(target, number, reserved)
        elif reason == "circuit_open" and not _probing(at.states, target, at.clock()):
            error = yield Call(target, number)
        else:
            continue
        if error is not None:
            _learn(seen, target, error)
        return ""
    return ""


def _refused(
    chain: Chain, needs: Needs, seen: _Progress, entered: set[int], at: Situation
) -> list[tuple[float, int, Target, str]]:
    """(when it may be called, tier, target, reason) of every target that could serve but for the moment."""
    now = at.clock()
    found: list[tuple[float, int, Target, str]] = []
    known: set[str] = set()
    for number in sorted(entered):
        for target in chain.tiers[number].targets:
            if target.weight <= 0 or target.identity in known:
                continue
            known.add(target.identity)
            if unfit(target, needs, at.windows, seen.window_floor) is not None:
                continue
            refusal = at.states.refusal(target, needs.prompt_tokens, needs.max_tokens, now)
            if refusal is None:
                found.append((now, number, target, "limited"))
            elif refusal.reason != "draining":
                found.append((refusal.until, number, target, refusal.reason))
    return found


def next_try(chain: Chain, needs: Needs, at: Situation) -> float | None:
    """Seconds until some target of the chain may be called again; None where nobody knows."""
    refused = _refused(chain, needs, _Progress(), set(range(len(chain.tiers))), at)
    soonest = min((until for until, *_ in refused), default=inf)
    return None if soonest == inf else max(0.0, soonest - at.clock())


def _probing(states: States, target: Target, now: float) -> bool:
    guards = states.guards(target)
    by_hand = any(guard.breaker.manual for guard in guards)
    return by_hand or any(guard.breaker.probing(now) for guard in guards)


def _learn(seen: _Progress, target: Target, error: ProviderError) -> None:
    seen.attempts += 1
    seen.tried.setdefault(target.identity, []).append(error)
    seen.last = error
    seen.codes = {error.code}
    if error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED:
        window = error.context_window or target.capabilities.context_window or 0
        seen.window_floor = max(seen.window_floor, window)


def _final(error: ProviderError) -> bool:
    """Whether no other target may have this request, unless a tier names the code."""
    return CONSEQUENCES[error.code].fallback in ("no", "if_named", "stream_policy")


def _named_later(chain: Chain, number: int, error: ProviderError) -> bool:
    return any(tier.on is not None and error.code in tier.on for tier in chain.tiers[number + 1 :])


def _again_at_once(seen: _Progress, target: Target, error: ProviderError, rules: RetryRules, at: Situation) -> bool:
    """A pooled connection that the server closed as it was used: the same target, without a wait."""
    fresh = len(seen.tried[target.identity]) == 1
    if error.code is not ErrorCode.CONNECTION_FAILED or error.phase != "read" or not fresh or rules.same_target <= 0:
        return False
    now = at.clock()
    return at.states.refusal(target, 0, 0, now) is None and at.budget.take(now)


def _admitted(states: States, target: Target, now: float) -> bool:
    return all(guard.breaker.admits(now) for guard in states.guards(target))


def _spent(seen: _Progress, rules: RetryRules, at: Situation) -> str:
    if seen.attempts >= rules.max_attempts:
        return f"retry.max_attempts is {rules.max_attempts}"
    return "the deadline has passed (timeout.total)" if at.clock() >= at.deadline else ""


def _again(chain: Chain, needs: Needs, seen: _Progress, trace: Trace, start: float, at: Situation) -> Decision:
    """No untried target is left: those whose error allows a retry, after the shortest wait."""
    if seen.last is not None and _final(seen.last):
        return RAISE
    for retry in range(chain.retry.max_attempts):
        options = _options(chain, seen, retry, at)
        if not options:
            return ""
        pause, number, target = min(options, key=lambda option: option[:2])
        if note := _spent(seen, chain.retry, at):
            return note
        if at.clock() + pause >= at.deadline:
            return "no time is left for another try (timeout.total)"
        if not at.budget.take(at.clock()):
            return "the route's retry budget is used up (retry.budget)"
        if pause > 0:
            trace.entries.append(Pause(target.name, at.clock() - start, pause))
            yield Wait(pause)
            if at.states.refusal(target, needs.prompt_tokens, needs.max_tokens, at.clock()) is not None:
                continue  # others have used what was left meanwhile
        error = yield Call(target, number)
        if error is None:
            return ""
        _learn(seen, target, error)
        if _final(error):
            return RAISE
    return ""


def _options(chain: Chain, seen: _Progress, retry: int, at: Situation) -> list[tuple[float, int, Target]]:
    """(seconds to wait, tier, target) of every target that may be tried again."""
    rules = chain.retry
    options: list[tuple[float, int, Target]] = []
    asked: set[str] = set()
    for number, tier in enumerate(chain.tiers):
        for target in tier.targets:
            errors = seen.tried.get(target.identity)
            if not errors or target.weight <= 0 or len(errors) > rules.same_target or target.identity in asked:
                continue
            asked.add(target.identity)
            if CONSEQUENCES[errors[-1].code].retry == "no" or not _admitted(at.states, target, at.clock()):
                continue
            held = at.states.held(target) - at.clock()
            if held > 0:
                pause = held  # a Retry-After, or what stands for one
            elif errors[-1].retry_after is not None:
                pause = errors[-1].retry_after
            else:
                pause = full_jitter(retry, rules.backoff, rules.max_backoff, at.chance)
            if pause > rules.max_wait:
                continue
            options.append((pause, number, target))
    return options
