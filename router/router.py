"""`Router`, the public face: a compiled file, and one way to run a request on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeVar, Unpack, overload

from providers import forks
from providers.base import Provider
from providers.types import CompletionRequest, ModelCapabilities, TokenCount
from router.embedding_calls import EmbeddingCalls
from router.engine.params import OtherParams, RequestParams, Require
from router.engine.request import Messages, as_it_is, build_request, route_of
from router.engine.stream import LiveStream, RouterStream
from router.errors import ONE_A_PROCESS
from router.file_calls import FileCalls
from router.monitor.control import set_breaker, set_draining
from router.monitor.report import Report
from router.parts import Parts
from router.plan.compile import plan_of
from router.plan.plan import Chain, Plan
from router.plan.target import Key, Target
from router.state.clients import ClientStates
from router.state.spending import Spent
from router.state.states import States
from router.telemetry.recorder import Telemetry
from router.views.figures import Snapshot
from router.views.reply import Reply

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from providers.credentials.function import CredentialFunction
    from router.cache.cached import CacheControl
    from router.cache.store import ResponseCache
    from router.engine.acceptance import Accept
    from router.exporters.prometheus import RouterCollector
    from router.monitor.local_feed import LocalFeed
    from router.shared.link import Exchange

T = TypeVar("T")


class Router(EmbeddingCalls, FileCalls):
    """Routes calls as a routes.yaml says.

        async with Router.from_yaml("routes.yaml") as router:
            reply = await router.complete("chat", "Why is the sky blue?")

    It starts on first use and ends with `aclose()`. It belongs to the event loop of its first use; when that
    loop is closed it starts anew on the next one, and so it does in a forked process (docs/processes.md). For threads
    without a loop, see `SyncRouter`.

    Args:
        plan: a compiled file, see `from_yaml` and `from_text`.
        seed: of the router's only source of chance (jitter), to reproduce a run.
        providers: ready ones by name (or by a key's identity), in place of those that the file's settings would make.
        wall_clock: seconds since 1970, for budgets and the hours of rules; tests have their own.
        monitor: False opens no socket to watch it by, whatever the file says (docs/monitor.md).
        exchange: carries what is shared in place of a connection to the file's server, also in virtual time.
        accept: is shown every answer and may be async: False, or a text that says why, refuses it (docs/structured.md).
    """

    def __init__(
        self,
        plan: Plan,
        *,
        seed: int | None = None,
        providers: Mapping[str, Provider] | None = None,
        wall_clock: Callable[[], float] = time.time,
        monitor: bool = True,
        exchange: Exchange | None = None,
        accept: Accept | None = None,
    ) -> None:
        if not isinstance(plan, Plan):
            path = str(plan) if isinstance(plan, str | PathLike) else "routes.yaml"
            raise TypeError(f"Router() takes a compiled Plan: for a file use Router.from_yaml({path!r})")
        self._parts = Parts(
            plan, seed, providers, wall_clock=wall_clock, monitored=monitor, exchange=exchange, accept=accept
        )
        self._engine = self._parts.engine
        self._engine.on_new_loop.append(partial(self._parts.start, self))
        forks.tell(self, Router._in_child)

    def _in_child(self) -> None:
        self._parts = self._parts.in_child()
        self._engine = self._parts.engine
        self._engine.on_new_loop.append(partial(self._parts.start, self))

    def __reduce__(self) -> NoReturn:
        raise TypeError(ONE_A_PROCESS)

    @classmethod
    def from_yaml(
        cls,
        path: str | PathLike[str],
        *,
        env: Mapping[str, str] | None = None,
        watch: bool = True,
        providers: Mapping[str, Provider] | None = None,
        credentials: Mapping[str, CredentialFunction] | None = None,
        **more: Any,
    ) -> Self:
        """Make a router on a file, whose edits it follows while it runs.

        Args:
            env: variables for `${…}`; None takes the process's environment.
            watch: False leaves edits to `reload()`.
            providers: as in `Router`, like `more`; what the file says of them may have variables that are not set.
            credentials: functions that give keys or tokens, by provider, in place of the file's (docs/credentials.md).

        Raises:
            ConfigError: the file has errors (all are listed, with line and column). UnreadableFile: it can't be read.
        """
        from router.config import load

        plan = plan_of(partial(load, str(path), env=env), providers, credentials)
        router = cls(plan, providers=providers, **more)
        router._parts.follow(Path(path).absolute(), env, watch=watch)
        router._parts.open_ledger()
        router._parts.preload()
        return router

    @classmethod
    def from_text(
        cls,
        text: str,
        *,
        env: Mapping[str, str] | None = None,
        providers: Mapping[str, Provider] | None = None,
        credentials: Mapping[str, CredentialFunction] | None = None,
        **more: Any,
    ) -> Self:
        """Make a router on the text of a routes.yaml; raises `ConfigError` like `from_yaml`."""
        from router.config import load_text

        plan = plan_of(partial(load_text, text, env=env), providers, credentials)
        router = cls(plan, providers=providers, **more)
        router._parts.env = env
        router._parts.preload()
        return router

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], **more: Any) -> Self:
        """Make a router on what a routes.yaml says, as a dict; the rest is as in `from_text`.

        Raises:
            ConfigError: it has errors; their lines are those of the dict written as YAML, which they show.
            TypeError: it has something that YAML has not; the message says where.
        """
        from router.config.as_text import as_text

        return cls.from_text(as_text(data), **more)

    # --- requests

    @overload
    async def complete(
        self,
        route: str,
        messages: Messages,
        *,
        response_format: type[T] | TypeAdapter[T],
        cache: CacheControl = "use",
        **params: Unpack[OtherParams],
    ) -> Reply[T]: ...

    @overload
    async def complete(
        self, route: str, messages: Messages, *, cache: CacheControl = "use", **params: Unpack[RequestParams]
    ) -> Reply: ...

    async def complete(
        self, route: str, messages: Messages, *, cache: CacheControl = "use", **params: Unpack[RequestParams]
    ) -> Reply[Any]:
        """Get one whole answer.

        Args:
            route: a route, a model of the file, or `provider/model-id`.
            messages: a string, `Message`s, or dicts in the shape of OpenAI's chat messages.
            cache: where the route keeps answers: "use" it, "skip" it, "refresh" it by a call, or "only" look there.
            params: what else the call asks for, see `RequestParams`.

        Raises:
            UnknownRoute, RouteExhausted, ProviderError, TypeError (an unknown parameter).
        """
        chain, request, trace = self._engine.begin(route, build_request, route, messages, params)
        return await self._parts.answer(chain, request, trace, cache)

    async def ask(self, request: CompletionRequest, *, route: str | None = None, cache: CacheControl = "use") -> Reply:
        """Get one whole answer to a request that is ready: `complete` for who has a `CompletionRequest` already.

        Nothing of it is coerced or checked: it has to be one that `providers.validation` lets through.

        Args:
            route, cache: as in `complete`; without a route the request's `model` is its name.

        Raises what `complete` does, and TypeError: it is no `CompletionRequest`.
        """
        return await self._parts.answer(*self._engine.begin(route_of(request, route), as_it_is, request), cache)

    @overload
    def stream(
        self,
        route: str,
        messages: Messages,
        *,
        response_format: type[T] | TypeAdapter[T],
        cache: CacheControl = "use",
        can_restart: bool = True,
        **params: Unpack[OtherParams],
    ) -> RouterStream[T]: ...

    @overload
    def stream(
        self,
        route: str,
        messages: Messages,
        *,
        cache: CacheControl = "use",
        can_restart: bool = True,
        **params: Unpack[RequestParams],
    ) -> RouterStream: ...

    def stream(
        self,
        route: str,
        messages: Messages,
        *,
        cache: CacheControl = "use",
        can_restart: bool = True,
        **params: Unpack[RequestParams],
    ) -> RouterStream[Any]:
        """Stream an answer: returns an async context manager and async iterator of `StreamChunk`.

        Until its first content a failure moves on to the next target, unseen; after it, a broken stream
        raises `ProviderError` with code `stream_interrupted` and the `partial` answer.

        Args:
            can_restart: False for who can't take back what was shown: a break that the route would mend by beginning
                anew is raised then; where it can go on from the text, it does.
        """
        begun = self._engine.begin(route, build_request, route, messages, params, streaming=True)
        return self._parts.open(LiveStream(self._engine, *begun, can_restart=can_restart), cache)

    def ask_stream(
        self,
        request: CompletionRequest,
        *,
        route: str | None = None,
        cache: CacheControl = "use",
        can_restart: bool = True,
    ) -> RouterStream:
        """Stream the answer to a request that is ready: to `stream` what `ask` is to `complete`."""
        begun = self._engine.begin(route_of(request, route), as_it_is, request, streaming=True)
        return self._parts.open(LiveStream(self._engine, *begun, can_restart=can_restart), cache)

    @property
    def cache(self) -> ResponseCache:
        """The response cache: its statistics, and what a person may do to it."""
        return self._parts.caching().cache

    async def count_tokens(
        self, route: str, messages: Messages, *, tools: Sequence[Any] = (), exact: bool = False, require: Require = None
    ) -> TokenCount:
        """Count the tokens of a prompt for the first model of the route that is not left out.

        Without `exact` nothing is sent: a tokenizer counts where it is at hand; else it is an estimate, which gets
        better with what vendors report.

        Args:
            tools: as in `complete`; their cost is estimated unless `exact`.
            exact: ask the counting endpoint (Anthropic, OpenAI) of one that meets `require`, which is as in `complete`.

        Raises:
            UnknownRoute; ProviderError: with `exact`, UNSUPPORTED where the vendor counts nothing, or what failed.
        """
        return await self._engine.count_tokens(route, messages, tools, exact=exact, require=require)

    def capabilities(self, route: str) -> ModelCapabilities:
        """Return what the first target of the route can do: the file's word first, then the provider's."""
        return self.chain(route).targets[0].capabilities

    # --- what runs

    @property
    def revision(self) -> str:
        """The hash of the file's text and of all that it resolved."""
        return self._engine.plan.revision

    @property
    def routes(self) -> tuple[str, ...]:
        """The names of the file's routes, in its order."""
        return tuple(self._engine.plan.file.routes)

    @property
    def plan(self) -> Plan:
        """The compiled file that requests run on."""
        return self._engine.plan

    def chain(self, route: str) -> Chain:
        """Return the compiled chain of a route, a model or `provider/model-id`; raises `UnknownRoute`."""
        return self._engine.chain(route)

    @property
    def states(self) -> States:
        """What is remembered of targets and keys; to look at, not to change."""
        return self._engine.states

    @property
    def clients(self) -> ClientStates:
        """Lets the requests of a gateway's clients in, as far as their limits and budgets go."""
        return self._engine.clients

    def provider(self, name: str) -> Provider:
        """Return the live provider of that name, made on first use; of a pool of keys, the first key's."""
        return self._engine.providers.named(name, self._engine.plan)

    def provider_of(self, target: Target, key: Key | None = None) -> Provider:
        """Return the live provider of a target (and one of its keys; None is the first)."""
        return self._engine.providers.of(target, key)

    @property
    def spending(self) -> tuple[Spent, ...]:
        """The file's budgets, and what is spent of each in its current period."""
        return self._engine.spending.report()

    # --- being watched

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that it belongs to; None before its first use."""
        return self._engine.loop

    @property
    def telemetry(self) -> Telemetry:
        """What was counted, and the events."""
        return self._engine.telemetry

    @property
    def report(self) -> Report:
        """What makes data of what was counted."""
        return self._parts.report

    def snapshot(self, *, with_sketches: bool = False) -> Snapshot:
        """Return what a dashboard shows, as data: figures, breakers, limits, budgets, the last reload.

        Args:
            with_sketches: with what quantiles are made from, for those who add up several routers.
        """
        now = time.monotonic() if self.loop is None else self.loop.time()
        return self._parts.report.snapshot(now, watching=self.watching, with_sketches=with_sketches)

    def feed(self) -> LocalFeed:
        """Return a feed of all that can be watched or asked: snapshots, events, requests, plots, file, commands."""
        from router.monitor.local_feed import LocalFeed

        return LocalFeed(self)

    def prometheus(self) -> RouterCollector:
        """Return a collector to register with prometheus_client (extra `prometheus`)."""
        from router.exporters.prometheus import RouterCollector

        return RouterCollector(self)

    def breaker(self, name: str, action: Literal["open", "close", "reset"]) -> None:
        """Open, close or reset a circuit breaker by hand; opened or closed it stays until reset, or until a reload.

        Args:
            name: a model of the file, `provider/model-id`, or a provider, which stands for all its keys.

        Raises:
            UnknownRoute: nothing has that name.
        """
        set_breaker(self._engine, name, action)

    def drain(self, name: str) -> None:
        """Give a model or provider no new calls; those under way end. Until `undrain`, or a reload."""
        set_draining(self._engine, name, draining=True)
        self._parts.report.drained(name, back=False)

    def undrain(self, name: str) -> None:
        """Give a model or provider new calls again, after `drain`."""
        set_draining(self._engine, name, draining=False)
        self._parts.report.drained(name, back=True)

    # --- its life

    async def aclose(self) -> None:
        """Close all connections; the router may not be used afterwards."""
        await self._parts.aclose()

    async def __aenter__(self) -> Self:
        await self._parts.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Router revision {self.revision}: {len(self.routes)} routes, {len(self.plan.providers)} providers>"
