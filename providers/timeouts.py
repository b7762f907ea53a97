"""The three timeouts that a caller feels: first token, idle and total.

Used by a provider on its own and by the router, so that each name means one thing. `connect` is the transport's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from math import inf
from typing import TypeVar

from providers.errors import ErrorCode, ProviderError
from providers.types import StreamChunk, Timeout

T = TypeVar("T")

_MEANING = {
    "first_token": "no answer within {limit:g} s (timeout.first_token)",
    "idle": "no further content for {limit:g} s (timeout.idle)",
    "total": "the whole call took longer than {limit:g} s (timeout.total)",
}


async def bounded(
    call: Awaitable[T], timeout: Timeout, *, provider: str, model: str, deadline: float | None = None
) -> T:
    """Await a plain call within `first_token` and `total`.

    Args:
        deadline: the loop's time at which `total` ends, when it began before this call.

    Raises:
        ProviderError: TIMEOUT with the phase that ran out.
    """
    now = asyncio.get_running_loop().time()
    end = _deadline(timeout, now, deadline)
    first = now + (inf if timeout.first_token is None else timeout.first_token)
    when = min(end, first)
    try:
        async with asyncio.timeout_at(None if when == inf else when):
            return await call
    except TimeoutError:
        raise _expired("first_token" if first < end else "total", timeout, provider, model) from None


async def timed(
    chunks: AsyncIterator[StreamChunk],
    timeout: Timeout,
    *,
    provider: str,
    model: str,
    deadline: float | None = None,
) -> AsyncGenerator[StreamChunk, None]:
    """The same chunks, bounded by all three timeouts.

    Only content counts as progress: pings and role chunks do not re-arm a timer. Time that the consumer
    spends between two chunks does not count as idle.

    Raises:
        ProviderError: TIMEOUT with the phase that ran out.
    """
    loop = asyncio.get_running_loop()
    since = loop.time()
    end = _deadline(timeout, since, deadline)
    phase, limit = "first_token", timeout.first_token
    try:
        while True:
            until = inf if limit is None else since + limit
            when = min(end, until)
            try:
                async with asyncio.timeout_at(None if when == inf else when):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise _expired(phase if until < end else "total", timeout, provider, model) from None
            given = loop.time()
            yield chunk
            if chunk.has_content:
                phase, limit, since = "idle", timeout.idle, loop.time()
            else:
                since += loop.time() - given
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


def _deadline(timeout: Timeout, now: float, deadline: float | None) -> float:
    if deadline is not None:
        return deadline
    return inf if timeout.total is None else now + timeout.total


def _expired(phase: str, timeout: Timeout, provider: str, model: str) -> ProviderError:
    limit: float | None = getattr(timeout, phase)
    # Without a limit of its own a call ends at the deadline that it was handed.
    text = "the call's deadline passed (timeout.total)" if limit is None else _MEANING[phase].format(limit=limit)
    return ProviderError(ErrorCode.TIMEOUT, text, provider=provider, model=model, phase=phase)
