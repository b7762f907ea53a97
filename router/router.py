"""The router: a compiled file, the providers it needs, and one way to run a request on them."""

from __future__ import annotations

import asyncio
import difflib
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from providers.base import Provider
from providers.errors import SignalboxError
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    ModelCapabilities,
    TokenCount,
)
from router.engine.attempt import call, hear, refused, routed
from router.engine.connections import ProviderPool
from router.engine.failover import FailOver
from router.engine.request import Messages, build_request, needs_of
from router.engine.situation import RequestContext
from router.engine.stream import RouterStream
from router.engine.token_counts import TokenCounts, count_exact
from router.errors import UnknownRoute, WrongLoop
from router.monitor.control import Watched
from router.monitor.report import Report
from router.plan.compile import compile_plan
from router.plan.differences import differences
from router.plan.plan import Chain, Plan
from router.plan.target import Key, Target
from router.reload import Reload, follow, log
from router.state.lease import Lease
from router.state.retries import HedgeBudget, RetryBudget
from router.state.spending import Spending, Spent
from router.state.states import States
from router.telemetry.recorder import RequestRecorder, Telemetry
from router.views.trace import Trace

if TYPE_CHECKING:
    from router.cache.cached import CacheControl, CachedRequests
    from router.cache.store import ResponseCache
    from router.config import LoadResult
    from router.state.ledger import Ledger

spending_log = logging.getLogger("signalbox.spending")

_DIRECT_CHAINS = 1024  # chains of `provider/model-id` names kept compiled


