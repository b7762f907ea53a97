"""A streamed answer of a router, and what becomes of it when its vendor breaks off."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Generic, NoReturn, Protocol, Self, cast

from msgspec.structs import replace

from providers import forks
from providers.base import SupportsPrefill
from providers.errors import ErrorCode, ProviderError
from providers.types import CompletionRequest, CompletionResponse, Message, StreamChunk
from router.engine.attempt import OpenedStream, accepted, open_once
from router.engine.context import RequestContext
from router.engine.engine import Engine
from router.engine.failover import FailOver
from router.engine.paid import with_routing_info
from router.errors import RouteExhausted, RouterClosed
from router.plan.plan import Chain
from router.plan.target import Target
from router.state.lease import Lease
from router.telemetry.recorder import RequestRecorder
from router.views.reply import Reply, T_co
from router.views.trace import Trace

# For models that take no beginning of their answer.
GO_ON = (
    "Your answer above was cut off by a lost connection. Go on exactly where it stops, in the middle of a word if need "
    "be. Do not repeat any of it, and do not comment on this."
)


class StreamSource(Protocol):
    """Where the chunks of a `RouterStream` come from: calls to vendors, or what the cache has.

    `recorder` is None until the request has begun.
    """

    trace: Trace
    recorder: RequestRecorder | None

    @property
    def response(self) -> CompletionResponse:
        """The answer so far; its trace is a `Trace`."""
        ...

    def chunks(self) -> AsyncGenerator[StreamChunk, None]:
        """Yield all chunks in order; it is asked for once."""
        ...


class RouterStream(Generic[T_co]):
    """A streamed answer; `response` is complete after the last chunk.

    When a stream breaks after its first content, the route's `on_stream_break` decides: "error" raises
    `stream_interrupted` with the partial answer; "restart" goes on along the chain and says so by a chunk with
    `restarted=True`, after which what came before is void; "continue" asks the next target to go on from the text so
    far, where there is nothing but text.
    """

    def __init__(self, source: StreamSource) -> None:
        self._source = source
        self._iterator: AsyncGenerator[StreamChunk, None] | None = None
        self._process = os.getpid()

    @property
    def response(self) -> Reply[T_co]:
        """The answer accumulated so far, with route, target, cost and trace; `parsed` is None until its end."""
        return cast("Reply[T_co]", self._source.response)

    @property
    def trace(self) -> Trace:
        """What happened to the request so far."""
        return self._source.trace

    @property
    def number(self) -> int | None:
        """The number of the request among those of its router, from 1; None until it has ended."""
        recorder = self._source.recorder
        return None if recorder is None else recorder.number or None

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        if os.getpid() != self._process:
            raise RouterClosed("this stream belongs to the process that this one was forked from; ask again here")
        if self._iterator is None:
            self._iterator = self._source.chunks()
        return self._iterator

    async def __anext__(self) -> StreamChunk:
        return await anext(aiter(self))

    async def aclose(self) -> None:
        """Close the upstream connection at once."""
        iterator, self._iterator = self._iterator, None
        if iterator is not None and os.getpid() != self._process:
            forks.leave(iterator)
        elif iterator is not None:
            await iterator.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream can't be pickled or copied: it has a connection. Its `response` can")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.aclose()


class LiveStream:
    """The chunks of a stream that vendors are asked for."""

    def __init__(
        self, engine: Engine, chain: Chain, request: CompletionRequest, trace: Trace, *, can_restart: bool = True
    ) -> None:
        self.chain = chain
        self.request = request
        self.trace = trace
        self.may_restart = can_restart and chain.on_stream_break != "error"
        self.recorder: RequestRecorder | None = None
        self._engine = engine
        self._context: RequestContext | None = None
        self._opened: OpenedStream | None = None
        self._whole: CompletionResponse | None = None  # once the last chunk is there
        self._before = ""  # the text of the streams that broke, where this one goes on from it

    @property
    def response(self) -> CompletionResponse:
        """The answer accumulated so far, with route, target, cost and trace."""
        if self._whole is not None:
            return self._whole
        if self._opened is None or self._context is None:
            return CompletionResponse(route=self.chain.route, trace=self.trace)
        return with_routing_info(self._so_far(self._opened), self._context, self._opened.target)[0]

    def _so_far(self, opened: OpenedStream) -> CompletionResponse:
        response = opened.response
        return replace(response, text=self._before + response.text) if self._before else response

    async def chunks(self) -> AsyncGenerator[StreamChunk, None]:
        """Yield the chunks as they come; raises what the request fails with."""
        context = self._context = self._engine.context(self.chain, self.request, self.trace, streaming=True)
        recorder = self.recorder = context.recorder
        with FailOver(context, self._attempt, OpenedStream.aclose) as failover:
            opened = await failover.deliver()
            while True:
                self._opened = opened
                recorder.target = opened.target
                try:
                    if opened.first is not None:
                        if opened.first.done:
                            await self._ended(context, failover, opened)
                        yield opened.first
                    async for chunk in opened.rest:
                        if chunk.done:
                            await self._ended(context, failover, opened)
                        yield chunk
                    return
                except ProviderError as error:
                    interrupted = self._interrupted(error)
                    failover.broke(interrupted)
                finally:
                    failover.abandoned(opened.response if failover.lease.is_open else None)
                    await opened.aclose()
                opened = await self._after_break(failover, interrupted)
                if not self._before:
                    yield StreamChunk(restarted=True)

    async def _ended(self, context: RequestContext, failover: FailOver[OpenedStream], opened: OpenedStream) -> None:
        """Take the whole answer over, once it is checked."""
        whole = self._so_far(opened)
        if context.acceptance is not None:
            failover.lease.seen = whole
            deadline = context.clock() + context.total  # what came before was no time of the check
            whole = await accepted(context, context.acceptance, opened.target, whole, deadline)
        now = context.clock()
        self._whole = failover.answered(whole, now, opened.first_token)
        if self.chain.shadow is not None:
            self._engine.shadows.offer(self.chain, self.request, self._whole, now - context.began)

    async def _attempt(self, context: RequestContext, target: Target, lease: Lease) -> OpenedStream:
        provider, request = context.providers.of(target, lease.key), context.asked_of(target)
        if self._before:
            prefill = isinstance(provider, SupportsPrefill) and provider.supports_prefill(target.model)
            request = _going_on(request, self._before, prefill=prefill)
        return await open_once(context, request, provider, target, lease)

    async def _after_break(self, failover: FailOver[OpenedStream], interrupted: ProviderError) -> OpenedStream:
        """Return the stream that takes over, by the route's policy; raises the interruption when there is none."""
        policy = self.chain.on_stream_break
        if policy == "error":
            raise interrupted
        partial = self.response
        is_whole = interrupted.code is ErrorCode.INVALID_OUTPUT
        before = partial.text if policy == "continue" and not is_whole and self._is_plain(partial) else ""
        if not before and not self.may_restart:
            raise interrupted
        self._before = before
        # For the order of targets a broken stream is a truncated answer: the next one is tried.
        code = interrupted.code if is_whole else ErrorCode.PROTOCOL_ERROR
        truncated = ProviderError(code, interrupted.message, provider=interrupted.provider, model=interrupted.model)
        try:
            return await failover.deliver(truncated)
        except (RouteExhausted, ProviderError) as nothing_left:  # a request to go on may be one that no vendor takes
            interrupted.partial = partial
            raise interrupted from nothing_left

    def _is_plain(self, partial: CompletionResponse) -> bool:
        """Say whether another model could go on from the partial answer: it is text alone, of no fixed form."""
        others = partial.tool_calls or partial.thinking or self.request.tools
        return bool(partial.text) and not others and self.request.response_format is None

    def _interrupted(self, error: ProviderError) -> ProviderError:
        """Make `stream_interrupted` of whatever broke a committed stream; the partial answer goes along."""
        if error.code not in (ErrorCode.STREAM_INTERRUPTED, ErrorCode.INVALID_OUTPUT):
            error.message = f"{error.message} ({error.code})"
            error.code = ErrorCode.STREAM_INTERRUPTED
        error.partial = self.response
        return error


def _going_on(request: CompletionRequest, text: str, *, prefill: bool) -> CompletionRequest:
    """Make the request for the rest of an answer whose beginning is there; its client's own body does not have that."""
    messages = (*request.messages, Message.assistant(text))
    return replace(request, messages=messages if prefill else (*messages, Message.user(GO_ON)), native=None)
