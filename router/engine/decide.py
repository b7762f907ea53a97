"""Every decision about one request, without I/O: which target next, when to wait, when to give up.

`decide` is a generator. It yields a `Step`, is sent what came of it (an `Outcome`) and ends when nothing is left.
`router.engine.failover` drives it with real calls.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

from msgspec.structs import replace

from providers.errors import CONSEQUENCES, ProviderError
from router.engine.context import RequestContext
from router.engine.eligibility import Progress, breakers_admit, callable_later, is_probed, pick
from router.engine.needs import serves
from router.engine.steps import Call, Decision, End, Failed, Outcome, Placed, Slow, Stay, Step, Wait
from router.plan.plan import Tier
from router.plan.target import Key, Target
from router.state.limits import Reserved
from router.state.retries import full_jitter
from router.views.trace import Pause

PickHedge = Callable[..., Call | None]  # called with `beside`, the identities of targets under way


def decide(context: RequestContext) -> Decision:
    """Walk along a chain, step by step; returns why the walk ended.

    The skips and waits go into the trace; the attempts are written by those who make them.
    """
    chain, progress = context.chain, Progress()
    for tier_index, tier in enumerate(chain.tiers):
        if tier_index and not _enters(tier, progress):
            continue
        progress.entered.add(tier_index)
        pick_next = partial(pick, context, progress, tier_index, set())
        while (call := pick_next()) is not None:
            if note := _no_more_attempts(context, progress):
                return End(note)
            error = yield from _call(call, context, progress, pick_next)
            if error is None:
                return End()
            if _is_final(error):
                if not _is_named_later(context, tier_index, error):
                    return End(is_callers_fault=True)
                break  # only a tier that names this code may go on
    if progress.last is None:
        end = yield from _wait_for_any(context, progress)
        if progress.last is None:
            return end
    return (yield from _retry_rounds(context, progress))


def hedge_after(context: RequestContext, target: Target) -> float | None:
    """Return the seconds until a second target is called beside this one; None when none will be."""
    rules = context.chain.hedge
    if rules is None:
        return None
    if not isinstance(rules.after, str):
        return rules.after
    state = context.states.target(target)
    return (state.firsts if context.requirements.streaming else state.answers).quantile(0.95)


# --- one call, and those beside it


def _call(
    call: Call, context: RequestContext, progress: Progress, pick_hedge: PickHedge
) -> Generator[Step, Outcome, ProviderError | None]:
    """Make one call, and while it is slow others beside it; returns the last error, None when one delivered."""
    progress.attempts += 1
    under_way = [call.target.identity]
    outcome = yield call
    while outcome is not None:
        if isinstance(outcome, Slow):
            hedge = _hedge(context, progress, under_way, pick_hedge)
            if hedge is None:
                outcome = yield Stay()
                continue
            under_way.append(hedge.target.identity)
            outcome = yield hedge
            continue
        assert isinstance(outcome, Failed)
        if _may_renew(outcome, call, context, progress):
            call = replace(outcome.call or call, reserved=None, placed=False)
            outcome = yield call
            continue
        progress.learn(outcome.call or call, outcome.error)
        if not outcome.others:
            return outcome.error
        outcome = yield Stay()
    return None


def _may_renew(failed: Failed, call: Call, context: RequestContext, progress: Progress) -> bool:
    """Say whether a call is made again at once, on a new connection, since an old one was closed just as it was used.

    Once for a target. It is no further attempt: nothing of the first has reached the model, as far as one can tell.
    """
    call = failed.call or call
    target = call.target
    if not failed.error.stale_connection or failed.others or target.identity in progress.renewed:
        return False
    progress.renewed.add(target.identity)
    return context.states.refusal_for_key(target, call.key, 0, 0, context.clock()) is None


def _hedge(context: RequestContext, progress: Progress, under_way: list[str], pick_hedge: PickHedge) -> Call | None:
    """Return the next call beside those under way, where the budgets of hedges, retries and attempts allow one."""
    rules = context.chain.hedge
    if rules is None or len(under_way) > rules.max or _no_more_attempts(context, progress):
        return None
    if not context.hedge_budget.take():
        return None
    if context.retry_budget.take(context.clock()):
        hedge = pick_hedge(beside=under_way)
        if hedge is not None:
            progress.attempts += 1
            return replace(hedge, hedge=True)
        context.retry_budget.give_back()
    context.hedge_budget.give_back()
    return None


def _no_hedge(**_: object) -> None:
    """Pick nobody to call beside, for calls that are not hedged."""


# --- what an error leads to


def _enters(tier: Tier, progress: Progress) -> bool:
    if tier.gate is not None and tier.gate not in progress.entered:
        return False  # part of a fallback route whose first tier was not entered
    return serves(tier, progress.codes)


def _is_final(error: ProviderError) -> bool:
    """Say whether no other target may have this request, unless a tier names the code."""
    return CONSEQUENCES[error.code].fallback in ("no", "if_named", "stream_policy")


def _is_named_later(context: RequestContext, tier_index: int, error: ProviderError) -> bool:
    return any(tier.on is not None and error.code in tier.on for tier in context.chain.tiers[tier_index + 1 :])


def _no_more_attempts(context: RequestContext, progress: Progress) -> str:
    """Say why no further attempt may be made; "" when one may."""
    most = context.chain.retry.max_attempts
    if progress.attempts >= most:
        return f"retry.max_attempts is {most}"
    if not progress.attempts:
        return ""  # the first is always made
    return "the deadline has passed (timeout.total)" if context.clock() >= context.deadline else ""


# --- waiting


def _wait_for_any(context: RequestContext, progress: Progress) -> Decision:
    """Wait for the first target that will be eligible, or probe the breaker that opens soonest: now there is none."""
    later = callable_later(context, progress, progress.entered)
    began = context.clock()
    for until, tier_index, target, key, reason in sorted(later, key=lambda option: option[:2]):
        pause = max(0.0, until - context.clock())
        longest = min(target.retry.max_wait + began, context.deadline) - context.clock()
        if reason == "saturated" and longest > 0:
            placed = yield Wait(longest, place=target)
            if not isinstance(placed, Placed):
                continue
            call = Call(target, tier_index, placed.key, placed=True)
        elif reason in ("held", "limited", "over_budget") and pause <= longest:
            context.trace.entries.append(Pause(target.name, context.clock() - context.began, pause))
            reserved = yield from _in_line(context, target, key, pause, longest)
            if reserved is None:
                continue
            call = Call(target, tier_index, key, reserved)
        elif reason == "circuit_open" and not is_probed(context, target, key):
            call = Call(target, tier_index, key)
        else:
            continue
        yield from _call(call, context, progress, _no_hedge)
        return End()
    return End()


def _in_line(
    context: RequestContext, target: Target, key: Key, pause: float, longest: float
) -> Generator[Step, Outcome, tuple[Reserved, Reserved] | None]:
    """Wait for a limit or a hold, first come, first served: those who come later wait for what is reserved now.

    None when those before have used more than was expected, and waiting on would take too long.
    """
    states, needs = context.states, context.requirements
    reserved = states.reserve(target, key, needs.prompt_tokens, needs.max_tokens, context.clock())
    while True:
        yield Wait(pause, reserved=(target, key, reserved))
        longest -= pause
        pause = states.early(target, key, reserved, context.clock())
        if pause <= 0:
            return reserved
        if pause > longest:
            states.give_back(target, key, reserved, context.clock())
            return None


# --- the same targets again


def _retry_rounds(context: RequestContext, progress: Progress) -> Decision:
    """Retry targets whose error allows it, after the shortest wait: no untried target is left."""
    if progress.last is not None and _is_final(progress.last):
        return End(is_callers_fault=True)
    needs = context.requirements
    for retry in range(context.chain.retry.max_attempts):
        options = _retries(context, progress, retry)
        if not options:
            return End()
        pause, tier_index, target, key = min(options, key=lambda option: option[:2])
        if note := _no_more_attempts(context, progress):
            return End(note)
        if context.clock() + pause >= context.deadline:
            return End("no time is left for another try (timeout.total)")
        if not context.retry_budget.take(context.clock()):
            return End("the route's retry budget is used up (retry.budget)")
        if pause > 0:
            context.trace.entries.append(Pause(target.name, context.clock() - context.began, pause))
            yield Wait(pause)
            now = context.clock()
            if context.states.refusal_for_key(target, key, needs.prompt_tokens, needs.max_tokens, now) is not None:
                continue  # others have used what was left meanwhile
        error = yield from _call(Call(target, tier_index, key), context, progress, _no_hedge)
        if error is None:
            return End()
        if _is_final(error):
            return End(is_callers_fault=True)
    return End()


def _retries(context: RequestContext, progress: Progress, retry: int) -> list[tuple[float, int, Target, Key]]:
    """List (seconds to wait, tier, target, key) of every target that may be tried again."""
    options: list[tuple[float, int, Target, Key]] = []
    seen: set[str] = set()
    for tier_index, tier in enumerate(context.chain.tiers):
        for target in tier.targets:
            errors = progress.tried.get(target.identity)
            if not errors or target.weight <= 0 or target.identity in seen:
                continue
            seen.add(target.identity)
            if len(errors) > target.retry.same_target or CONSEQUENCES[errors[-1].code].retry == "no":
                continue
            for key in target.keys:
                pause = _pause(context, target, key, errors[-1], retry)
                if pause <= target.retry.max_wait and breakers_admit(context, target, key):
                    options.append((pause, tier_index, target, key))
    return options


def _pause(context: RequestContext, target: Target, key: Key, error: ProviderError, retry: int) -> float:
    """Return the seconds until this may be tried again: what the vendor asked for, else the backoff."""
    held = context.states.held(target, key) - context.clock()
    if held > 0:
        return held  # a Retry-After, or what stands for one
    if error.retry_after is not None:
        return error.retry_after
    rules = target.retry
    return full_jitter(retry, rules.backoff, rules.max_backoff, context.rng)
