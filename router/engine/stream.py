"""A streamed answer of a router, and what becomes of it when its vendor breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from providers.base import SupportsPrefill
from providers.errors import ErrorCode, ProviderError
from providers.types import CompletionRequest, CompletionResponse, Message, StreamChunk
from router.engine.attempt import OpenedStream, hear, open_stream, refused, routed
from router.engine.failover import FailOver
from router.engine.request import needs_of
from router.errors import RouteExhausted
from router.plan.plan import Chain
from router.plan.target import Target
from router.state.lease import Lease, rough_tokens
from router.views.trace import Trace

if TYPE_CHECKING:
    from router.router import Router
    from router.telemetry.recorder import RequestRecorder

# For models that take no beginning of their answer.
GO_ON = (
    "Your answer above was cut off by a lost connection. Go on exactly where it stops, in the middle of a word if need "
    "be. Do not repeat any of it, and do not comment on this."
)


class RouterStream:
    """A streamed answer; `response` is complete after the last chunk.

    When a stream breaks after its first content, the route's `on_stream_break` decides: "error" raises
    `stream_interrupted` with the partial answer; "restart" goes on along the chain and says so by a chunk with
    `restarted=True`, after which what came before is void; "continue" asks the next target to go on from the text so
    far, where there is nothing but text.
    """

    def __init__(self, router: Router, chain: Chain, request: CompletionRequest, trace: Trace) -> None:
        self._router = router
        self._chain = chain
        self._request = request
        self._trace = trace
        self._opened: OpenedStream | None = None
        self._iterator: AsyncIterator[StreamChunk] | None = None
        self.witness: RequestRecorder | None = None
        self._before = ""  # the text of the streams that broke, where this one goes on from it

    @property
    def response(self) -> CompletionResponse:
        """The answer accumulated so far, with route, target, cost and trace."""
        if self._opened is None:
            return CompletionResponse(route=self._chain.route, trace=self._trace)
        found = routed(self._opened.response, self._chain, self._opened.target, self._trace)
        return replace(found, text=self._before + found.text) if self._before else found

    @property
    def trace(self) -> Trace:
        """What was tried so far, and what became of it."""
        return self._trace

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        if self._iterator is None:
            self._iterator = self._chunks()
        return self._iterator

    async def __anext__(self) -> StreamChunk:
        return await anext(aiter(self))

    async def _chunks(self) -> AsyncGenerator[StreamChunk, None]:
        walk, witness = self._walk()
        self.witness = witness
        clock = asyncio.get_running_loop().time
        try:
            delivery = await walk.deliver()
            while True:
                opened, lease = delivery
                self._opened = opened
                witness.target = opened.target
                try:
                    if opened.first is not None:
                        if opened.first.done:
                            self._ended(opened, lease, clock(), witness)
                        yield opened.first
                    async for chunk in opened.rest:
                        if chunk.done:
                            self._ended(opened, lease, clock(), witness)
                        yield chunk
                    return
                except ProviderError as error:
                    interrupted = self._interrupted(error)
                    lease.failed(interrupted, clock())
                finally:
                    if lease.is_open:
                        lease.cancelled(clock(), rough_tokens(opened.response.text))
                    await opened.aclose()
                delivery = await self._after_break(walk, interrupted)
                if not self._before:
                    yield StreamChunk(restarted=True)
        except BaseException as error:
            witness.failed(error, clock())
            raise
        finally:
            walk.close()

    def _ended(self, opened: OpenedStream, lease: Lease, now: float, witness: RequestRecorder) -> None:
        """The answer is whole."""
        response = self.response
        lease.succeeded(now, response.usage)
        witness.answered(opened.target, lease.started, now, response, opened.first_token)
        self._router._counts.learn(opened.target, self._request, response.usage)

    def _walk(self) -> tuple[FailOver[OpenedStream], RequestRecorder]:
        router, chain = self._router, self._chain
        at, witness = router._situation(chain, self._trace, self._request)

        async def attempt(target: Target, deadline: float, lease: Lease) -> OpenedStream:
            provider = router.provider_of(target, lease.key)
            request = self._request
            if self._before:
                request = _going_on(
                    request,
                    self._before,
                    prefix=isinstance(provider, SupportsPrefill) and provider.supports_prefill(target.model),
                )
            opened = await open_stream(provider, request, target, deadline)
            now = at.clock()
            opened.first_token = now - lease.started
            lease.first_token(opened.first_token, now, streaming=True)
            hear(provider, target, lease, at.clock)
            if chain.names_refusals and opened.response.finish_reason == "content_filter":
                await opened.aclose()
                raise refused(opened.response, target)
            return opened

        needs = needs_of(self._request, streaming=True)
        return FailOver(chain, needs, self._trace, attempt, at, OpenedStream.aclose), witness

    async def _after_break(
        self, walk: FailOver[OpenedStream], interrupted: ProviderError
    ) -> tuple[OpenedStream, Lease]:
        """The stream that takes over, by the route's policy; raises the interruption when there is none."""
        policy = self._chain.on_stream_break
        walk.note_break(interrupted)
        if policy == "error":
            raise interrupted
        partial = self.response
        self._before = partial.text if policy == "continue" and self._is_plain(partial) else ""
        # For the order of targets a broken stream is a truncated answer: the next one is tried.
        truncated = ProviderError(
            ErrorCode.PROTOCOL_ERROR, interrupted.message, provider=interrupted.provider, model=interrupted.model
        )
        try:
            return await walk.deliver(truncated)
        except RouteExhausted as nothing_left:
            interrupted.partial = partial
            raise interrupted from nothing_left

    def _is_plain(self, partial: CompletionResponse) -> bool:
        """Whether another model could go on from it: text alone, of no fixed form."""
        others = partial.tool_calls or partial.thinking or self._request.tools
        return bool(partial.text) and not others and self._request.response_format is None

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


def _going_on(request: CompletionRequest, text: str, *, prefix: bool) -> CompletionRequest:
    """The request of the rest of an answer whose beginning is there."""
    messages = (*request.messages, Message.assistant(text))
    return replace(request, messages=messages if prefix else (*messages, Message.user(GO_ON)))
