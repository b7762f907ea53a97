"""The waits of a request between its calls: for a time, a place, limits, and for dollars that are granted."""

from __future__ import annotations

import asyncio

from providers.errors import ErrorCode, ProviderError
from router.engine.context import RequestContext
from router.engine.steps import Failed, Placed, Stay, Wait
from router.state.any_rate import PATIENCE

_ROUNDING = 1e-6  # seconds


async def afford(context: RequestContext) -> None:
    """Wait until this process has been granted something of each budget, or nothing is left of it; not for long."""
    spending = context.spending
    if spending is not None and spending.keeper is not None:
        began = context.clock()
        await spending.ready(context.budgets(*context.chain.targets), context.waited)
        context.waited += context.clock() - began


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
