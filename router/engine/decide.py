"""Every decision about one request, without I/O: which target next, when to wait, when to give up.

`decide` is a generator. It yields a `Step`, is sent what came of it (an `Outcome`) and ends when nothing is left.
`router.engine.failover` drives it with real calls.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import inf

from msgspec.structs import replace

from providers.errors import CONSEQUENCES, ProviderError
from router.engine.context import RequestContext
from router.engine.draws import drawn, pick_beside
from router.engine.eligibility import (
    AGAIN,
    Failure,
    Later,
    Progress,
    breakers_admit,
    callable_later,
    enters,
    is_final,
    next_probe,
    pick,
    refusal,
)
from router.engine.steps import Call, Decision, End, Failed, Outcome, Placed, Slow, Stay, Step, Wait
from router.plan.plan import Draw, Tier
from router.plan.target import Key, Target
from router.state.any_rate import PATIENCE
from router.state.limits import Reserved
from router.state.retries import full_jitter
from router.views.trace import Pause

_ROUNDING = 1e-6  # seconds that are no wait: what is left of one by the rounding of floating point


def decide(context: RequestContext, progress: Progress, first: Call | None) -> Decision:
    """Walk along a chain, step by step; returns why the walk ended.

    All who may be called now are called, tier by tier. When nobody is left, the first who may be called later is waited
    for, and what comes of that may open further tiers: so it goes on, while there is time and somebody to call.

    The skips and waits go into the trace; the attempts are written by those who make them.

    Args:
        first: the call that the request began with, which is the first step.
    """
    end = None
    while end is None:
        end = yield from _call_all(context, progress, first)
        first = None
        if end is None:
            end = yield from _wait_and_call(context, progress)
    return replace(end, tiers=progress.entered)


def _call_all(context: RequestContext, progress: Progress, first: Call | None) -> Generator[Step, Outcome, End | None]:
    """Call everybody who was not tried and may be called now; None when nobody has delivered."""
    chain = context.chain
    for tier_index, tier in enumerate(chain.tiers) if chain.steps is None else drawn(context, progress):
        if not enters(tier_index, tier, progress):
            continue
        progress.entered |= {tier_index}
        while (call := first or pick(context, progress, tier_index)) is not None:
            first = None
            if note := _no_more_attempts(context, progress):
                return End(note)
            outcome = yield _counted(call, context, progress)
            error = yield from _came_of(outcome, call, context, progress, may_hedge=True)
            if error is not None and _goes_first(call.target, error):
                error = yield from _call_again(call, context, progress, error)
            if error is None:
                return End()
            if is_final(error):
                if not _is_named_later(context, tier_index, error):
                    return End(is_callers_fault=True)
                break  # only a tier that names this code may go on
    return End(is_callers_fault=True) if progress.last is not None and is_final(progress.last) else None


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


def _counted(call: Call, context: RequestContext, progress: Progress) -> Call:
    """Count a call that is made now."""
    progress.attempts += 1
    context.waited = 0.0
    return call


def _came_of(
    outcome: Outcome, call: Call, context: RequestContext, progress: Progress, *, may_hedge: bool = False
) -> Generator[Step, Outcome, ProviderError | None]:
    """Follow what came of a call, and while it is slow make others beside it; returns the last error, None when one
    delivered.
    """
    under_way = [call.target.identity]
    while outcome is not None:
        if isinstance(outcome, Slow):
            hedge = _hedge(context, progress, call.tier, under_way) if may_hedge else None
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
        failed = outcome.call or call
        progress.learn(failed, outcome.error, context.clock())
        if not outcome.others:
            return outcome.error
        under_way.remove(failed.target.identity)
        outcome = yield Stay()
    return None


def _may_renew(failed: Failed, call: Call, context: RequestContext, progress: Progress) -> bool:
    """Say whether a call is made again at once: on a new connection, since an old one was closed just as it was used,
    or with a new credential, since the vendor refused the old one.

    Once for a target. It is no further attempt: nothing of the first has reached the model, as far as one can tell.
    """
    call = failed.call or call
    target, error = call.target, failed.error
    is_stale = error.stale_connection or error.stale_credential
    if not is_stale or failed.others or target.identity in progress.renewed:
        return False
    progress.renewed |= {target.identity}
    return refusal(context, target, call.key) is None


def _hedge(context: RequestContext, progress: Progress, tier_index: int, under_way: list[str]) -> Call | None:
    """Return the next call beside those under way, where the budgets of hedges, retries and attempts allow one."""
    rules = context.chain.hedge
    if rules is None or len(under_way) > rules.max or _no_more_attempts(context, progress):
        return None
    if not context.hedge_budget.take():
        return None
    if context.retry_budget.take(context.clock()):
        hedge = pick(context, progress, tier_index, under_way)
        if hedge is None and context.chain.steps is not None:
            hedge = pick_beside(context, progress, tier_index, under_way)
        if hedge is not None:
            progress.attempts += 1
            return replace(hedge, hedge=True)
        context.retry_budget.give_back()
    context.hedge_budget.give_back()
    return None


# --- what an error leads to


def _is_named_later(context: RequestContext, tier_index: int, error: ProviderError) -> bool:
    chain = context.chain  # where chains are drawn, any may come later: those that do not are not entered then
    later: Sequence[Tier | Draw] = chain.tiers[tier_index + 1 :]
    if chain.steps is not None:
        later = *chain.tiers, *chain.draws
    return any(step.on is not None and error.code in step.on for step in later)


def _no_more_attempts(context: RequestContext, progress: Progress) -> str:
    """Say why no further attempt may be made; "" when one may."""
    most = context.chain.max_attempts
    if progress.attempts >= most:
        routing = context.request.routing
        whose = "retry.max_attempts" if routing is None or routing.max_attempts is None else "max_attempts of the call"
        return f"{whose} is {most}"
    if progress.last is None:
        return ""  # the first is always made
    return "the deadline has passed (timeout.total)" if context.clock() >= context.deadline else ""


# --- waiting


def _wait_and_call(context: RequestContext, progress: Progress) -> Generator[Step, Outcome, End | None]:
    """Wait for the first target that may be called, or called again, and call it; None when that failed, and others
    may be left.

    Without any attempt so far, the breaker that opens soonest is probed: a route is never dead for longer than its
    vendors are.
    """
    if note := _no_more_attempts(context, progress):
        return End(note)
    vain = progress.vain
    if progress.waiting_since is None:
        progress.waiting_since = context.clock()
    options = callable_later(context, progress, progress.entered) + _retries(context, progress)
    for later in sorted(options, key=lambda option: option[:2]):
        if later.reason == AGAIN and (note := _no_retry(context, later)):
            continue
        call = yield from _wait_for(context, progress, later, progress.waiting_since)
        if call is None:
            if later.reason == AGAIN:
                context.retry_budget.give_back()
            continue
        error = yield from _came_of((yield _counted(call, context, progress)), call, context, progress)
        if error is None:
            return End()
        if is_final(error) and not _is_named_later(context, call.tier, error):
            return End(is_callers_fault=True)
        return None
    # While this one waited, others may have taken what was to be had, or somebody else have come back.
    return None if vain < progress.vain <= context.chain.max_attempts else End(note)


def _wait_for(
    context: RequestContext, progress: Progress, later: Later, began: float
) -> Generator[Step, Outcome, Call | None]:
    """Wait until one target may be called; None when it may not, or not soon enough.

    Args:
        began: when the waiting did, of which `retry.max_wait` bounds the length.
    """
    until, tier_index, target, key, reason = later
    pause = max(0.0, until - context.clock())
    longest = min(target.retry.max_wait + began, context.deadline) - context.clock()
    if reason == "saturated" and longest > 0:
        placed = yield Wait(longest, place=target)
        if isinstance(placed, Placed):
            if refusal(context, target, placed.key, placed=True) is None:
                return Call(target, tier_index, placed.key, placed=True)
            context.states.give_up_slot(target, placed.key)  # something else keeps it from being called by now
        progress.vain += 1
    if reason in ("held", "limited", "over_budget", AGAIN) and pause <= longest:
        call = Call(target, tier_index, key)
        ready = yield from _in_line(context, call, pause, longest, is_limited=reason == "limited")
        if ready is not None:
            return ready
        progress.vain += 1
    if reason == "circuit_open" and progress.last is None and pause <= max(0.0, longest):
        return Call(target, tier_index, key) if (yield from _probe_in_turn(context, target, key, longest)) else None
    return None


def _in_line(
    context: RequestContext, call: Call, pause: float, longest: float, *, is_limited: bool
) -> Generator[Step, Outcome, Call | None]:
    """Wait for a limit, first come, first served: those who come later wait for what is reserved now. What else is
    waited for (a hold, a backoff, a budget) reserves nothing, since the limits go on to fill meanwhile.

    None when those before have used more than was expected or were told to wait longer, and waiting on would take too
    long.
    """
    states, needs, target, key = context.states, context.requirements, call.target, call.key
    reserved: tuple[Reserved, Reserved] | None = None
    while True:
        began, waited = context.clock(), context.waited
        if is_limited and reserved is None:
            reserved = states.reserve(target, key, needs.prompt_tokens, needs.max_tokens, began, waited)
            pairs = zip(states.guards(target, key), reserved, strict=True)
            if waited and pause <= PATIENCE and any(guard.limits.coming(taken) for guard, taken in pairs):
                pause = max(0.0, PATIENCE - waited)  # it has waited for the server before
        if pause > 0:
            context.trace.entries.append(Pause(target.name, began - context.began, pause))
        yield Wait(pause, reserved=None if reserved is None else (target, key, reserved))
        now = context.clock()
        longest -= min(pause, now - began)
        refused = refusal(context, target, key, reserved=reserved is not None)
        is_limited = refused is not None and refused.reason == "limited"
        if refused is not None and not is_limited:
            pause = refused.until - now if refused.reason in ("held", "over_budget") else inf
        elif reserved is not None:
            pause = states.early(target, key, reserved, now)
            is_limited = True
        else:
            pause = 0.0 if refused is None else refused.until - now
        if pause <= 0 and (refused is None or reserved is not None):
            return replace(call, reserved=reserved)
        pause = max(pause, _ROUNDING)
        if reserved is not None and (pause > longest or not is_limited):
            states.give_back(target, key, reserved, now)
            reserved = None
        if pause > longest:
            return None


def _probe_in_turn(context: RequestContext, target: Target, key: Key, longest: float) -> Generator[Step, Outcome, bool]:
    """Wait until an open breaker may be probed, or another's probe has closed it; says whether to call now."""
    pause = next_probe(context, target, key) - context.clock()
    while pause > _ROUNDING:
        if pause > longest:
            return False
        context.trace.entries.append(Pause(target.name, context.clock() - context.began, pause))
        yield Wait(pause)
        longest -= pause
        pause = next_probe(context, target, key) - context.clock()
    refused = refusal(context, target, key)
    return refused is None or refused.reason == "circuit_open"


