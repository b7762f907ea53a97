"""Requests of routes that keep answers: looked up first, then shared with those that ask the same, then stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from msgspec.structs import replace

from providers.accumulate import as_chunks
from providers.types import CompletionRequest, CompletionResponse, StreamChunk
from router.cache.codec import Entry
from router.cache.key import CacheKey, NotCacheable, cache_key
from router.cache.location import place
from router.cache.single_flight import SharedCall
from router.cache.store import ResponseCache, served
from router.config.schema import RoutesFile
from router.engine.stream import RouterStream
from router.errors import RouteExhausted
from router.plan.plan import Chain
from router.views.trace import Trace

if TYPE_CHECKING:
    from router.router import Router
    from router.telemetry.recorder import RequestRecorder, Telemetry

CacheControl = Literal["use", "skip", "refresh", "only"]

_LARGE = 128 * 1024  # characters of a prompt from which its key is made in a thread


class Found(NamedTuple):
    """`key` is None for a request that has none, `spare` what may be served when all else fails."""

    key: CacheKey | None
    fresh: Entry | None = None
    spare: Entry | None = None


def checked(control: str) -> CacheControl:
    """Raises ValueError for a word that is no control."""
    for known in get_args(CacheControl):
        if control == known:
            found: CacheControl = known
            return found
    raise ValueError(f'cache="{control}" is not known; it is one of {", ".join(get_args(CacheControl))}')


class CachedRequests:
    """Single flight over the cache."""

    def __init__(self, cache: ResponseCache, telemetry: Telemetry) -> None:
        self.cache = cache
        self._telemetry = telemetry
        self._flights: dict[CacheKey, SharedCall] = {}

    @classmethod
    def on(cls, folder: Path | None, most: int, wall: Callable[[], float], telemetry: Telemetry) -> CachedRequests:
        """As `ResponseCache`; what is answered without a call is told to `telemetry`."""
        return cls(ResponseCache(folder, most, wall), telemetry)

    def witness(self, trace: Trace, request: CompletionRequest, began: float) -> RequestRecorder:
        """Of a request that makes no call of its own."""
        return self._telemetry.witness(trace, request, began)

    def of(self, chain: Chain, control: str, trace: Trace) -> CachedRequests | None:
        """This, or None when a request of the chain goes past the cache.

        Raises:
            ValueError: no control has this name.
            RouteExhausted: only a cached answer is wanted, and the route keeps none.
        """
        found = checked(control)
        if found == "skip":
            trace.cache = "skipped, as asked" if chain.cache is not None else ""
            return None
        if chain.cache is None and found == "only":
            raise RouteExhausted(chain.route, trace, note='the route keeps no answers (cache="only")')
        return None if chain.cache is None else self

    def stream(
        self, router: Router, chain: Chain, request: CompletionRequest, trace: Trace, control: CacheControl
    ) -> CachedStream:
        """The same for a stream."""
        return CachedStream(router, chain, request, trace, self, control)

    async def complete(
        self,
        chain: Chain,
        request: CompletionRequest,
        trace: Trace,
        control: CacheControl,
        call: Callable[[], Awaitable[CompletionResponse]],
    ) -> CompletionResponse:
        """The answer from the cache, from an identical request under way, or from `call`."""
        clock = asyncio.get_running_loop().time
        began = clock()
        found = await self.look(chain, request, trace, control)
        if found.fresh is not None:
            response = self.hit(found.fresh, trace)
            self.witness(trace, request, began).shared(response, clock())
            return response
        if found.key is None:
            return await call()
        flight, first = self.flight(found.key, chain, trace, lambda flight: flight.plain(call))
        witness = None if first else self.witness(trace, request, began)  # the first one's call has its own
        try:
            response = await flight.result()
        except BaseException as error:
            if found.spare is None or not isinstance(error, RouteExhausted):
                if witness is not None:
                    witness.failed(error, clock())
                raise
            response = self.stale(found.spare, trace)
            (witness or self.witness(trace, request, began)).shared(response, clock(), after_failure=first)
            return response
        finally:
            await flight.leave()
        if witness is None:
            return response
        witness.shared(response, clock())
        return replace(response, trace=trace)

    async def look(self, chain: Chain, request: CompletionRequest, trace: Trace, control: CacheControl) -> Found:
        """What the cache has.

        Raises:
            RouteExhausted: nothing, and `control` wants nothing else.
        """
        rules = chain.cache
        assert rules is not None, "only requests of routes with a cache come here"
        try:
            make = partial(cache_key, request, chain.route, chain.answers, rules.namespace)
            large = sum(len(message.text) for message in request.messages) > _LARGE
            key = await asyncio.to_thread(make) if large else make()
        except NotCacheable as error:
            trace.cache = f"not cacheable: {error}"
            return self._none(chain, trace, control)
        fresh, spare = await self.cache.find(key, rules)
        if control == "refresh":
            fresh = None
        if fresh is None:
            self.cache.stats.misses += 1
            self._none(chain, trace, control)
        return Found(key, fresh, spare)

    @staticmethod
    def _none(chain: Chain, trace: Trace, control: CacheControl) -> Found:
        if control == "only":
            raise RouteExhausted(chain.route, trace, note='the cache has no answer to this (cache="only")')
        return Found(None)

    def flight(
        self, key: CacheKey, chain: Chain, trace: Trace, start: Callable[[SharedCall], SharedCall]
    ) -> tuple[SharedCall, bool]:
        """The call to wait for, joined, and whether it is begun by this request. It has to be left."""
        found = self._flights.get(key)
        if found is not None:
            self.cache.stats.joined += 1
            trace.cache = "joined"
            found.join()
            return found, False

        def landed(response: CompletionResponse) -> None:
            assert chain.cache is not None
            trace.cache = self.cache.keep(key, response, chain.cache)

        def over() -> None:
            if self._flights.get(key) is made:
                del self._flights[key]

        made = SharedCall(landed, over)
        made.join()
        self._flights[key] = start(made)
        return made, True

    def hit(self, entry: Entry, trace: Trace) -> CompletionResponse:
        self.cache.saved(entry.response)
        trace.cache = "hit"
        return served(entry, stale=False, trace=trace)

    def stale(self, entry: Entry, trace: Trace) -> CompletionResponse:
        self.cache.stats.stale += 1
        trace.cache = "stale"
        return served(entry, stale=True, trace=trace)

    def adopt(self, file: RoutesFile) -> None:
        """An edit may keep the answers elsewhere."""
        self.cache.adopt(*place(file))

    async def aclose(self) -> None:
        """End the calls under way, and write what is to be kept."""
        for flight in tuple(self._flights.values()):
            await flight.aclose()
        await self.cache.aclose()

    def on_new_loop(self) -> None:
        """Calls under way went with the old loop."""
        self._flights.clear()
        self.cache.on_new_loop()


class CachedStream(RouterStream):
    """A stream of a route that keeps answers."""

    def __init__(
        self,
        router: Router,
        chain: Chain,
        request: CompletionRequest,
        trace: Trace,
        calls: CachedRequests,
        control: CacheControl,
    ) -> None:
        super().__init__(router, chain, request, trace)
        self._calls = calls
        self._control = control
        self._stored: CompletionResponse | None = None
        self._flight: SharedCall | None = None

    @property
    def response(self) -> CompletionResponse:
        found = self._stored
        if found is None and self._flight is not None:
            found = self._flight.response
        return super().response if found is None else replace(found, trace=self._trace, raw=None)

    async def _chunks(self) -> AsyncGenerator[StreamChunk, None]:
        clock = self._router._enter_loop().time
        began = clock()
        found = await self._calls.look(self._chain, self._request, self._trace, self._control)
        if found.fresh is not None:
            self._stored = self._calls.hit(found.fresh, self._trace)
            self.witness = self._calls.witness(self._trace, self._request, began)
            self.witness.shared(self._stored, clock())
        else:
            source = super()._chunks() if found.key is None else self._shared(found.key, found.spare, began)
            async with aclosing(source) as chunks:
                async for chunk in chunks:
                    yield chunk
        if self._stored is not None:
            for chunk in as_chunks(self._stored):
                yield chunk

    async def _shared(self, key: CacheKey, spare: Entry | None, began: float) -> AsyncGenerator[StreamChunk, None]:
        """From the call that all identical requests share; what it fails with may leave the spare to be served."""
        inner = RouterStream(self._router, self._chain, self._request, self._trace)
        flight, first = self._calls.flight(key, self._chain, self._trace, lambda flight: flight.streamed(inner))
        self._flight = flight
        clock = asyncio.get_running_loop().time
        if not first:
            self.witness = self._calls.witness(self._trace, self._request, began)
        try:
            async with aclosing(flight.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
            if self.witness is not None:
                self.witness.shared(self.response, clock())
        except BaseException as error:
            if spare is None or not isinstance(error, RouteExhausted):
                if self.witness is not None:
                    self.witness.failed(error, clock())
                raise
            self._stored = self._calls.stale(spare, self._trace)
            witness = self.witness or self._calls.witness(self._trace, self._request, began)
            witness.shared(self._stored, clock(), after_failure=first)
        finally:
            self.witness = self.witness or inner.witness
            await flight.leave()
