"""The router: a compiled file, the providers it needs, and one way to run a request on them."""

from __future__ import annotations

import asyncio
import difflib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from math import inf
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

from providers import registry
from providers.base import Provider
from providers.coerce import coerce_messages, coerce_tools
from providers.errors import ErrorCode, ProviderError
from providers.tokens import COUNTED_MARGIN, Learned, tools_tokens
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    ModelCapabilities,
    StreamChunk,
    TokenCount,
    Usage,
)
from router.backoff import RetryBudget
from router.decide import Situation
from router.errors import UnknownRoute, WrongLoop
from router.execute import OpenedStream, call, fail_over, for_target, open_stream, refused, routed
from router.plan import Chain, Plan, compile_plan
from router.request import Messages, build_request, needs_of
from router.state import Lease, States
from router.target import Target
from router.trace import Trace

if TYPE_CHECKING:
    from router.config import LoadResult

_DIRECT_CHAINS = 1024  # chains of `provider/model-id` names kept compiled


class Router:
    """Routes calls as a routes.yaml says.

        async with Router.from_yaml("routes.yaml") as router:
            reply = await router.complete("chat", "Why is the sky blue?")

    It starts on first use and ends with `aclose()`. It belongs to the event loop of its first use; when that
    loop is closed it starts anew on the next one. For threads without a loop, see `SyncRouter`.

    Args:
        plan: a compiled file, see `from_yaml` and `from_text`.
        seed: of the router's only source of chance (jitter), to reproduce a run.
        providers: ready providers by name, in place of those that the file's settings would make.
    """

    def __init__(self, plan: Plan, *, seed: int | None = None, providers: Mapping[str, Provider] | None = None) -> None:
        self._plan = plan
        self._chance = random.Random(seed)
        self._providers: dict[str, Provider] = dict(providers or {})
        self._windows: dict[str, int] = {}
        self._learned: dict[str, Learned] = {}
        self._states = States(self._chance)
        self._budgets: dict[str, RetryBudget] = {}
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
        **more: Any,
    ) -> Self:
        """A router on a file.

        Args:
            path: of the routes.yaml.
            env: variables for `${…}`; None takes the process's environment.

        Raises:
            ConfigError: the file has errors; all are listed, with line and column.
            UnreadableFile: it can't be read at all.
        """
        from router.config import load

        return cls(_accepted(load(str(path), env=env)), seed=seed, **more)

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
    def plan(self) -> Plan:
        """The compiled file that requests run on."""
        return self._plan

    async def complete(self, route: str, messages: Messages, **params: Any) -> CompletionResponse:
        """One whole answer.

        Args:
            route: a route, a model of the file, or `provider/model-id`.
            messages: a string, `Message`s, or dicts in the shape of OpenAI's chat messages.
            params: the other fields of `CompletionRequest`.

        Raises:
            UnknownRoute, RouteExhausted, ProviderError, TypeError (an unknown parameter).
        """
        chain, request, trace = self._begin(route, messages, params)
        needs = needs_of(request, streaming=False)
        refusal_tier = _names_refusals(chain)

        async def attempt(target: Target, deadline: float, lease: Lease) -> tuple[CompletionResponse, Target]:
            response = await call(self.provider(target.provider), request, target, deadline)
            if refusal_tier and response.finish_reason == "content_filter":
                raise refused(response, target)
            return response, target

        at = self._situation(chain)
        (response, target), lease = await fail_over(chain, needs, trace, attempt, at)
        now = at.clock()
        lease.first_token(now - lease.started, now)  # for a plain call the first token is the answer
        lease.succeeded(now, response.usage)
        self._learn(target, request, response.usage)
        return routed(response, chain, target, trace)

    def stream(self, route: str, messages: Messages, **params: Any) -> RouterStream:
        """The same, streamed: an async context manager and async iterator of `StreamChunk`.

        Until its first content a failure moves on to the next target, unseen; after it, a broken stream
        raises `ProviderError` with code `stream_interrupted` and the `partial` answer.
        """
        chain, request, trace = self._begin(route, messages, params)
        return RouterStream(self, chain, request, trace)

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
        provider = self.provider(target.provider)
        if exact:
            request = for_target(build_request(route, messages, {"tools": tools}), target)
            counter = getattr(provider, "count_exact", None)
            if counter is None:
                raise ProviderError(
                    ErrorCode.UNSUPPORTED, "this kind of provider counts nothing exactly", provider=target.provider
                )
            found: TokenCount = await counter(request)
            return found
        count = await asyncio.to_thread(provider.count_tokens, coerce_messages(messages), target.model)
        learned = self._learned.get(f"{target.provider}/{target.model}")
        count = count if learned is None else learned.corrected(count)
        if not tools:
            return count
        more = tools_tokens(coerce_tools(tools))
        return replace(count, tokens=count.tokens + more, exact=False, margin=max(count.margin, COUNTED_MARGIN))

    def _learn(self, target: Target, request: CompletionRequest, usage: Usage) -> None:
        """What a prompt of plain text really cost makes later estimates better."""
        if usage.input_tokens is None or request.tools:
            return
        learned = self._learned.setdefault(f"{target.provider}/{target.model}", Learned())
        if learned.is_due and all(isinstance(message.content, str) for message in request.messages):
            learned.add(request.messages, usage.input_tokens)

    def capabilities(self, route: str) -> ModelCapabilities:
        """What the first target of the route can do: the file's word first, then the provider's."""
        return self._chain(route).targets[0].capabilities

    def provider(self, name: str) -> Provider:
        """The live provider of that name, made on first use."""
        found = self._providers.get(name)
        if found is None:
            found = self._providers[name] = registry.create(self._plan.providers[name])
        return found

    async def aclose(self) -> None:
        """Close all connections; the router may not be used afterwards."""
        self._closed = True
        providers, self._providers = list(self._providers.values()), {}
        for provider in providers:
            await provider.aclose()

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

    def _situation(self, chain: Chain) -> Situation:
        """What holds for a request that begins now."""
        clock = self._enter_loop().time
        budget = self._budgets.get(chain.route)
        if budget is None:
            budget = self._budgets[chain.route] = RetryBudget(chain.retry.budget)
        budget.share = chain.retry.budget
        return Situation(
            states=self._states,
            clock=clock,
            deadline=inf if chain.total is None else clock() + chain.total,
            chance=self._chance,
            windows=self._windows,
            budget=budget,
        )

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
        return loop