# --- the same targets again


def _goes_first(target: Target, error: ProviderError) -> bool:
    """Say whether the target that failed is called again before anybody else: by its policy, or since it is told what
    was wrong with its answer.
    """
    is_told = CONSEQUENCES[error.code].retry == "at_once"
    return not is_final(error) and (is_told or target.retry.first == "same_target")


def _call_again(
    call: Call, context: RequestContext, progress: Progress, error: ProviderError | None
) -> Generator[Step, Outcome, ProviderError | None]:
    """Call the target that failed again, as far as its policy goes, before anybody else; returns the last error, None
    when it delivered.
    """
    while error is not None and _goes_first(call.target, error) and not _no_more_attempts(context, progress):
        options = [later for later in _retries(context, progress) if later.target is call.target]
        if not options:
            return error
        later = min(options, key=lambda option: option[:2])
        if call.target.retry.first != "same_target" and refusal(context, later.target, later.key) is not None:
            return error  # others need not wait for it
        if _no_retry(context, later):
            return error
        again = yield from _wait_for(context, progress, later, context.clock())
        if again is None:
            context.retry_budget.give_back()
            return error
        error = yield from _came_of((yield _counted(again, context, progress)), again, context, progress)
    return error


def _no_retry(context: RequestContext, later: Later) -> str:
    """Say why a target that failed is not called again; "" when it is, which takes from the route's retry budget."""
    if later.until >= context.deadline:
        return "no time is left for another try (timeout.total)"
    if not context.retry_budget.take(context.clock()):
        return "the route's retry budget is used up (retry.budget)"
    return ""


