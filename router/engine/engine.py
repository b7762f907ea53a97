"""What runs requests: the plan of the moment, and all that outlives it. `Router` is its public face; streams, the cache
and the monitor take an engine, never the router.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from itertools import islice
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from providers.base import Provider
from providers.coerce import invalid
from providers.embeddings import AnyRequest, EmbeddingRequest, RerankRequest
from providers.errors import ErrorCode, ProviderError
from providers.printable import one_line
from providers.spelling import did_you_mean
from providers.surrogates import is_whole
from providers.types import CompletionRequest, CompletionResponse, Requirement, Routing, TokenCount
from router.balance.strategies import Balancers
from router.config.embed_rules import Makes
from router.config.labels import why_not_met
from router.engine.acceptance import acceptance_of
from router.engine.connections import ProviderPool
from router.engine.context import RequestContext
from router.engine.facts import RequestFacts, decided
from router.engine.failover import complete
from router.engine.kept_files import kept_elsewhere
from router.engine.needs import Requirements
from router.engine.own_keys import OwnKeys
from router.engine.request import Messages, build_request, requirements_of, speaks
from router.engine.routing import as_asked, check_labels_known, coerce_require, required_by, said_by_call
from router.engine.shadows import Shadows
from router.engine.token_counts import TokenCounts, count_exact
from router.errors import RouterClosed, UnknownRoute, WrongLoop, give_trace
from router.plan.plan import Chain, Plan
from router.plan.requirements import restricted
from router.state.clients import ClientStates
from router.state.retries import HedgeBudget, RetryBudget
from router.state.route_limits import RouteLimits
from router.state.spending import Spending
from router.state.states import States
from router.telemetry.budgets import BudgetNews
from router.telemetry.recorder import RequestRecorder, Telemetry
from router.views.trace import Trace

if TYPE_CHECKING:
    from router.engine.acceptance import Accept, Acceptance

Request = TypeVar("Request", CompletionRequest, EmbeddingRequest, RerankRequest)

# What a request says of itself and of who answers it: one question for all, since most say nothing.
_of_itself, _NOTHING = attrgetter("caller", "user", "end_user", "tags", "routing", "timeout"), (None,) * 6
_DIRECT_CHAINS = 1024  # chains of `provider/model-id` names kept compiled, with what is remembered of their targets
_RESTRICTIONS = 1024  # chains kept, as calls and keys restrict them
_AT_A_TIME = 8  # of them that are looked at when another comes: those in use stay


class Engine:
    """Runs requests on the plan of the moment.

    Args:
        rng: the only source of chance.
        providers: ready ones by name or by the identity of a key, see `ProviderPool`.
        wall_clock: seconds since 1970, for the periods of budgets.
        accept: the app's own look at every answer.

    `adopters` are called with every new plan, in this order, and may return what people should know of it;
    `on_new_loop` are called when the engine starts on an event loop, since tasks and locks belong to one. Whoever keeps
    something of a plan or of a loop is in these lists, so that a reload can forget nobody.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        rng: random.Random,
        providers: Mapping[str, Provider] | None = None,
        wall_clock: Callable[[], float] = time.time,
        accept: Accept | None = None,
    ) -> None:
        self.plan = plan
        self.accept = accept
        self.rng = rng
        self.wall_clock = wall_clock
        self.telemetry = Telemetry(plan)
        self.states = States(rng, self.telemetry.changed)
        self.balancers = Balancers()
        self.providers = ProviderPool(providers or {}, self.states.find_key)
        self.own_keys = OwnKeys(self.states, self.providers)
        self.token_counts = TokenCounts()
        self.spending = Spending(wall_clock)
        self.spending.watch = BudgetNews(self.telemetry.publish, wall_clock).look
        self.clients = ClientStates(self.spending)
        self.route_limits = RouteLimits()
        self.shadows = Shadows(self)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.closed = False
        self._windows: dict[str, int] = {}
        self._budgets: dict[str, tuple[RetryBudget, HedgeBudget]] = {}
        self._direct: dict[str, Chain] = {}
        self._restrictions: dict[tuple[Chain, tuple[Requirement, ...]], Chain] = {}
        self._planned = _identities(plan)
        self.adopters: list[Callable[[Plan], Iterable[str] | None]] = [
            self.telemetry.adopt,
            self._adopt_routes,
            self.balancers.adopt,
            self.providers.adopt,
            self.own_keys.adopt,
            self._adopt_states,
            self.spending.adopt,
            self.clients.adopt,
            self.route_limits.adopt,
            self.shadows.adopt,
        ]
        self.on_new_loop: list[Callable[[], None]] = [self.providers.on_new_loop, self.shadows.on_new_loop]
        self.providers.adopt(plan)
        self.spending.adopt(plan)
        self.clients.adopt(plan)

    # --- requests

    def begin(
        self, route: str, build: Callable[..., Request], *asked: Any, makes: Makes = "answers", streaming: bool = False
    ) -> tuple[Chain, Request, Trace]:
        """Begin a request on the plan of this moment.

        Args:
            build: makes the request of what is `asked`.
            makes: what is asked for.
            streaming: it is to be streamed.

        Raises:
            RouterClosed: the router is closed.
            TypeError, ProviderError, UnknownRoute: it makes no sense.
        """
        trace = Trace(route, self.plan.revision)
        try:
            if self.closed:
                raise RouterClosed("this router is closed")
            request = build(*asked)
            says_more = _of_itself(request) != _NOTHING
            if says_more:
                trace.caller, trace.user = request.caller, request.user or request.end_user
                if request.tags:
                    trace.tags = dict(request.tags)
            chain = self.chain(route)
            if chain.route != route:
                trace.asked, trace.route = route, chain.route
            if chain.makes != makes and chain.makes is not None:
                invalid(f"this route makes no {makes}: {one_line(route)} makes {chain.makes}")
            if chain.rules:
                facts = RequestFacts(request, streaming=streaming, clock=self.wall_clock)
                chain, trace.rule = decided(chain, facts)
            if says_more and (request.routing is not None or request.timeout is not None):
                trace.of_call = said_by_call(request)
            if says_more or self.plan.serving.required:
                chain = self._as_asked(chain, request.routing, request.caller)
            return chain, request, trace
        except Exception as error:
            give_trace(error, trace)
            raise

    def complete(
        self, chain: Chain, request: CompletionRequest, trace: Trace
    ) -> Coroutine[Any, Any, CompletionResponse]:
        """Get one whole answer from the vendors of a chain.

        Raises:
            RouteExhausted, ProviderError.
        """
        answering = complete(self.context(chain, request, trace, streaming=False))
        return answering if chain.shadow is None else self.shadows.beside(answering, chain, request, trace)

    async def count_tokens(
        self, route: str, messages: Messages, tools: Sequence[Any], *, exact: bool, require: Any = None
    ) -> TokenCount:
        """Count the tokens of a prompt; see `Router.count_tokens`."""
        self.enter_loop()
        chain, required = self.chain(route), coerce_require(require)
        targets = chain.targets
        allowed = [target for target in targets if not target.barred and not why_not_met(target.labels, required)]
        target = next((target for target in allowed or targets if not target.disabled), targets[0])
        provider = self.providers.of(target)
        if exact:
            if target not in allowed:
                why = target.barred or why_not_met(target.labels, required)
                raise ProviderError(ErrorCode.REQUIREMENT_NOT_MET, f"{target.name} may not be asked: {why}")
            return await count_exact(provider, target, build_request(route, messages, {"tools": tools}))
        return await self.token_counts.of(provider, target, messages, tools)

    def context(self, chain: Chain, request: CompletionRequest, trace: Trace, *, streaming: bool) -> RequestContext:
        """Make what holds for a request that begins now."""
        needs = requirements_of(request, streaming=streaming)
        if request.native is not None and request.native.only_there:
            needs = replace(needs, excluded=self._foreign(chain, request, request.native.protocol))
        if needs.vision or needs.files:
            elsewhere = kept_elsewhere(chain, request, lambda target: self.providers.of(target, None))
            if elsewhere:
                needs = replace(needs, excluded={**needs.excluded, **elsewhere})
        acceptance = None  # as nearly always
        if self.accept is not None or chain.accept is not None or request.answer_type is not None:
            acceptance = acceptance_of(chain, request, self.accept)
        return self.context_of(chain, request, needs, trace, acceptance=acceptance)

    def context_of(
        self,
        chain: Chain,
        request: AnyRequest,
        needs: Requirements,
        trace: Trace,
        recorder: RequestRecorder | None = None,
        acceptance: Acceptance | None = None,
    ) -> RequestContext:
        """Make what holds for a request of any kind that begins now; the recorder is its own by itself."""
        try:
            clock = self.enter_loop().time
        except WrongLoop as error:
            give_trace(error, trace)
            raise
        now = clock()
        retry_budget, hedge_budget = self._budgets_of(chain)
        total = chain.within if request.timeout is None else _total(chain, request)
        if chain.excluded:
            needs = replace(needs, excluded={**needs.excluded, **chain.excluded})
        return RequestContext(  # by position: so many names would cost as much as all the rest here
            chain,
            request,
            needs,
            trace,
            self.telemetry.recorder(trace, request, now) if recorder is None else recorder,
            self.states,
            self.balancers,
            self.providers,
            self.token_counts,
            clock,
            now,
            total,
            now + total,
            self.rng,
            self._windows,
            retry_budget,
            hedge_budget,
            self.spending if self.spending.is_used else None,
            None if request.caller is None else self.plan.serving.budgets.get(request.caller),
            acceptance,
            limits=None if chain.limits is None else self.route_limits.of(chain),
        )

    def _as_asked(self, chain: Chain, routing: Routing | None, caller: str | None) -> Chain:
        """Return a route's chain as one call wants it, and as the key of the client requires that makes it."""
        required = required_by(self.plan, routing, caller)
        if required:
            chain = self._restricted(chain, required)
        if routing is None:
            return chain
        chain = as_asked(self.plan, chain, routing)
        return self.own_keys.chain(self.plan, chain, routing.credentials) if routing.credentials else chain

    def _restricted(self, chain: Chain, required: tuple[Requirement, ...]) -> Chain:
        """Return the chain of whom meets this; it is the same for all who require it, so that they can share calls."""
        known = self._restrictions.get((chain, required))
        if known is None:
            check_labels_known(self.plan, required)
            if len(self._restrictions) >= _RESTRICTIONS:
                self._restrictions.clear()
            known = self._restrictions[chain, required] = restricted(chain, required)
        return known

    def _foreign(self, chain: Chain, request: CompletionRequest, protocol: str) -> dict[str, tuple[str, str]]:
        """Return the targets that do not speak a client's protocol, with what their skips say."""
        return {
            target.name: ("unsupported", "what is asked cannot be said in its protocol")
            for target in chain.targets
            if not speaks(self.providers.of(target, None), target, request, protocol)
        }

    def _budgets_of(self, chain: Chain) -> tuple[RetryBudget, HedgeBudget]:
        """Return a route's allowances of retries and hedges, which all its requests share."""
        budgets = self._budgets.get(chain.route)
        if budgets is None:
            budgets = self._budgets[chain.route] = RetryBudget(0.0), HedgeBudget(0.0)
        retries, hedges = budgets
        retries.share = chain.retry.budget
        if chain.hedge is not None:
            hedges.share = chain.hedge.budget
            hedges.request()
        return budgets

    def chain(self, name: str) -> Chain:
        """Return the compiled chain of a route, a model or `provider/model-id`.

        Raises:
            UnknownRoute: nothing has that name.
            ProviderError: INVALID_REQUEST, it is no name at all.
        """
        if not isinstance(name, str):
            invalid(f"route: a name is expected, not {type(name).__name__}")
        chain = self.plan.chains.get(name) or self.plan.named_chain(name)
        if chain is None:
            chain = self._direct.pop(name, None) or self._compiled(name)
            self._direct[name] = chain  # at the end: those before it were used longer ago
        return chain

    def _compiled(self, name: str) -> Chain:
        if not is_whole(name):
            invalid("route: a name of whole characters is expected (it may hold no lone surrogate)")
        chain = self.plan.chain(name)
        if chain is None:
            raise UnknownRoute(self._unknown(name))
        if len(self._direct) >= _DIRECT_CHAINS:
            self._make_room()
        return chain

    def _make_room(self) -> None:
        """Forget the direct names that were used longest ago, and their targets: any model id makes one.

        One in use stays: its calls under way, breaker, hold and limits go on.
        """
        now = 0.0 if self.loop is None else self.loop.time()
        for name in list(islice(self._direct, _AT_A_TIME)):
            chain = self._direct.pop(name)
            target = chain.targets[0]
            if target.identity in self._planned:
                continue
            if not self.states.forget(target, now):
                self._direct[name] = chain
                continue
            self._budgets.pop(name, None)
            self._windows.pop(target.identity, None)
            self.token_counts.forget(target)
            self.balancers.forget(name)

    def _unknown(self, name: str) -> str:
        routes = ", ".join(self.plan.file.routes) or "none"
        hint = did_you_mean(name, self.plan.chains)
        return f'no route, model or provider/model-id is named "{name}"{hint}; routes: {routes}'

    # --- a new plan, a new loop, the end

    def adopt(self, plan: Plan) -> tuple[str, ...]:
        """Let a new plan take over, in one step; what it no longer has ends with its last call. Gives what people
        should know of it besides the plan's own differences.
        """
        self.plan = plan
        return tuple(note for adopt in self.adopters for note in adopt(plan) or ())

    def _adopt_routes(self, plan: Plan) -> None:
        self._planned = _identities(plan)
        self._direct = {name: chain for name in self._direct if (chain := plan.chain(name)) is not None}
        self._budgets = {route: budgets for route, budgets in self._budgets.items() if route in plan.chains}
        self._restrictions.clear()

    def _adopt_states(self, plan: Plan) -> Iterable[str]:
        direct = [target for chain in self._direct.values() for target in chain.targets]
        ended = self.states.adopt([*plan.targets, *direct], plan.keys | self.own_keys.kept)
        return (f"{', '.join(ended)}: no longer",) if ended else ()

    def enter_loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, which the engine belongs to from now on.

        Raises:
            WrongLoop: it is in use on another one.
        """
        loop = asyncio.get_running_loop()
        if loop is not self.loop:
            if self.loop is not None and self.loop.is_running():
                raise WrongLoop(
                    "this router is in use on another event loop; make one router a loop, or use SyncRouter, "
                    "which any thread may call"
                )
            self.loop = loop
            self.telemetry.bind_loop(loop)
            for start in self.on_new_loop:
                start()
        return loop

    async def aclose(self) -> None:
        """Close all connections; calls under way fail at once."""
        self.closed = True
        await self.shadows.aclose()
        await self.providers.aclose()


def _identities(plan: Plan) -> frozenset[str]:
    return frozenset(target.identity for target in plan.targets)


def _total(chain: Chain, request: AnyRequest) -> float:
    """Return the seconds that a request has: by its own word, else by its route's; infinity where there is no limit."""
    own = None if request.timeout is None else request.timeout.get("total")
    if own is None:
        return chain.within
    return inf if own == "off" else own
