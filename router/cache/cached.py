"""Requests of routes that keep answers: looked up first, then shared with those that ask the same, then stored.

`Router` has one `CachedRequests` from its first such request on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias, get_args

from msgspec.structs import replace

from providers.accumulate import as_chunks
from providers.errors import ErrorCode, ProviderError
from providers.harmless import harmless
from providers.threads import in_thread
from providers.types import CompletionRequest, CompletionResponse, StreamChunk
from router.cache.codec import Entry
from router.cache.key import NotCacheable, cache_key
from router.cache.location import cache_location
from router.cache.shared_level import Level
from router.cache.single_flight import SharedCall
from router.cache.store import ResponseCache, served
from router.cache.turns import Turns
from router.config.serve_schema import CacheControl as CacheControl
from router.engine.acceptance import acceptance_of
from router.engine.engine import Engine
from router.engine.stream import LiveStream
from router.errors import RouteExhausted, give_trace, tracing
from router.plan.plan import Chain, Plan
from router.telemetry.events import cache_changed
from router.telemetry.recorder import RequestRecorder
from router.views.trace import Trace

_LARGE = 128 * 1024  # characters of a prompt from which its key is made in a thread


# What is asked, the request's own timeouts, whether its answer may begin anew, and what it is read as.
Flight: TypeAlias = tuple[str, frozenset[tuple[str, object]], bool, tuple[bool, object]]


class Found(NamedTuple):
    """What the cache has for a request. `key` is None when the request has none; `spare` may be served when all else
    fails.
    """

    key: str | None
    fresh: Entry | None = None
    spare: Entry | None = None
    level: Level = "memory"


class CachedRequests:
    """Answers requests from the cache; at any time one call upstream serves all that ask the same."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.cache = ResponseCache(*cache_location(engine.plan.file), engine.wall_clock, self._tell)
        self._calls: dict[Flight, SharedCall] = {}
        self._turns = Turns(engine, self.cache)
        engine.adopters.append(self.adopt)
        engine.on_new_loop.append(self.on_new_loop)

    def _tell(self, folder: Path, state: str, why: str) -> None:
        self._engine.telemetry.publish(cache_changed(str(folder), state, why, time.time()))

    async def complete(
        self, chain: Chain, request: CompletionRequest, trace: Trace, control: CacheControl
    ) -> CompletionResponse:
        """Answer from the cache, from an identical request under way, or by a call."""
        with tracing(trace):
            return await self._complete(chain, request, trace, control)

    async def _complete(
        self, chain: Chain, request: CompletionRequest, trace: Trace, control: CacheControl
    ) -> CompletionResponse:
        clock = self._engine.enter_loop().time
        began = clock()
        lookup = await self.lookup(chain, request, trace, control)
        if lookup.fresh is not None:
            response = self.hit(lookup.fresh, trace, lookup.level)
            self.recorder(trace, request, began).answered_from_cache(response, clock())
            return response
        call = partial(self._engine.complete, chain, request, trace)
        if lookup.key is None:
            return await call()
        if control == "use" and (answers := self.cache.shared) is not None:
            call = partial(self._turns.complete, answers, lookup.key, chain, request, trace)
        shared, is_first = self.join(
            lookup.key,
            chain,
            request,
            trace,
            lambda shared: shared.run(call),
            may_restart=chain.on_stream_break != "error",
        )
        recorder = None if is_first else self.recorder(trace, request, began)  # the first one's call has its own
        try:
            response = await shared.result()
        except BaseException as error:
            if lookup.spare is None or not isinstance(error, RouteExhausted):
                if recorder is not None:
                    recorder.failed(error, clock())
                raise
            response = self.stale(lookup.spare, trace)
            recorder = recorder or self.recorder(trace, request, began)
            recorder.answered_from_cache(response, clock(), after_failure=is_first)
            return response
        finally:
            await shared.leave()
        if recorder is None and not trace.cache_level:
            return response
        read = await self.read(response, chain, request)
        if read is None:
            return await self._engine.complete(chain, request, trace)
        recorder = recorder or self.recorder(trace, request, began)  # another machine made the call
        recorder.answered_from_cache(read, clock())
        return replace(read, trace=trace, native=False)  # its `raw` tells of the first one's own request

    async def read(
        self, response: CompletionResponse, chain: Chain, request: CompletionRequest
    ) -> CompletionResponse | None:
        """Return an answer that another request's call has given, with a value of its own; None where this request
        would not take it.
        """
        acceptance = acceptance_of(chain, request, None)  # the app's own function has seen it
        if acceptance is None:
            return response if response.parsed is None else replace(response, parsed=None)
        targets = chain.targets
        target = next((target for target in targets if target.name == response.target), targets[0])
        try:
            return await acceptance.read(response, request, target, chain.route)
        except ProviderError:
            return None

    async def _entry(self, entry: Entry | None, chain: Chain, request: CompletionRequest) -> Entry | None:
        response = None if entry is None else await self.read(entry.response, chain, request)
        return None if entry is None or response is None else replace(entry, response=response)

    def stream(self, live: LiveStream, control: CacheControl) -> CachedStream:
        """Answer a stream from the cache, from an identical request under way, or by `live`, which asks the vendors."""
        return CachedStream(self, live, control)

    def enter_loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, which the engine belongs to from now on; raises WrongLoop."""
        return self._engine.enter_loop()

    def recorder(self, trace: Trace, request: CompletionRequest, began: float) -> RequestRecorder:
        """Make the recorder of a request that makes no call of its own."""
        return self._engine.telemetry.recorder(trace, request, began)

    async def lookup(self, chain: Chain, request: CompletionRequest, trace: Trace, control: CacheControl) -> Found:
        """Look up what the cache has for a request.

        Raises:
            RouteExhausted: nothing, and `control` wants nothing else.
        """
        rules = chain.cache
        assert rules is not None, "only requests of routes with a cache come here"
        try:
            make = partial(cache_key, request, chain.route, chain.answers, rules.namespace)
            texts = [each.content if isinstance(each.content, str) else each.text for each in request.messages]
            large = sum(map(len, texts)) > _LARGE
            key = (await in_thread(make) if large else make()).text()
        except NotCacheable as error:
            trace.cache = f"not cacheable: {error}"
            return self._none(chain, trace, control)
        fresh, spare, level = await self.cache.find(key, rules)
        if fresh is not None or spare is not None:
            same, fresh = spare is fresh, await self._entry(fresh, chain, request)
            spare = fresh if same else await self._entry(spare, chain, request)
        if control == "refresh":
            fresh = None
        if fresh is None:
            self.cache.stats.misses += 1
            self._none(chain, trace, control)
        return Found(key, fresh, spare, level)

    @staticmethod
    def _none(chain: Chain, trace: Trace, control: CacheControl) -> Found:
        if control == "only":
            raise _not_cached(chain, trace, "the cache has no answer to this")
        return Found(None)

    def join(
        self,
        key: str,
        chain: Chain,
        request: CompletionRequest,
        trace: Trace,
        start: Callable[[SharedCall], SharedCall],
        *,
        may_restart: bool,
    ) -> tuple[SharedCall, bool]:
        """Join the call that all identical requests wait for; says whether this request has begun it. It has to be
        left. Who has timeouts of their own, or can't begin anew, waits with their like: that is not for others.
        """
        flight = key, _own_timeouts(request), may_restart, _read_as(request)
        under_way = self._calls.get(flight)
        if under_way is not None:
            self.cache.stats.joined += 1
            trace.cache = "joined"
            under_way.join()
            return under_way, False

        def on_answer(response: CompletionResponse) -> None:
            assert chain.cache is not None
            if trace.cache_level:  # another machine has made the call, and kept it
                return
            try:
                trace.cache = self.cache.keep(key, replace(response, parsed=None), chain.cache)
            except Exception as error:
                harmless.note(error)

        def on_end() -> None:
            if self._calls.get(flight) is joined:
                del self._calls[flight]
            if (answers := self.cache.shared) is not None:
                self.cache.when_put(key, partial(answers.done, key))

        joined = SharedCall(on_answer, on_end)
        self._calls[flight] = start(joined)
        return joined, True

    def hit(self, entry: Entry, trace: Trace, level: Level) -> CompletionResponse:
        """Serve a fresh entry."""
        self.cache.saved(entry.response, level)
        trace.cache, trace.cache_level = "hit", level
        return served(entry, stale=False, trace=trace)

    def stale(self, entry: Entry, trace: Trace) -> CompletionResponse:
        """Serve an expired entry, since everything is down."""
        self.cache.stats.stale += 1
        trace.cache = "stale"
        return served(entry, stale=True, trace=trace)

    def adopt(self, plan: Plan) -> None:
        """Take over where a new plan keeps its answers."""
        self.cache.adopt(*cache_location(plan.file))

    async def aclose(self) -> None:
        """End the calls under way, and write what is to be kept."""
        for shared in tuple(self._calls.values()):
            await shared.aclose()
        await self.cache.aclose()

    def on_new_loop(self) -> None:
        """Forget the calls under way, which went with the old loop."""
        self._calls.clear()
        self.cache.on_new_loop()


def skips_cache(chain: Chain, control: str, trace: Trace) -> bool:
    """Say whether a request goes past the cache.

    Raises:
        ValueError: no control has this name.
        RouteExhausted: only a cached answer is wanted, and the route keeps none.
    """
    if control not in get_args(CacheControl):
        error = ValueError(f'cache="{control}" is not known; it is one of {", ".join(get_args(CacheControl))}')
        give_trace(error, trace)
        raise error
    if control == "skip":
        trace.cache = "skipped, as asked" if chain.cache is not None else ""
        return True
    if chain.cache is None and control == "only":
        raise _not_cached(chain, trace, "the route keeps no answers")
    return chain.cache is None


def _not_cached(chain: Chain, trace: Trace, why: str) -> RouteExhausted:
    """Make the error of a request that wants a stored answer only: no vendor is busy, and waiting helps nobody."""
    return RouteExhausted(chain.route, trace, note=f'{why} (cache="only")', code=ErrorCode.UNSUPPORTED)


def _read_as(request: CompletionRequest) -> tuple[bool, object]:
    """Return what tells apart requests that ask for the same and read it differently: types may have one schema."""
    kind = request.answer_type
    return kind is not None, None if kind is None else kind.parse_json


def _own_timeouts(request: CompletionRequest) -> frozenset[tuple[str, object]]:
    return frozenset(request.timeout.items()) if request.timeout else frozenset()


class CachedStream:
    """The chunks of a stream whose route keeps answers: they come out of the cache, or from a call that others
    share.
    """

    def __init__(self, requests: CachedRequests, live: LiveStream, control: CacheControl) -> None:
        self.trace = live.trace
        self.recorder: RequestRecorder | None = None
        self._requests = requests
        self._live = live
        self._control = control
        self._stored: CompletionResponse | None = None
        self._read: CompletionResponse | None = None  # another request's answer, once it is whole
        self._shared: SharedCall | None = None

    @property
    def response(self) -> CompletionResponse:
        """The answer so far."""
        response = self._stored or self._read
        if response is None and self._shared is not None:
            response = self._shared.response
        return self._live.response if response is None else replace(response, trace=self.trace, raw=None, native=False)

    async def chunks(self) -> AsyncGenerator[StreamChunk, None]:
        """Yield the chunks as they come; raises what the request fails with."""
        with tracing(self.trace):
            async with aclosing(self._chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _chunks(self) -> AsyncGenerator[StreamChunk, None]:
        clock = self._requests.enter_loop().time
        began = clock()
        lookup = await self._requests.lookup(self._live.chain, self._live.request, self.trace, self._control)
        if lookup.fresh is not None:
            self._stored = self._requests.hit(lookup.fresh, self.trace, lookup.level)
            self._record(began).answered_from_cache(self._stored, clock())
        else:
            source = self._uncached() if lookup.key is None else self._joined(lookup.key, lookup.spare, began)
            async with aclosing(source) as chunks:
                async for chunk in chunks:
                    yield chunk
        if self._stored is not None:
            for chunk in as_chunks(self._stored):
                yield chunk

    def _record(self, began: float) -> RequestRecorder:
        """The recorder of a request that makes no call of its own."""
        if self.recorder is None:
            self.recorder = self._requests.recorder(self.trace, self._live.request, began)
        return self.recorder

    async def _uncached(self) -> AsyncGenerator[StreamChunk, None]:
        try:
            async with aclosing(self._live.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self.recorder = self._live.recorder

    async def _joined(self, key: str, spare: Entry | None, began: float) -> AsyncGenerator[StreamChunk, None]:
        """From the call that all identical requests share; what it fails with may leave the spare to be served."""
        chain, clock = self._live.chain, asyncio.get_running_loop().time
        shared, is_first = self._requests.join(
            key,
            chain,
            self._live.request,
            self.trace,
            lambda shared: shared.stream(self._live),
            may_restart=self._live.may_restart,
        )
        self._shared = shared
        recorder = None if is_first else self._record(began)
        try:
            async with aclosing(shared.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk if is_first or not chunk.raw else replace(chunk, raw=b"")
            if recorder is not None:
                self._read = await self._requests.read(self.response, chain, self._live.request)
                recorder.answered_from_cache(self.response, clock())
        except BaseException as error:
            if spare is None or not isinstance(error, RouteExhausted):
                if recorder is not None:
                    recorder.failed(error, clock())
                raise
            self._stored = self._requests.stale(spare, self.trace)
            self._record(began).answered_from_cache(self._stored, clock(), after_failure=is_first)
        finally:
            self.recorder = self.recorder or self._live.recorder
            await shared.leave()