def _retries(context: RequestContext, progress: Progress) -> list[Later]:
    """List the targets that failed and may be called again, with each key that may fare better now."""
    options: list[Later] = []
    seen: set[str] = set()
    now = context.clock()
    for tier_index, tier in enumerate(context.chain.tiers):
        for target in tier.targets:
            if target.identity not in progress.tried or target.weight <= 0 or target.identity in seen:
                continue
            if target.barred or target.name in context.requirements.excluded:
                continue  # the same by another name, of which other things are true
            seen.add(target.identity)
            for key in target.keys:
                failures = progress.failures(target, key)
                if not failures or len(failures) > target.retry.same_target:
                    continue
                last = failures[-1]
                if CONSEQUENCES[last.error.code].retry == "no" or not breakers_admit(context, target, key):
                    continue
                pause = _pause(context, target, key, last, len(failures) - 1)
                if pause <= target.retry.max_wait:
                    options.append(Later(now + pause, tier_index, target, key, AGAIN))
    return options


def _pause(context: RequestContext, target: Target, key: Key, last: Failure, retry: int) -> float:
    """Return the seconds until this may be tried again: what the vendor asked for, else the backoff."""
    now = context.clock()
    held = context.states.held(target, key) - now
    if held > 0:
        return held  # a Retry-After, or what stands for one
    if last.error.retry_after is not None:
        return max(0.0, last.at + last.error.retry_after - now)
    if CONSEQUENCES[last.error.code].retry == "at_once":
        return 0.0
    rules = target.retry
    return full_jitter(retry, rules.backoff, rules.max_backoff, context.rng)
