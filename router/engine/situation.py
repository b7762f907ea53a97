"""What holds for one request while it is routed: states, clock, budgets, and who records it."""

from __future__ import annotations

import random
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING

import msgspec

from router.balance.balancer import BalanceContext
from router.engine.needs import Requirements
from router.state.retries import HedgeBudget, RetryBudget
from router.state.spending import Spending
from router.state.states import States

if TYPE_CHECKING:
    from router.telemetry.recorder import RequestRecorder


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """What decisions look at besides the request.

    Args:
        clock: the loop's time in seconds; `began`, when the request did, and `deadline` are on it.
        windows: context windows learned from errors, by the target's identity.
        budget: of retries, shared by all requests of the route; `hedges` likewise.
        spending: None where the file has no budget.
        witness: of the request, where telemetry wants to know.
    """

    states: States
    clock: Callable[[], float]
    began: float
    deadline: float
    chance: random.Random
    windows: MutableMapping[str, int]
    budget: RetryBudget
    hedges: HedgeBudget
    spending: Spending | None = None
    witness: RequestRecorder | None = None

    def look(self, needs: Requirements) -> BalanceContext:
        return BalanceContext(
            states=self.states,
            now=self.clock(),
            chance=self.chance,
            prompt=needs.prompt_tokens,
            max_tokens=needs.max_tokens,
            affinity=needs.affinity,
        )
