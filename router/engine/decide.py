"""Every decision about one request, without I/O: which target next, when to wait, when to give up.

`decide` is a generator. It yields a `Step`, is sent what came of it (an `Outcome`) and ends when nothing is left. The
engine drives it with real calls; `explain` asks the same helpers without any.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from providers.errors import CONSEQUENCES, ErrorCode, ProviderError
from router.engine.needs import Requirements, serves, why_unfit
from router.engine.situation import RequestContext
from router.engine.steps import Call, Decision, Failed, Outcome, Placed, Slow, Stay, Step, Wait
from router.plan.plan import Chain, Tier
from router.plan.rules import RetryRules
from router.plan.target import Key, Target
from router.state.guard import Refusal
from router.state.limits import Reserved
from router.state.retries import full_jitter
from router.state.states import States
from router.views.trace import Pause, Skip, Trace

if TYPE_CHECKING:
    pass


RAISE = "raise"  # what `decide` returns when the last error is the caller's own


class _Progress(msgspec.Struct):
    """What the request has seen so far. `tried` has an error for each attempt, `keys` the keys that an error was about,
    both by the target's identity."""

    tried: dict[str, list[ProviderError]] = {}  # of its own: msgspec copies what is empty
    keys: dict[str, set[str]] = {}
    attempts: int = 0
    window_floor: int = 0  # a prompt that did not fit into this many tokens needs more
    last: ProviderError | None = None
    codes: set[ErrorCode] = set()


def decide(chain: Chain, needs: Requirements, trace: Trace, at: RequestContext) -> Decision:
    """The walk along a chain; returns why it ended ("" when every target was tried).

    Args:
        trace: gets the skips and waits; the attempts are the caller's to write.
    """
    start = at.began
    seen = _Progress()
    entered: set[int] = set()
    for number, tier in enumerate(chain.tiers):
        if not _enters(number, tier, entered, seen):
            continue
        entered.add(number)
        skipped: set[str] = set()
        pick = partial(_pick, chain, number, needs, seen, at, trace, start, skipped)
        while (call := pick()) is not None:
            while True:
                if note := _spent(seen, chain.retry, at):
                    return note
                error = yield from _race(call, chain, seen, pick, at)
                if error is None:
                    return ""
                if not _again_at_once(seen, call, error, at):
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


def _race(
    call: Call, chain: Chain, seen: _Progress, pick: Callable[..., Call | None], at: RequestContext
) -> Generator[Step, Outcome, ProviderError | None]:
    """One call, and while it is slow those beside it; gives the last error, None when one delivered."""
    seen.attempts += 1
    under_way = [call.target.identity]
    outcome = yield call
    while outcome is not None:
        if isinstance(outcome, Slow):
            other = _hedge(chain, seen, under_way, pick, at)
            if other is None:
                outcome = yield Stay()
                continue
            under_way.append(other.target.identity)
            outcome = yield other
            continue
        assert isinstance(outcome, Failed)
        _learn(seen, outcome.call or call, outcome.error)
        if not outcome.others:
            return outcome.error
        outcome = yield Stay()
    return None


def _hedge(
    chain: Chain, seen: _Progress, under_way: list[str], pick: Callable[..., Call | None], at: RequestContext
) -> Call | None:
    """The next call beside those under way, where the budgets of hedges, retries and attempts allow one."""
    rules = chain.hedge
    if rules is None or len(under_way) > rules.max or _spent(seen, chain.retry, at):
        return None
    if not at.hedges.take():
        return None
    if at.budget.take(at.clock()):
        other = pick(beside=under_way)
        if other is not None:
            seen.attempts += 1
            return replace(other, hedge=True)
        at.budget.give_back()
    at.hedges.give_back()
    return None


def hedge_after(chain: Chain, target: Target, needs: Requirements, at: RequestContext) -> float | None:
    """Seconds until a second target is called beside this one; None: none will be."""
    rules = chain.hedge
    if rules is None:
        return None
    if not isinstance(rules.after, str):
        return rules.after
    state = at.states.of(target)
    return (state.firsts if needs.streaming else state.answers).quantile(0.95)


def _enters(number: int, tier: Tier, entered: set[int], seen: _Progress) -> bool:
    if number == 0:
        return True
    if tier.gate is not None and tier.gate not in entered:
        return False  # part of a fallback route whose first tier was not entered
    return serves(tier, seen.codes)


