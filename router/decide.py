"""Every decision about one request, without I/O: which target next, when to wait, when to give up.

`decide` is a generator. It yields `Call` or `Wait`, is sent what came of a call (`None` for success, else the
error) and ends when nothing is left. The engine drives it with real calls; `explain` asks the same helpers
without any.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from providers.errors import CONSEQUENCES, ErrorCode, ProviderError
from router.backoff import full_jitter
from router.errors import falls_back
from router.plan import Chain, RetryRules, Tier
from router.target import Target
from router.trace import Pause, Skip, Trace


@dataclass(frozen=True, slots=True)
class Call:
    """Try this target now."""

    target: Target
    tier: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so many seconds; nothing else could be done meanwhile."""

    seconds: float


Step: TypeAlias = Call | Wait
Decision: TypeAlias = Generator[Step, ProviderError | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a request asks of a target; `least_tokens` is a lower bound of the prompt's size."""

    tools: bool = False
    vision: bool = False
    json_schema: bool = False
    streaming: bool = False
    least_tokens: int = 0


RAISE = "raise"  # what `decide` returns when the last error is the caller's own


@dataclass(slots=True)
class _Progress:
    """What the request has seen so far."""

    tried: dict[str, list[ProviderError]] = field(default_factory=dict)  # by identity: one error an attempt
    attempts: int = 0
    window_floor: int = 0  # a prompt that did not fit into this many tokens needs more
    last: ProviderError | None = None
    codes: set[ErrorCode] = field(default_factory=set)  # why the tiers so far could not serve


def unfit(target: Target, needs: Needs, windows: Mapping[str, int], window_floor: int = 0) -> tuple[str, str] | None:
    """Why this target can't serve, as (reason, message), or None. Unknown never excludes.

    Args:
        windows: context windows learned from errors, by `provider/model`.
        window_floor: tokens that were already too few elsewhere.
    """
    if target.disabled:
        return "disabled", "a variable of its provider is not set"
    has = target.capabilities
    for need in ("tools", "vision", "json_schema", "streaming"):
        if getattr(needs, need) and getattr(has, need) is False:
            return "unsupported", f"no {need}"
    window = windows.get(identity(target), has.context_window)
    if window is None:
        return None
    if needs.least_tokens > window:
        return "too_small", f"the prompt has at least {needs.least_tokens} tokens, the window {window}"
    if window_floor and window <= window_floor:
        return "too_small", f"a window of {window_floor} was too small, this one has {window}"
    return None


def identity(target: Target) -> str:
    """What a target is, whatever route names it: `provider/model`."""
    return f"{target.provider}/{target.model}"


def serves(tier: Tier, codes: set[ErrorCode]) -> bool:
    """Whether a fallback tier takes over after these codes."""
    if tier.on is None:
        return any(falls_back(code) for code in codes)
    return not codes.isdisjoint(tier.on)


def decide(
    chain: Chain,
    needs: Needs,
    trace: Trace,
    *,
    clock: Callable[[], float],
    deadline: float,
    chance: random.Random,
    windows: Mapping[str, int],
) -> Decision:
    """The walk along a chain; returns why it ended ("" when every target was tried).

    Args:
        clock: the loop's time in seconds; `deadline` is on it.
        trace: gets the skips and waits; the attempts are the caller's to write.
    """
    start = clock()
    seen = _Progress()
    entered: set[int] = set()
    for number, tier in enumerate(chain.tiers):
        if not _enters(number, tier, entered, seen):
            continue
        entered.add(number)
        skipped: set[str] = set()
        while (target := _pick(tier, number, needs, seen, windows, trace, clock() - start, skipped)) is not None:
            while True:
                if note := _spent(seen, chain.retry, clock(), deadline):
                    return note
                error = yield Call(target, number)
                if error is None:
                    return ""
                _learn(seen, target, error)
                if not _again_at_once(seen, target, error, chain.retry):
                    break
            if _final(error):
                if not _named_later(chain, number, error):
                    return RAISE
                break  # only a tier that names this code may go on
    if seen.last is None or _final(seen.last):
        return "" if seen.last is None else RAISE
    return (yield from _again(chain, seen, trace, start, clock, deadline, chance))


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
    windows: Mapping[str, int],
    trace: Trace,
    at: float,
    skipped: set[str],
) -> Target | None:
    eligible: list[Target] = []
    for target in tier.targets:
        if target.weight <= 0 or identity(target) in seen.tried:
            continue
        why = unfit(target, needs, windows, seen.window_floor)
        if why is None:
            eligible.append(target)
        elif target.name not in skipped:
            skipped.add(target.name)
            trace.entries.append(Skip(target.name, number, at, *why))
            if seen.last is None:
                seen.codes.add(_SKIP_CODES[why[0]])
    return tier.balancer.pick(eligible) if eligible else None


# What a skip counts as when a tier is left without one attempt, so that `on` can name it.
_SKIP_CODES = {
    "disabled": ErrorCode.AUTHENTICATION,
    "unsupported": ErrorCode.UNSUPPORTED,
    "too_small": ErrorCode.CONTEXT_LENGTH_EXCEEDED,
}


def _learn(seen: _Progress, target: Target, error: ProviderError) -> None:
    seen.attempts += 1
    seen.tried.setdefault(identity(target), []).append(error)
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


def _again_at_once(seen: _Progress, target: Target, error: ProviderError, rules: RetryRules) -> bool:
    """A pooled connection that the server closed as it was used: the same target, without a wait."""
    fresh = len(seen.tried[identity(target)]) == 1
    return error.code is ErrorCode.CONNECTION_FAILED and error.phase == "read" and fresh and rules.same_target > 0


def _spent(seen: _Progress, rules: RetryRules, now: float, deadline: float) -> str:
    if seen.attempts >= rules.max_attempts:
        return f"retry.max_attempts is {rules.max_attempts}"
    return "the deadline has passed (timeout.total)" if now >= deadline else ""


def _again(
    chain: Chain,
    seen: _Progress,
    trace: Trace,
    start: float,
    clock: Callable[[], float],
    deadline: float,
    chance: random.Random,
) -> Decision:
    """No untried target is left: those whose error allows a retry, after the shortest wait."""
    for retry in range(chain.retry.max_attempts):
        options = _options(chain, seen, retry, chance)
        if not options:
            return ""
        pause, number, target = min(options, key=lambda option: option[:2])
        if note := _spent(seen, chain.retry, clock(), deadline):
            return note
        if clock() + pause >= deadline:
            return "no time is left for another try (timeout.total)"
        if pause > 0:
            trace.entries.append(Pause(target.name, clock() - start, pause))
            yield Wait(pause)
        error = yield Call(target, number)
        if error is None:
            return ""
        _learn(seen, target, error)
        if _final(error):
            return RAISE
    return ""


def _options(chain: Chain, seen: _Progress, retry: int, chance: random.Random) -> list[tuple[float, int, Target]]:
    """(seconds to wait, tier, target) of every target that may be tried again."""
    rules = chain.retry
    options: list[tuple[float, int, Target]] = []
    asked: set[str] = set()
    for number, tier in enumerate(chain.tiers):
        for target in tier.targets:
            errors = seen.tried.get(identity(target))
            if not errors or target.weight <= 0 or len(errors) > rules.same_target or identity(target) in asked:
                continue
            asked.add(identity(target))
            if CONSEQUENCES[errors[-1].code].retry == "no":
                continue
            pause = errors[-1].retry_after
            if pause is None:
                pause = full_jitter(retry, rules.backoff, rules.max_backoff, chance)
            elif pause > rules.max_wait:
                continue
            options.append((pause, number, target))
    return options