class Router(Watched):
    """Routes calls as a routes.yaml says.

        async with Router.from_yaml("routes.yaml") as router:
            reply = await router.complete("chat", "Why is the sky blue?")

    It starts on first use and ends with `aclose()`. It belongs to the event loop of its first use; when that
    loop is closed it starts anew on the next one. For threads without a loop, see `SyncRouter`.

    Args:
        plan: a compiled file, see `from_yaml` and `from_text`.
        seed: of the router's only source of chance (jitter), to reproduce a run.
        providers: ready providers by name (or by the identity of one of its keys), in place of those that the file's
            settings would make.
        wall_clock: seconds since 1970, for the periods of budgets; tests and simulations have their own.
        monitor: False opens no socket to watch it by, whatever the file says (docs/monitor.md).
    """

    def __init__(
        self,
        plan: Plan,
        *,
        seed: int | None = None,
        providers: Mapping[str, Provider] | None = None,
        wall_clock: Callable[[], float] = time.time,
        monitor: bool = True,
    ) -> None:
        self._plan = plan
        self._chance = random.Random(seed)
        self._path: Path | None = None
        self._env: Mapping[str, str] | None = None
        self._watch = False
        self._watcher: asyncio.Task[None] | None = None
        self._monitored = monitor
        self._monitor: asyncio.Task[None] | None = None
        self._reloading = asyncio.Lock()
        self.last_reload: Reload | None = None  # of the last change of the file that was seen
        self._windows: dict[str, int] = {}
        self._counts = TokenCounts()
        self.telemetry = Telemetry(plan)
        self._states = States(self._chance, self.telemetry.changed)
        self._live = ProviderPool(providers or {}, self._states.key)
        self._wall_clock = wall_clock
        self._answers: CachedRequests | None = None
        self._spending = Spending(wall_clock)
        self.report = Report(self.telemetry, self._states, self._spending)
        self._adopt_budgets(plan)
        self._ledger: Ledger | None = None
        self._budgets: dict[str, tuple[RetryBudget, HedgeBudget]] = {}
        self._direct: dict[str, Chain] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @classmethod
    def from_yaml(
        cls,
        path: str | PathLike[str],
        *,
        env: Mapping[str, str] | None = None,
        seed: int | None = None,
        watch: bool = True,
        **more: Any,
    ) -> Self:
        """A router on a file, whose edits it follows while it runs.

        Args:
            path: of the routes.yaml.
            env: variables for `${…}`; None takes the process's environment.
            watch: False leaves edits to `reload()`.

        Raises:
            ConfigError: the file has errors; all are listed, with line and column.
            UnreadableFile: it can't be read at all.
        """
        from router.config import load

        router = cls(_accepted(load(str(path), env=env)), seed=seed, **more)
        router._path = router.report.path = Path(path).absolute()
        router._env = env
        router._watch = watch
        if router._spending.purses:
            router._keep_spending()
        return router

    @classmethod
    def from_text(
        cls, text: str, *, env: Mapping[str, str] | None = None, seed: int | None = None, **more: Any
    ) -> Self:
        """A router on the text of a routes.yaml; raises `ConfigError` like `from_yaml`."""
        from router.config import load_text

        return cls(_accepted(load_text(text, env=env)), seed=seed, **more)

    @property
    def revision(self) -> str:
        """The hash of the file's text and of all that it resolved."""
        return self._plan.revision

    @property
    def routes(self) -> tuple[str, ...]:
        """The names of the file's routes, in its order."""
        return tuple(self._plan.file.routes)

    @property
    def states(self) -> States:
        """What is remembered of targets and keys; to look at, not to change."""
        return self._states

    @property
    def plan(self) -> Plan:
        """The compiled file that requests run on."""
        return self._plan

    async def complete(
        self, route: str, messages: Messages, *, cache: CacheControl = "use", **params: Any
    ) -> CompletionResponse:
        """One whole answer.

        Args:
            route: a route, a model of the file, or `provider/model-id`.
            messages: a string, `Message`s, or dicts in the shape of OpenAI's chat messages.
            cache: where the route keeps answers: "use" it, "skip" it, "refresh" it by a call, or "only" look there.
            params: the other fields of `CompletionRequest`.

        Raises:
            UnknownRoute, RouteExhausted, ProviderError, TypeError (an unknown parameter).
        """
        chain, request, trace = self._begin(route, messages, params)
        calls = self._calls_of(chain, cache, trace)
        if calls is None:
            return await self._complete(chain, request, trace)
        self._enter_loop()
        return await calls.complete(chain, request, trace, cache, partial(self._complete, chain, request, trace))

    async def _complete(self, chain: Chain, request: CompletionRequest, trace: Trace) -> CompletionResponse:
        needs = needs_of(request, streaming=False)

        async def attempt(target: Target, deadline: float, lease: Lease) -> tuple[CompletionResponse, Target]:
            provider = self._live.of(target, lease.key)
            response = await call(provider, request, target, deadline)
            hear(provider, target, lease, at.clock)
            if chain.names_refusals and response.finish_reason == "content_filter":
                raise refused(response, target)
            return response, target

        at, witness = self._situation(chain, trace, request)
        walk = FailOver(chain, needs, trace, attempt, at)
        try:
            (response, target), lease = await walk.deliver()
        except BaseException as error:
            witness.failed(error, at.clock())
            raise
        finally:
            walk.close()
        now = walk.delivered_at
        lease.first_token(now - lease.started, now, streaming=False)  # of a plain call: the answer
        lease.succeeded(now, response.usage)
        self._counts.learn(target, request, response.usage)
        response = routed(response, chain, target, trace)
        witness.answered(target, lease.started, now, response)
        return response

    def stream(self, route: str, messages: Messages, *, cache: CacheControl = "use", **params: Any) -> RouterStream:
        """The same, streamed: an async context manager and async iterator of `StreamChunk`.

        Until its first content a failure moves on to the next target, unseen; after it, a broken stream
        raises `ProviderError` with code `stream_interrupted` and the `partial` answer.
        """
        chain, request, trace = self._begin(route, messages, params)
        calls = self._calls_of(chain, cache, trace)
        if calls is None:
            return RouterStream(self, chain, request, trace)
        return calls.stream(self, chain, request, trace, cache)

    @property
    def cache(self) -> ResponseCache:
        """The response cache: its statistics, and what a person may do to it."""
        return self._cached().cache

    def _cached(self) -> CachedRequests:
        if self._answers is None:
            from router.cache.cached import CachedRequests  # here: only routers with a cache need it
            from router.cache.location import place

            self._answers = CachedRequests.on(*place(self._plan.file), self._wall_clock, self.telemetry)
            self.report.cache = self._answers.cache
        return self._answers

    def _calls_of(self, chain: Chain, control: CacheControl, trace: Trace) -> CachedRequests | None:
        """None when the request goes past the cache."""
        if control == "use" and chain.cache is None:
            return None
        return self._cached().of(chain, control, trace)

    async def count_tokens(
        self, route: str, messages: Messages, *, tools: Sequence[Any] = (), exact: bool = False
    ) -> TokenCount:
        """The tokens of a prompt, counted for the first model of the route that is not left out.

        Without `exact` nothing is sent: a tokenizer counts where it is at hand; else it is an estimate, which gets
        better with what vendors report.

        Args:
            tools: as in `complete`; their cost is estimated unless `exact`.
            exact: ask the vendor's counting endpoint (Anthropic, OpenAI).

        Raises:
            UnknownRoute; ProviderError: with `exact`, UNSUPPORTED where the vendor counts nothing, or what failed.
        """
        self._enter_loop()
        targets = self._chain(route).targets
        target = next((each for each in targets if not each.disabled), targets[0])
        provider = self.provider_of(target)
        if exact:
            return await count_exact(provider, target, build_request(route, messages, {"tools": tools}))
        return await self._counts.of(provider, target, messages, tools)

    def capabilities(self, route: str) -> ModelCapabilities:
        """What the first target of the route can do: the file's word first, then the provider's."""
        return self._chain(route).targets[0].capabilities

    def provider(self, name: str) -> Provider:
        """The live provider of that name, made on first use; of a pool of keys, the first key's."""
        return self._live.named(name, self._plan)

    def provider_of(self, target: Target, key: Key | None = None) -> Provider:
        """The live provider of a target (and one of its keys; None is the first)."""
        return self._live.of(target, key)

    @property
    def spending(self) -> tuple[Spent, ...]:
        """The file's budgets, and what is spent of each in its current period."""
        return self._spending.report()

    def _adopt_budgets(self, plan: Plan) -> None:
        self._spending.adopt(plan.budgets)
        for sentence in plan.uncounted:
            spending_log.warning(sentence)

    def _keep_spending(self) -> None:
        """Keep the budgets of a file on disk, where its other processes see them. It blocks for some milliseconds."""
        from router.state.ledger import Ledger, folder  # here: only those with a budget need it

        self._ledger = Ledger(str(self._path), folder() / "spending.sqlite3", self._spending)
        self._ledger.load()

    # --- following the file

    async def reload(self) -> Reload:
        """Read the file again, now. A file with errors changes nothing, and the result says what they are.

        Requests under way end on the plan that they began with; breakers, limits and statistics of what is unchanged
        go on.

        Raises:
            ValueError: this router was not made from a file.
        """
        if self._path is None:
            raise ValueError("this router was made from text, not from a file; there is nothing to read again")
        async with self._reloading:
            found = await self._read_again(self._path)
            if found is None or found == self.last_reload:
                return found or Reload(True, self.revision)
            self.last_reload = found
            await self.report.reloaded(found)
            (log.info if found.accepted else log.warning)("%s: %s", self._path, found)
            return found

    async def _read_again(self, path: Path) -> Reload | None:
        """None when the file is as it was."""
        from router.config import UnreadableFile, load

        try:
            loaded = await asyncio.to_thread(load, path, env=self._env)
        except UnreadableFile as error:
            return Reload(False, self.revision, problem=str(error))
        if loaded.file is None:
            return Reload(False, self.revision, diagnostics=loaded.diagnostics, loaded=loaded)
        if loaded.revision == self.revision:
            was_rejected = self.last_reload is not None and not self.last_reload.accepted
            return Reload(True, self.revision) if was_rejected else None
        try:
            plan = await asyncio.to_thread(compile_plan, loaded)
        except (ValueError, SignalboxError) as error:  # a kind of provider that refuses its settings
            return Reload(False, self.revision, problem=str(error), loaded=loaded)
        found = self._swap(plan)
        if self._ledger is not None:
            await self._ledger.flush()
        elif self._spending.purses:
            await asyncio.to_thread(self._keep_spending)
        return found

    def _swap(self, plan: Plan) -> Reload:
        """The new plan takes over, in one step; what it no longer has ends with its last call."""
        old, kept = self._plan, {key.identity for keys in plan.catalogue.keys.values() for key in keys}
        changes = differences(old, plan, self._live.under_way(old))
        self._plan = plan
        self.telemetry.adopt(plan)
        self._direct = {name: chain for name in self._direct if (chain := plan.chain(name)) is not None}
        self._budgets = {route: budget for route, budget in self._budgets.items() if route in plan.chains}
        self._live.keep(kept)
        direct = [target for chain in self._direct.values() for target in chain.targets]
        ended = self._states.adopt([*plan.targets, *direct], kept)
        if ended:
            changes = (*changes, f"{', '.join(ended)}: no longer")
        self._adopt_budgets(plan)
        if self._answers is not None:
            self._answers.adopt(plan.file)
        return Reload(True, plan.revision, changes, loaded=plan.loaded)

    async def aclose(self) -> None:
        """Close all connections; the router may not be used afterwards."""
        self._closed = True
        for task in (self._watcher, self._monitor):
            if task is not None and task.get_loop() is asyncio.get_running_loop():
                task.cancel()
                await asyncio.wait([task])
        self._watcher = self._monitor = None
        await self._live.aclose()
        if self._answers is not None:
            await self._answers.aclose()
        if self._ledger is not None:
            await self._ledger.aclose()

    async def __aenter__(self) -> Self:
        self._enter_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Router revision {self.revision}: {len(self.routes)} routes, {len(self._plan.providers)} providers>"

    def chain(self, route: str) -> Chain:
        """The compiled chain of a route, a model or `provider/model-id`; raises `UnknownRoute`."""
        return self._chain(route)

    def _begin(self, route: str, messages: Messages, params: dict[str, Any]) -> tuple[Chain, CompletionRequest, Trace]:
        if self._closed:
            raise RuntimeError("this router is closed")
        request = build_request(route, messages, params)
        return self._chain(route), request, Trace(route, self._plan.revision)

    def _situation(
        self, chain: Chain, trace: Trace, request: CompletionRequest
    ) -> tuple[RequestContext, RequestRecorder]:
        """What holds for a request that begins now, and who sees it."""
        clock = self._enter_loop().time
        now = clock()
        budgets = self._budgets.get(chain.route)
        if budgets is None:
            budgets = self._budgets[chain.route] = RetryBudget(0.0), HedgeBudget(0.0)
        budget, hedges = budgets
        budget.share = chain.retry.budget
        if chain.hedge is not None:
            hedges.share = chain.hedge.budget
            hedges.request()
        witness = self.telemetry.witness(trace, request, now)
        at = RequestContext(
            states=self._states,
            clock=clock,
            began=now,
            deadline=inf if chain.total is None else now + chain.total,
            chance=self._chance,
            windows=self._windows,
            budget=budget,
            hedges=hedges,
            spending=self._spending if self._spending.purses else None,
            witness=witness,
        )
        return at, witness

    def _chain(self, name: str) -> Chain:
        found = self._plan.chains.get(name) or self._direct.get(name)
        if found is None:
            found = self._plan.chain(name)
            if found is None:
                raise UnknownRoute(self._unknown(name))
            if len(self._direct) >= _DIRECT_CHAINS:
                self._direct.pop(next(iter(self._direct)))
            self._direct[name] = found
        return found

    def _unknown(self, name: str) -> str:
        names = list(self._plan.chains)
        near = difflib.get_close_matches(name, names, n=1)
        hint = f' (did you mean "{near[0]}"?)' if near else ""
        routes = ", ".join(self.routes) or "none"
        return f'no route, model or provider/model-id is named "{name}"{hint}; routes: {routes}'

    def _enter_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None and self._loop.is_running():
                raise WrongLoop(
                    "this router is in use on another event loop; make one router a loop, or use SyncRouter, "
                    "which any thread may call"
                )
            self._loop = loop
            self.telemetry.enter(loop)
            self._start()
        return loop

    def _start(self) -> None:
        """On a new loop: locks and the watcher belong to one."""
        self._reloading = asyncio.Lock()
        self._live.on_new_loop()
        if self._ledger is not None:
            self._ledger.on_new_loop()
        if self._answers is not None:
            self._answers.on_new_loop()
        if self._watch and self._path is not None and not self._closed:
            self._watcher = follow(self._path, self)
        if self._monitored and not self._closed and not self.telemetry.virtual:
            from router.monitor.socket.server import start

            self._monitor = start(self)


def _accepted(loaded: LoadResult) -> Plan:
    from router.config import ConfigError

    if loaded.file is None:
        raise ConfigError(loaded.diagnostics)
    return compile_plan(loaded)
