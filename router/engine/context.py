"""What holds for one request while it is routed. The engine makes it once; decisions and attempts read it."""

from __future__ import annotations

import random
from collections.abc import Callable, MutableMapping

import msgspec

from providers.types import CompletionRequest
from router.balance.balancer import BalanceContext
from router.balance.strategies import Balancers
from router.engine.connections import ProviderPool
from router.engine.needs import Requirements
from router.engine.token_counts import TokenCounts
from router.plan.plan import Chain
from router.state.retries import HedgeBudget, RetryBudget
from router.state.spending import Spending
from router.state.states import States
from router.telemetry.recorder import RequestRecorder
from router.views.trace import Trace


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """One request while it is routed, and what it shares with others.

    Args:
        recorder: told of every attempt and of the end.
        clock: the loop's time in seconds; `began`, when the request did, and `deadline` are on it.
        windows: context windows learned from errors, by `Target.model_identity`.
        retry_budget: shared by all requests of the route; `hedge_budget` likewise.
        spending: None where the file has no budget.
    """

    chain: Chain
    request: CompletionRequest
    requirements: Requirements
    trace: Trace
    recorder: RequestRecorder
    states: States
    balancers: Balancers
    providers: ProviderPool
    token_counts: TokenCounts
    clock: Callable[[], float]
    began: float
    deadline: float
    rng: random.Random
    windows: MutableMapping[str, int]
    retry_budget: RetryBudget
    hedge_budget: HedgeBudget
    spending: Spending | None = None

    def balance_context(self, now: float) -> BalanceContext:
        """Make what a balancer may look at."""
        needs = self.requirements
        return BalanceContext(
            states=self.states,
            now=now,
            rng=self.rng,
            prompt=needs.prompt_tokens,
            max_tokens=needs.max_tokens,
            affinity=needs.affinity,
        )
