"""A streamed answer of a router."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from providers.errors import ErrorCode, ProviderError
from providers.types import CompletionRequest, CompletionResponse, StreamChunk
from router.execute import OpenedStream, fail_over, open_stream, refused, routed
from router.plan import Chain
from router.request import needs_of
from router.state import Lease
from router.target import Target
from router.trace import Trace

if TYPE_CHECKING:
    from router.core import Router


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
        refusal_tier = names_refusals(chain)
        at = router._situation(chain)

        async def attempt(target: Target, deadline: float, lease: Lease) -> OpenedStream:
            opened = await open_stream(router.provider_of(target), self._request, target, deadline)
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


def names_refusals(chain: Chain) -> bool:
    """Whether a tier of the chain takes over after refusals."""
    return any(tier.on is not None and ErrorCode.CONTENT_FILTERED in tier.on for tier in chain.tiers)