class RouterStream:
    """A streamed answer; `response` is complete after the last chunk."""

    def __init__(self, router: Router, chain: Chain, request: CompletionRequest, trace: Trace) -> None:
        self._router = router
        self._chain = chain
        self._request = request
        self._trace = trace
        self._opened: OpenedStream | None = None
        self._iterator: AsyncIterator[StreamChunk] | None = None

    @property
    def response(self) -> CompletionResponse:
        """The answer accumulated so far, with route, target, cost and trace."""
        if self._opened is None:
            return CompletionResponse(route=self._chain.route, trace=self._trace)
        return routed(self._opened.response, self._chain, self._opened.target, self._trace)

    @property
    def trace(self) -> Trace:
        return self._trace

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        if self._iterator is None:
            self._iterator = self._chunks()
        return self._iterator

    async def __anext__(self) -> StreamChunk:
        return await anext(aiter(self))

    async def _chunks(self) -> AsyncIterator[StreamChunk]:
        opened, lease = await self._open()
        self._opened = opened
        clock = asyncio.get_running_loop().time
        try:
            async for chunk in opened:
                if chunk.done:
                    usage = opened.response.usage
                    lease.succeeded(clock(), usage)
                    self._router._learn(opened.target, self._request, usage)
                yield chunk
        except ProviderError as error:
            interrupted = self._interrupted(error)
            lease.failed(interrupted, clock())
            raise interrupted from None
        finally:
            lease.cancelled(clock())  # where it has not ended otherwise
            await opened.aclose()

    async def _open(self) -> tuple[OpenedStream, Lease]:
        router, chain = self._router, self._chain
        refusal_tier = _names_refusals(chain)
        at = router._situation(chain)

        async def attempt(target: Target, deadline: float, lease: Lease) -> OpenedStream:
            opened = await open_stream(router.provider(target.provider), self._request, target, deadline)
            now = at.clock()
            lease.first_token(now - lease.started, now)
            if refusal_tier and opened.response.finish_reason == "content_filter":
                await opened.aclose()
                raise refused(opened.response, target)
            return opened

        return await fail_over(chain, needs_of(self._request, streaming=True), self._trace, attempt, at)

    def _interrupted(self, error: ProviderError) -> ProviderError:
        """A committed stream that fails is `stream_interrupted`, whatever broke it; the partial answer goes along."""
        if error.code is not ErrorCode.STREAM_INTERRUPTED:
            error.message = f"{error.message} ({error.code})"
            error.code = ErrorCode.STREAM_INTERRUPTED
        error.partial = self.response
        return error

    async def aclose(self) -> None:
        """Close the upstream connection at once."""
        iterator, self._iterator = self._iterator, None
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.aclose()


def _names_refusals(chain: Chain) -> bool:
    return any(tier.on is not None and ErrorCode.CONTENT_FILTERED in tier.on for tier in chain.tiers)


def _accepted(loaded: LoadResult) -> Plan:
    from router.config import ConfigError

    if loaded.file is None:
        raise ConfigError(loaded.diagnostics)
    return compile_plan(loaded)
