"""What holds for one request while it is routed. The engine makes it once; decisions and attempts read it."""

from __future__ import annotations

import random
from collections.abc import Callable, MutableMapping

import msgspec

from providers.embeddings import AnyRequest
from providers.errors import ProviderError
from providers.timeouts import for_call
from providers.types import CompletionRequest, Timeout
from router.balance.strategies import Balancers
from router.engine.acceptance import Acceptance, with_correction
from router.engine.connections import ProviderPool
from router.engine.needs import Requirements
from router.engine.token_counts import TokenCounts
from router.plan.budget import Budget
from router.plan.plan import Chain
from router.plan.target import Target
from router.state.clients import Permit
from router.state.limits import RateLimits
from router.state.retries import HedgeBudget, RetryBudget
from router.state.spending import Spending
from router.state.states import States
from router.telemetry.recorder import RequestRecorder
from router.views.trace import Trace


class RequestContext(msgspec.Struct):
    """One request while it is routed, and what it shares with others.

    Args:
        recorder: told of every attempt and of the end.
        clock: the loop's time in seconds; `began`, when the request did, and `deadline` are on it.
        total: seconds from the beginning to the deadline; infinity is none.
        windows: context windows learned from errors, by `Target.model_identity`.
        retry_budget: shared by all requests of the route; `hedge_budget` likewise.
        spending: None where the file has no budget.
        caller_budget: of the client whose name the request's `caller` is.
        acceptance: what an answer has to be; None takes all.
        limits: of the route's own, in use; `permit` is that it was let in by them.
        corrections: the request as a target is asked again whose answer was not taken, by the target's identity.

    `waited` are the seconds that it has waited for the server of what processes share, since its last attempt.
    """

    chain: Chain
    request: AnyRequest
    requirements: Requirements
    trace: Trace
    recorder: RequestRecorder
    states: States
    balancers: Balancers
    providers: ProviderPool
    token_counts: TokenCounts
    clock: Callable[[], float]
    began: float
    total: float
    deadline: float
    rng: random.Random
    windows: MutableMapping[str, int]
    retry_budget: RetryBudget
    hedge_budget: HedgeBudget
    spending: Spending | None = None
    caller_budget: Budget | None = None
    acceptance: Acceptance | None = None
    corrections: dict[str, CompletionRequest] | None = None
    waited: float = 0.0
    limits: RateLimits | None = None
    permit: Permit | None = None

    def begin_anew(self) -> None:
        """Give the request its whole time again, when a stream that was under way broke: that time was not waited."""
        self.deadline = self.clock() + self.total
        self.trace.prompt_cache = None

    @property
    def asked(self) -> CompletionRequest:
        """The request, where it is one for an answer."""
        assert isinstance(self.request, CompletionRequest), "only those are answered so"
        return self.request

    def asked_of(self, target: Target) -> CompletionRequest:
        """Return the request as this target is asked: told what was wrong with its answer, where it gave one."""
        return self.asked if self.corrections is None else self.corrections.get(target.identity, self.asked)

    def correct(self, target: Target, error: ProviderError) -> None:
        """Have a target told what was wrong with its answer, should it be asked again."""
        self.corrections = {**(self.corrections or {}), target.identity: with_correction(self.asked, error)}

    def budgets(self, *targets: Target) -> tuple[Budget | None, ...]:
        """Return the budgets that calls to these targets count for."""
        chain = self.chain
        budgets = (chain.budget, *(target.budget for target in targets), self.caller_budget)
        if chain.is_copy:
            budgets = (chain.budget,)
        if self.spending is None or not self.spending.values:
            return budgets
        return self.spending.of(budgets, self.request)

    def timeout_of(self, target: Target) -> Timeout:
        """Return the timeouts of a call to this target: the request's own word first."""
        return for_call(target.timeout, self.request.timeout)
