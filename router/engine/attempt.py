"""One attempt at one target: the request as this target gets it, and the answer with what the router knows of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import lru_cache
from typing import Any, cast

import msgspec

from providers.base import ChunkStream, Provider, ReportsQuota
from providers.errors import ErrorCode, ProviderError
from providers.timeouts import bounded, timed
from providers.types import CompletionRequest, CompletionResponse, StreamChunk
from router.plan.plan import Chain
from router.plan.pricing import cost
from router.plan.target import Target
from router.state.lease import Lease
from router.views.trace import Trace

_FIELDS = frozenset(CompletionRequest.__struct_fields__) - {"model", "messages"}


def for_target(request: CompletionRequest, target: Target) -> CompletionRequest:
    """The request as this target gets it: its model id, and its params where the caller said nothing."""
    if not target.params and target.connect is None:
        return msgspec.structs.replace(request, model=target.model)
    changes: dict[str, Any] = {"model": target.model}
    if target.connect is not None and request.connect_timeout is None:
        changes["connect_timeout"] = target.connect
    extra: dict[str, Any] = {}
    for key, value in target.params.items():
        if key not in _FIELDS:
            extra[key] = value
        elif not getattr(request, key) and getattr(request, key) != 0:
            changes[key] = tuple(value) if key == "stop" and not isinstance(value, str) else value
    if extra:
        changes["extra_body"] = {**extra, **(request.extra_body or {})}
    return msgspec.structs.replace(request, **changes)


def refused(response: CompletionResponse, target: Target) -> ProviderError:
    """A refusal as an error, for a chain that has a tier for it."""
    return ProviderError(
        ErrorCode.CONTENT_FILTERED,
        "the answer was refused by the vendor's policy",
        provider=target.provider,
        model=target.model,
        request_id=response.request_id,
    )


@lru_cache(maxsize=64)
def _reports_quota(kind: type[Provider]) -> bool:
    """Asked once for each class: looking into a protocol costs more than all else that follows an answer."""
    return issubclass(kind, ReportsQuota)


def hear(provider: Provider, target: Target, lease: Lease, clock: Callable[[], float]) -> None:
    """Take over what the answer's headers say is left of the vendor's limits."""
    if not _reports_quota(type(provider)):
        return
    told = cast(ReportsQuota, provider).remaining_quota(target.model)
    if told is not None:
        lease.heard(told, clock())


async def call(provider: Provider, request: CompletionRequest, target: Target, deadline: float) -> CompletionResponse:
    """One plain attempt, within the target's timeouts and the request's deadline."""
    try:
        return await bounded(
            provider.complete(for_target(request, target)),
            target.timeout,
            provider=target.provider,
            model=target.model,
            deadline=deadline,
        )
    except ProviderError as error:
        raise _uncommitted(error) from None


class OpenedStream:
    """A stream whose first content is at hand: from here on it is committed to its target.

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
        return self._source.response

    async def aclose(self) -> None:
        await self.rest.aclose()
        await self._source.aclose()


async def open_stream(provider: Provider, request: CompletionRequest, target: Target, deadline: float) -> OpenedStream:
    """One attempt at a stream: returns at its first content (or its end); what carries none is held back."""
    source = provider.stream(for_target(request, target))
    chunks = timed(
        aiter(source),
        target.timeout,
        provider=target.provider,
        model=target.model,
        deadline=deadline,
    )
    try:
        async for chunk in chunks:
            if chunk.has_content or chunk.done:
                return OpenedStream(source, chunks, chunk, target)
    except BaseException as error:
        await chunks.aclose()
        await source.aclose()
        if isinstance(error, ProviderError):
            raise _uncommitted(error) from None
        raise
    return OpenedStream(source, chunks, None, target)


def _uncommitted(error: ProviderError) -> ProviderError:
    """A stream that broke before its first content is a truncated answer: nothing was given out yet."""
    if error.code is ErrorCode.STREAM_INTERRUPTED:
        error.code = ErrorCode.PROTOCOL_ERROR
    return error


def routed(response: CompletionResponse, chain: Chain, target: Target, trace: Trace) -> CompletionResponse:
    """The answer with what the router knows about it."""
    return msgspec.structs.replace(
        response,
        route=chain.route,
        target=target.name,
        cost=cost(target.capabilities.price, response.usage),
        trace=trace,
        provider=response.provider or target.provider,
    )
