"""Copies of some requests for another target, to compare what it makes of them: nobody waits for them or sees them.

A copy begins when the caller has the whole answer. It runs as every request does, over `decide`, but on breakers, holds
and balancers of its own, so that what becomes of it changes nothing for callers. The vendor's limits are those of all;
a copy is left out rather than to wait for them, or to take the second half of them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from providers.embeddings import AnyRequest
from providers.errors import ProviderError, SignalboxError
from providers.harmless import harmless
from providers.types import CompletionRequest, CompletionResponse, Routing
from router.balance.strategies import Balancers
from router.engine.acceptance import Acceptance, acceptance_of
from router.engine.context import RequestContext
from router.engine.facts import RequestFacts, decided
from router.engine.failover import complete
from router.engine.needs import Requirements
from router.engine.request import requirements_of
from router.errors import RouteExhausted
from router.plan.plan import Chain, Plan
from router.plan.requirements import restricted
from router.plan.rules import ShadowRules
from router.state.lease import rough_tokens
from router.state.retries import HedgeBudget, RetryBudget
from router.state.shadowed import ShadowStates
from router.state.states import States
from router.telemetry.recorder import RequestRecorder, Telemetry
from router.views.figures import ShadowFigures
from router.views.trace import Trace

_LONGEST = 600.0  # seconds that a copy may take, where its route has no deadline
_LATE = 0.05  # seconds that the loop is behind: it has enough to do
_ENDING = 0.5  # seconds that the end waits for copies that were cancelled


class _Original(NamedTuple):
    """A request that was answered, and what is compared."""

    chain: Chain
    rules: ShadowRules
    request: CompletionRequest
    response: CompletionResponse
    seconds: float


class Host(Protocol):
    """What copies need of the engine that has answered the requests."""

    plan: Plan
    rng: random.Random
    states: States
    telemetry: Telemetry
    wall_clock: Callable[[], float]
    closed: bool

    def chain(self, name: str) -> Chain:
        """Return the chain of a route, a model or `provider/model-id`."""
        ...

    def context_of(
        self,
        chain: Chain,
        request: AnyRequest,
        needs: Requirements,
        trace: Trace,
        recorder: RequestRecorder | None = None,
        acceptance: Acceptance | None = None,
    ) -> RequestContext:
        """Make what holds for a request that begins now."""
        ...


class Shadows:
    """Makes the copies, and counts what came of them; `figures` are by route and who gets the copies."""

    def __init__(self, engine: Host) -> None:
        self._engine = engine
        self._rng: random.Random | None = None
        self._states: ShadowStates | None = None
        self._balancers = Balancers()
        self._telemetry: Telemetry | None = None
        self._windows: dict[str, int] = {}
        self._under_way: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.figures: dict[tuple[str, str], ShadowFigures] = {}

    async def beside(
        self,
        answering: Coroutine[Any, Any, CompletionResponse],
        chain: Chain,
        request: CompletionRequest,
        trace: Trace,
    ) -> CompletionResponse:
        """Get the answer, and copy the request then."""
        response = await answering
        self.offer(chain, request, response, trace.seconds)
        return response

    def offer(self, chain: Chain, request: CompletionRequest, response: CompletionResponse, seconds: float) -> None:
        """Copy a request that was answered, if it is one of the share."""
        rules = chain.shadow
        if self._rng is None:
            self._rng = random.Random(self._engine.rng.random())
        if rules is None or self._rng.random() >= rules.share or self._engine.closed:
            return
        if request.routing is not None and request.routing.credentials:
            return  # who brings a key has not asked that others get the prompt
        is_for_one_protocol = request.native is not None and request.native.only_there
        if is_for_one_protocol or self._under_way.get(chain.route, 0) >= rules.in_flight:
            self._count(chain.route, rules, dropped=1)
            return
        self._under_way[chain.route] = self._under_way.get(chain.route, 0) + 1
        loop = asyncio.get_running_loop()
        loop.call_soon(self._start, _Original(chain, rules, request, response, seconds), loop.time())

    def adopt(self, plan: Plan) -> None:
        """Follow a new plan."""
        if self._states is not None:
            self._states.adopt(plan.targets, plan.keys)
        self._balancers.adopt(plan)
        written = {(name, chain.shadow.to) for name, chain in plan.chains.items() if chain.shadow is not None}
        self.figures = {key: figures for key, figures in self.figures.items() if key in written}

    def on_new_loop(self) -> None:
        """Forget what was under way, which went with the old loop."""
        self._tasks.clear()
        self._under_way.clear()

    async def aclose(self) -> None:
        """Give up the copies that are under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_ENDING)

    def _start(self, original: _Original, at: float) -> None:
        loop, route = asyncio.get_running_loop(), original.chain.route
        if loop.time() - at > _LATE or self._engine.closed:
            self._under_way[route] -= 1
            self._count(route, original.rules, dropped=1)
            return
        task = loop.create_task(self._copy(original))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, route))

    def _ended(self, route: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._under_way[route] = max(0, self._under_way.get(route, 1) - 1)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            harmless.note(error)

    async def _copy(self, original: _Original) -> None:
        route, rules = original.chain.route, original.rules
        try:
            context = self._context(original)
        except SignalboxError:  # nothing has the name any more
            self._count(route, rules, dropped=1)
            return
        try:
            response = await complete(context)
        except RouteExhausted as error:
            if not context.trace.attempts:
                self._count(route, rules, dropped=1)
            else:
                self._count(route, rules, failed=str(error.code), cost=context.trace.wasted)
        except ProviderError as error:
            self._count(route, rules, failed=str(error.code), cost=context.trace.wasted)
        else:
            self._compare(original, response, context.trace.seconds)

    def _context(self, original: _Original) -> RequestContext:
        engine, request = self._engine, of_copy(original.request)
        chain = self._chain(original)
        trace = Trace(chain.route, engine.plan.revision, caller=request.caller, tags=request.tags)
        needs = requirements_of(request, streaming=False)
        context = engine.context_of(
            chain, request, needs, trace, self._recorder(trace, request), acceptance_of(chain, request, None)
        )
        if self._states is None:
            self._states = ShadowStates(engine.states, random.Random(engine.rng.random()))
        total = min(context.total, _LONGEST)
        return replace(
            context,
            states=self._states,
            balancers=self._balancers,
            windows=self._windows,
            retry_budget=RetryBudget(0.0),
            hedge_budget=HedgeBudget(0.0),
            caller_budget=None,
            total=total,
            deadline=context.began + total,
        )

    def _chain(self, original: _Original) -> Chain:
        """The chain of who gets the copies, as a copy goes over it: it waits for nothing and is kept nowhere."""
        chain = self._engine.chain(original.rules.to)
        if chain.rules:
            chain, _ = decided(chain, RequestFacts(original.request, streaming=False, clock=self._engine.wall_clock))
        if original.chain.required:  # of who gets the request, the copy included
            chain = restricted(chain, original.chain.required)
        retry = replace(chain.retry, same_target=0, max_wait=0.0)
        return replace(
            chain,
            route=original.chain.route,
            retry=retry,
            hedge=None,
            cache=None,
            budget=original.rules.budget,
            shadow=None,
            limits=None,
            is_copy=True,
        )

    def _recorder(self, trace: Trace, request: CompletionRequest) -> RequestRecorder:
        """Records a copy for the log of requests, and in no figures that are about callers."""
        main = self._engine.telemetry
        if self._telemetry is None:
            self._telemetry = Telemetry(self._engine.plan)
            self._telemetry.is_of_copies = True
        if self._telemetry.plan is not main.plan:
            self._telemetry.adopt(main.plan)
        self._telemetry.offset, self._telemetry.virtual = main.offset, main.virtual
        self._telemetry.listeners = tuple(each for each in main.listeners if getattr(each, "takes_copies", False))
        return self._telemetry.recorder(trace, request, asyncio.get_running_loop().time())

    def _compare(self, original: _Original, response: CompletionResponse, seconds: float) -> None:
        first = original.response
        self._count(
            original.chain.route,
            original.rules,
            answered=1,
            seconds=seconds,
            of_callers=original.seconds,
            cost=response.cost,
            cost_of_callers=first.cost,
            tokens=_tokens(response),
            tokens_of_callers=_tokens(first),
            refused=response.finish_reason == "content_filter",
            refused_of_callers=first.finish_reason == "content_filter",
        )

    def _count(
        self, route: str, rules: ShadowRules, *, failed: str = "", cost: float | None = 0.0, **more: float | None
    ) -> None:
        known = self.figures.get((route, rules.to)) or ShadowFigures(route, rules.to)
        codes = known.codes
        if failed:
            codes = {**codes, failed: codes.get(failed, 0) + 1}
        if more.get("cost_of_callers", 0.0) is None:
            del more["cost_of_callers"]
            more["unpriced"] = 1
        elif cost is None:
            more["unpriced"] = 1
        sums = {name: getattr(known, name) + value for name, value in more.items() if value}
        self.figures[route, rules.to] = replace(
            known, codes=codes, failed=known.failed + bool(failed), cost=known.cost + (cost or 0.0), **sums
        )


def of_copy(request: CompletionRequest) -> CompletionRequest:
    """Return a request as it is copied: without what its caller said of who is asked, and how long that may take.

    What it requires of who gets it stays.
    """
    routing = request.routing
    if routing is not None:
        kept = replace(routing, only=(), avoid=(), max_attempts=None, on_stream_break=None)
        routing = None if kept == Routing() else kept
    return replace(request, routing=routing, timeout=None, native=None)


def _tokens(response: CompletionResponse) -> int:
    counted = response.usage.output_tokens
    return rough_tokens(response) if counted is None else counted
