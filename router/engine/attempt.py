"""One attempt at one target, plain or streamed. `router.engine.failover` makes one after another."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import lru_cache, partial
from typing import cast

from msgspec.structs import replace

from providers.base import ChunkStream, Provider, ReportsQuota
from providers.errors import ErrorCode, ProviderError
from providers.foreign import failure_of
from providers.harmless import harmless
from providers.timeouts import Bounds, timed
from providers.types import CompletionRequest, CompletionResponse, RemainingQuota, StreamChunk
from router.engine.acceptance import Acceptance, within
from router.engine.context import RequestContext
from router.engine.request import for_target
from router.plan.target import Target
from router.state.lease import Lease


async def complete_once(context: RequestContext, target: Target, lease: Lease) -> CompletionResponse:
    """Make a plain call to one target, within its timeouts and the request's deadline; raises ProviderError."""
    failed: ProviderError | None = None
    request = context.request if context.corrections is None else context.asked_of(target)
    assert isinstance(request, CompletionRequest), "only those are answered so"
    try:
        provider = context.providers.of(target, lease.key)
        timeout = target.timeout if request.timeout is None else context.timeout_of(target)
        with Bounds(timeout, provider=target.provider, model=target.model, deadline=context.deadline):
            response = await provider.complete(for_target(request, target))
        if not isinstance(response, CompletionResponse):
            raise TypeError(f"complete() gave {type(response).__name__} in place of a CompletionResponse")
    except Exception as error:
        failed = _uncommitted(_failure(error, target, lease))
    if failed is not None:  # outside, so that what it came of does not hang on it
        raise failed
    apply_quota(provider, target, lease, context)
    if context.chain.names_refusals and response.finish_reason == "content_filter":
        lease.seen = response
        raise _refusal(response, target)
    lease.seen = response  # paid for, also where another was as fast and is given out
    if context.acceptance is not None:
        return await accepted(context, context.acceptance, target, response, context.deadline)
    return response


async def accepted(
    context: RequestContext, acceptance: Acceptance, target: Target, response: CompletionResponse, deadline: float
) -> CompletionResponse:
    """Return a whole answer with its value, where it is one that is taken.

    Raises:
        ProviderError: INVALID_OUTPUT; TIMEOUT, it was not checked until the deadline.
    """
    return await within(deadline, acceptance.read(response, context.asked, target, context.chain.route), target)


class OpenedStream:
    """A stream whose first content is at hand, which commits it to its target.

    `first` is that chunk, None for a stream that ended without one; `rest` are those after it. `first_token` is the
    time from the call to it, in seconds.
    """

    __slots__ = ("_source", "first", "first_token", "rest", "target")

    def __init__(
        self,
        source: ChunkStream,
        rest: AsyncGenerator[StreamChunk, None],
        first: StreamChunk | None,
        target: Target,
    ) -> None:
        self._source = source
        self.rest = rest
        self.first = first
        self.first_token = 0.0
        self.target = target

    @property
    def response(self) -> CompletionResponse:
        """The answer so far."""
        return self._source.response

    async def aclose(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        await self.rest.aclose()
        await self._source.aclose()


async def open_once(
    context: RequestContext, request: CompletionRequest, provider: Provider, target: Target, lease: Lease
) -> OpenedStream:
    """Open a stream of one target; returns at its first content (or its end) and holds back chunks without any."""
    opened = await _open(context, provider, for_target(request, target), target, lease)
    now = context.clock()
    opened.first_token = now - lease.started
    with harmless:
        lease.first_token(opened.first_token, now)
    apply_quota(provider, target, lease, context)
    if context.chain.names_refusals and opened.response.finish_reason == "content_filter":
        lease.seen = opened.response
        await opened.aclose()
        raise _refusal(opened.response, target)
    return opened


async def _open(
    context: RequestContext, provider: Provider, request: CompletionRequest, target: Target, lease: Lease
) -> OpenedStream:
    failure = partial(_failure, target=target, lease=lease)
    failed: ProviderError | None = None
    try:
        source = provider.stream(request)
        chunks = timed(
            aiter(source),
            target.timeout if context.request.timeout is None else context.timeout_of(target),
            provider=target.provider,
            model=target.model,
            deadline=context.deadline,
            heard=source.heard,
            failure=failure,
        )
    except Exception as error:
        failed = failure(error)
    if failed is not None:
        raise failed
    held = b""
    try:
        async for chunk in chunks:
            if chunk.has_content or chunk.done:
                first = replace(chunk, raw=held + chunk.raw) if held else chunk
                return OpenedStream(source, chunks, first, target)
            held = chunk.raw if chunk.restarted else held + chunk.raw
    except BaseException as error:
        await chunks.aclose()
        await source.aclose()
        if not isinstance(error, Exception):
            raise
        failed = _uncommitted(failure(error))
    if failed is not None:
        raise failed
    return OpenedStream(source, chunks, None, target)


def _failure(error: Exception, target: Target, lease: Lease) -> ProviderError:
    failure = failure_of(error, lease.key.settings, provider=target.provider, model=target.model)
    rule = next((rule for rule in target.errors if rule.fits(failure)), None)
    if rule is not None:
        failure.code = rule.code
    return failure


def _uncommitted(error: ProviderError) -> ProviderError:
    """Turn the break of a stream before its first content into a truncated answer: nothing was given out yet."""
    if error.code is ErrorCode.STREAM_INTERRUPTED:
        error.code = ErrorCode.PROTOCOL_ERROR
    return error


def _refusal(response: CompletionResponse, target: Target) -> ProviderError:
    """Make an error of a vendor's refusal, for a chain that has a tier for it."""
    return ProviderError(
        ErrorCode.CONTENT_FILTERED,
        "the answer was refused by the vendor's policy",
        provider=target.provider,
        model=target.model,
        request_id=response.request_id,
    )


@lru_cache(maxsize=64)
def _reports_quota(kind: type[Provider]) -> bool:
    """Say whether a class of providers reports quotas. It is asked once for each class, since looking into a
    protocol costs more than all else that follows an answer.
    """
    return issubclass(kind, ReportsQuota)


def apply_quota(provider: Provider, target: Target, lease: Lease, context: RequestContext) -> None:
    """Take over what the answer says is left of the vendor's limits."""
    try:
        if not _reports_quota(type(provider)):
            return
        quota: RemainingQuota | None = cast(ReportsQuota, provider).remaining_quota(target.model)
        if quota is not None and isinstance(quota, RemainingQuota):
            lease.apply_remaining(quota, context.clock())
    except Exception as error:
        harmless.note(error)
