"""The waits of a request between its calls: for a time, a place, limits, and for dollars that are granted."""

from __future__ import annotations

import asyncio
from math import inf

from providers.errors import ErrorCode, ProviderError
from router.engine.context import RequestContext
from router.engine.steps import Failed, Placed, Stay, Wait
from router.errors import RouteExhausted
from router.state.any_rate import PATIENCE
from router.state.clients import Permit, reserved_soon
from router.state.limits import RateLimits
from router.views import spans

_ROUNDING = 1e-6  # seconds


async def afford(context: RequestContext) -> None:
    """Wait until this process has been granted something of each budget, or nothing is left of it; not for long."""
    spending = context.spending
    if spending is not None and spending.keeper is not None:
        began = context.clock()
        await spending.ready(context.budgets(*context.chain.targets), context.waited)
        context.waited += context.clock() - began


async def admitted(context: RequestContext, limits: RateLimits) -> Permit:
    """Wait in line until the route's own limits let the request in.

    Raises:
        RouteExhausted: RATE_LIMITED, they do not within `retry.max_wait` and the request's time.
    """
    needs, began = context.requirements, context.clock()
    patience = max(0.0, min(context.chain.retry.max_wait, context.deadline - began))
    if not limits.full:
        limits.in_flight += 1
    elif not await limits.wait_for_slot(patience):
        raise _limited(context, "as many requests are under way as its own limits allow")
    reserved = None
    try:
        now = context.clock()
        tokens = limits.expected(needs.prompt_tokens, needs.max_tokens)
        waits = limits.waits(tokens, now)
        reserved = await reserved_soon(limits, tokens, max(waits), began + patience - now)
    finally:
        if reserved is None:
            limits.release_slot()
    if reserved is None:
        kind = "requests" if waits[0] >= waits[1] else "tokens"
        text = f"its own limit of {kind} allows the next in {spans.wait(max(waits))}"
        raise _limited(context, text, max(waits))
    return Permit(limits, reserved, needs.prompt_tokens, has_place=True)


def _limited(context: RequestContext, why: str, seconds: float | None = None) -> RouteExhausted:
    retry_after = None if seconds == inf else seconds
    return RouteExhausted(
        context.chain.route, context.trace, note=why, retry_after=retry_after, code=ErrorCode.RATE_LIMITED
    )


async def wait(step: Wait | Stay, context: RequestContext) -> Failed | Placed | None:
    """Wait, and have what dollars it takes still: those that were granted may have been given back meanwhile."""
    assert isinstance(step, Wait), "there is nothing under way to stay for"
    began, had = context.clock(), await _wait(step, context)
    seconds = context.clock() - began
    if (step.place or step.reserved) and min(seconds, step.seconds) <= PATIENCE + _ROUNDING:
        context.waited += seconds  # it may have been for the server; a longer one was for the limit itself
    try:
        await afford(context)
    except BaseException:
        if step.place is not None and isinstance(had, Placed):
            context.states.give_up_slot(step.place, had.key)
        if step.reserved is not None:
            context.states.give_back(*step.reserved, context.clock())
        raise
    return had


async def _wait(step: Wait, context: RequestContext) -> Failed | Placed | None:
    if step.place is not None:
        key = await context.states.wait_for_slot(step.place, step.seconds, context.waited)
        if key is not None:
            return Placed(key)
        return Failed(ProviderError(ErrorCode.OVERLOADED, "no place was freed in time"))
    if step.reserved is None:
        await asyncio.sleep(step.seconds)
    else:
        await context.states.wait_for_limits(*step.reserved, step.seconds)
    return None