def _pick(
    chain: Chain,
    number: int,
    needs: Requirements,
    seen: _Progress,
    at: RequestContext,
    trace: Trace,
    start: float,
    skipped: set[str],
    beside: Collection[str] = (),
) -> Call | None:
    now, tier = at.clock(), chain.tiers[number]
    prompt, max_tokens = needs.prompt_tokens, needs.max_tokens

    def may(target: Target) -> bool:
        if target.weight <= 0 or (seen.tried and not _is_left(seen, target)) or target.identity in beside:
            return False
        why = why_unfit(target, needs, at.windows, seen.window_floor)
        if why is None:
            refusal = None if at.spending is None else _over_budget(chain, target, at, now)
            if refusal is None:
                without = seen.keys.get(target.identity, ())
                refusal = at.states.refusal(target, prompt, max_tokens, now, without)
            if refusal is None:
                return True
            why = refusal.reason, refusal.message
        if target.name not in skipped:
            skipped.add(target.name)
            trace.entries.append(Skip(target.name, number, now - start, *why))
            if seen.last is None:
                seen.codes.add(_SKIP_CODES[why[0]])
        return False

    if len(tier.targets) == 1:
        target = tier.targets[0] if may(tier.targets[0]) else None
    else:
        target = tier.balancer.pick(tier.targets, may, at.look(needs))
    if target is None:
        return None
    without = seen.keys.get(target.identity, ())
    return Call(target, number, at.states.best_key(target, prompt, max_tokens, now, without))


def _over_budget(chain: Chain, target: Target, at: RequestContext, now: float) -> Refusal | None:
    if at.spending is None:
        return None
    found = at.spending.over((chain.budget, target.budget), target)
    if found is None:
        return None
    purse, seconds = found
    budget = purse.budget
    used = f"${purse.spent:.2f} of ${budget.usd:g} {budget.period}"
    message = f"the budget of {budget.purse} is used up ({used}); it begins anew in {_rough(seconds)}"
    return Refusal("over_budget", message, now + seconds)


def _rough(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _is_left(seen: _Progress, target: Target) -> bool:
    """Whether the target was not tried yet, or only with keys that it may fare better without."""
    errors = seen.tried.get(target.identity)
    if not errors:
        return True
    used = seen.keys.get(target.identity)
    return used is not None and CONSEQUENCES[errors[-1].code].other_key and len(used) < len(target.keys)


# What a skip counts as when a tier is left without one attempt, so that `on` can name it.
_SKIP_CODES = {
    "disabled": ErrorCode.AUTHENTICATION,
    "unsupported": ErrorCode.UNSUPPORTED,
    "too_small": ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    "circuit_open": ErrorCode.OVERLOADED,
    "draining": ErrorCode.OVERLOADED,
    "held": ErrorCode.RATE_LIMITED,
    "limited": ErrorCode.RATE_LIMITED,
    "over_budget": ErrorCode.QUOTA_EXHAUSTED,
    "saturated": ErrorCode.RATE_LIMITED,
}


def _patiently(
    chain: Chain,
    needs: Requirements,
    seen: _Progress,
    entered: set[int],
    trace: Trace,
    start: float,
    at: RequestContext,
) -> Decision:
    """No target was eligible: wait for the first that will be, or probe the breaker that opens soonest."""
    refused = _refused(chain, needs, seen, entered, at)
    began = at.clock()
    for until, number, target, key, reason in sorted(refused, key=lambda each: each[:2]):
        pause = max(0.0, until - at.clock())
        longest = min(target.retry.max_wait + began, at.deadline) - at.clock()
        if reason == "saturated" and longest > 0:
            placed = yield Wait(longest, place=target)
            if not isinstance(placed, Placed):
                continue
            call = Call(target, number, placed.key, placed=True)
        elif reason in ("held", "limited", "over_budget") and pause <= longest:
            trace.entries.append(Pause(target.name, at.clock() - start, pause))
            reserved = yield from _in_line(target, key, pause, longest, needs, at)
            if reserved is None:
                continue
            call = Call(target, number, key, reserved)
        elif reason == "circuit_open" and not _probing(at.states, target, key, at.clock()):
            call = Call(target, number, key)
        else:
            continue
        yield from _race(call, chain, seen, _nobody, at)
        return ""
    return ""


def _in_line(
    target: Target, key: Key, pause: float, longest: float, needs: Requirements, at: RequestContext
) -> Generator[Step, Outcome, tuple[Reserved, Reserved] | None]:
    """Wait for a limit or a hold, first come, first served: what is reserved now is waited for by those who come later.

    None when those before have used more than was expected, and waiting on would take too long.
    """
    reserved = at.states.reserve(target, key, needs.prompt_tokens, needs.max_tokens, at.clock())
    while True:
        yield Wait(pause, reserved=(target, key, reserved))
        longest -= pause
        pause = at.states.early(target, key, reserved, at.clock())
        if pause <= 0:
            return reserved
        if pause > longest:
            at.states.give_back(target, key, reserved, at.clock())
            return None


def _nobody(**_: object) -> None:
    """There is nobody to call beside."""


def _refused(
    chain: Chain, needs: Requirements, seen: _Progress, entered: set[int], at: RequestContext
) -> list[tuple[float, int, Target, Key, str]]:
    """(when it may be called, tier, target, key, reason) of all that could serve but for the moment."""
    now = at.clock()
    found: list[tuple[float, int, Target, Key, str]] = []
    known: set[str] = set()
    for number in sorted(entered):
        for target in chain.tiers[number].targets:
            if target.weight <= 0 or target.identity in known:
                continue
            known.add(target.identity)
            if why_unfit(target, needs, at.windows, seen.window_floor) is not None:
                continue
            over = _over_budget(chain, target, at, now)
            for key in target.keys:
                refusal = over or at.states.why(target, key, needs.prompt_tokens, needs.max_tokens, now)
                if refusal is None:
                    found.append((now, number, target, key, "limited"))
                elif refusal.reason != "draining":
                    found.append((refusal.until, number, target, key, refusal.reason))
    return found


def next_try(chain: Chain, needs: Requirements, at: RequestContext) -> float | None:
    """Seconds until some target of the chain may be called again; None where nobody knows."""
    refused = _refused(chain, needs, _Progress(), set(range(len(chain.tiers))), at)
    soonest = min((each[0] for each in refused), default=inf)
    return None if soonest == inf else max(0.0, soonest - at.clock())


def _probing(states: States, target: Target, key: Key, now: float) -> bool:
    guards = states.guards(target, key)
    by_hand = any(guard.breaker.manual for guard in guards)
    return by_hand or any(guard.breaker.probing(now) for guard in guards)


def _learn(seen: _Progress, call: Call, error: ProviderError) -> None:
    target = call.target
    seen.tried.setdefault(target.identity, []).append(error)
    if call.key.number and CONSEQUENCES[error.code].other_key:
        seen.keys.setdefault(target.identity, set()).add(call.key.identity)
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


def _again_at_once(seen: _Progress, call: Call, error: ProviderError, at: RequestContext) -> bool:
    """A pooled connection that the server closed as it was used: the same target, without a wait."""
    target = call.target
    fresh = len(seen.tried.get(target.identity, ())) == 1
    if error.code is not ErrorCode.CONNECTION_FAILED or error.phase != "read" or not fresh:
        return False
    now = at.clock()
    allowed = target.retry.same_target > 0 and at.states.why(target, call.key, 0, 0, now) is None
    return allowed and at.budget.take(now)


def _admitted(states: States, target: Target, key: Key, now: float) -> bool:
    return all(guard.breaker.admits(now) for guard in states.guards(target, key))


def _spent(seen: _Progress, rules: RetryRules, at: RequestContext) -> str:
    if seen.attempts >= rules.max_attempts:
        return f"retry.max_attempts is {rules.max_attempts}"
    if not seen.attempts:
        return ""  # the first is always made
    return "the deadline has passed (timeout.total)" if at.clock() >= at.deadline else ""


def _again(
    chain: Chain, needs: Requirements, seen: _Progress, trace: Trace, start: float, at: RequestContext
) -> Decision:
    """No untried target is left: those whose error allows a retry, after the shortest wait."""
    if seen.last is not None and _final(seen.last):
        return RAISE
    for retry in range(chain.retry.max_attempts):
        options = _options(chain, seen, retry, at)
        if not options:
            return ""
        pause, number, target, key = min(options, key=lambda option: option[:2])
        if note := _spent(seen, chain.retry, at):
            return note
        if at.clock() + pause >= at.deadline:
            return "no time is left for another try (timeout.total)"
        if not at.budget.take(at.clock()):
            return "the route's retry budget is used up (retry.budget)"
        if pause > 0:
            trace.entries.append(Pause(target.name, at.clock() - start, pause))
            yield Wait(pause)
            if at.states.why(target, key, needs.prompt_tokens, needs.max_tokens, at.clock()) is not None:
                continue  # others have used what was left meanwhile
        error = yield from _race(Call(target, number, key), chain, seen, _nobody, at)
        if error is None:
            return ""
        if _final(error):
            return RAISE
    return ""


def _options(chain: Chain, seen: _Progress, retry: int, at: RequestContext) -> list[tuple[float, int, Target, Key]]:
    """(seconds to wait, tier, target, key) of every target that may be tried again."""
    options: list[tuple[float, int, Target, Key]] = []
    asked: set[str] = set()
    for number, tier in enumerate(chain.tiers):
        for target in tier.targets:
            errors = seen.tried.get(target.identity)
            if not errors or target.weight <= 0 or target.identity in asked:
                continue
            asked.add(target.identity)
            if len(errors) > target.retry.same_target or CONSEQUENCES[errors[-1].code].retry == "no":
                continue
            for key in target.keys:
                pause = _pause(target, key, errors[-1], retry, at)
                if pause <= target.retry.max_wait and _admitted(at.states, target, key, at.clock()):
                    options.append((pause, number, target, key))
    return options


def _pause(target: Target, key: Key, error: ProviderError, retry: int, at: RequestContext) -> float:
    """Seconds until this may be tried again: what the vendor asked for, else the backoff."""
    held = at.states.held(target, key) - at.clock()
    if held > 0:
        return held  # a Retry-After, or what stands for one
    if error.retry_after is not None:
        return error.retry_after
    rules = target.retry
    return full_jitter(retry, rules.backoff, rules.max_backoff, at.chance)
