"""The three timeouts that a caller feels: first token, idle and total.

Used by a provider on its own and by the router, so that each name means one thing. `connect` is the transport's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
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
    watchdog = _Watchdog(asyncio.get_running_loop())
    watchdog.watch(when)
    try:
        return await call
    except asyncio.CancelledError:
        if not watchdog.struck:
            raise
        raise _expired("first_token" if first < end else "total", timeout, provider, model) from None
    finally:
        watchdog.close()


async def timed(
    chunks: AsyncIterator[StreamChunk],
    timeout: Timeout,
    *,
    provider: str,
    model: str,
    deadline: float | None = None,
    failure: Callable[[Exception], ProviderError] | None = None,
) -> AsyncGenerator[StreamChunk, None]:
    """The same chunks, bounded by all three timeouts.

    Only content counts as progress: pings and role chunks do not re-arm a timer. Time that the consumer
    spends between two chunks does not count as idle.

    Args:
        failure: makes the error of whatever else `chunks` raises; None lets it through.

    Raises:
        ProviderError: TIMEOUT with the phase that ran out.
    """
    loop = asyncio.get_running_loop()
    clock, following = loop.time, aiter(chunks).__anext__
    since = clock()
    end = _deadline(timeout, since, deadline)
    phase = "first_token"
    until = inf if timeout.first_token is None else since + timeout.first_token
    watchdog = _Watchdog(loop)
    failed: ProviderError | None = None
    try:
        while True:
            watchdog.watch(min(end, until))
            try:
                chunk = await following()
            except StopAsyncIteration:
                return
            except asyncio.CancelledError:
                if not watchdog.struck:
                    raise
                raise _expired(phase if until < end else "total", timeout, provider, model) from None
            except Exception as error:
                if failure is None:
                    raise
                failed = failure(error)
                break
            watchdog.rest()
            if chunk.has_content:
                yield chunk
                phase = "idle"
                until = inf if timeout.idle is None else clock() + timeout.idle
            else:
                given = clock()
                yield chunk
                until += clock() - given
    finally:
        watchdog.close()
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    if failed is not None:  # outside, so that what it came of does not hang on it
        raise failed


class _Watchdog:
    """Cancels the task that waits for an answer or a chunk when its time is up.

    One timer serves a whole stream: while chunks come, moving the moment costs an assignment, where
    `asyncio.timeout` would set up and take down a timer for each chunk.
    """

    __slots__ = ("_cancelling", "_fired", "_loop", "_set_to", "_task", "_timer", "_when")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._when = inf
        self._set_to = inf  # when the timer goes off
        self._fired = False

    def watch(self, when: float) -> None:
        """The current task waits from now on, until then at most (the loop's time)."""
        task = self._task = asyncio.current_task()
        assert task is not None, "chunks are awaited in a task"
        self._cancelling = task.cancelling()
        self._when = when
        if when < self._set_to:
            self._set()

    def rest(self) -> None:
        """It has what it waited for."""
        self._task = None

    @property
    def struck(self) -> bool:
        """Whether a cancellation that the task has just got is this one's, and no one else's."""
        return self._fired and self._task is not None and self._task.uncancel() <= self._cancelling

    def close(self) -> None:
        self._task = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._set_to = self._when
        self._timer = self._loop.call_at(self._when, self._due)

    def _due(self) -> None:
        self._timer, self._set_to = None, inf
        if self._task is None:
            return  # the consumer has its turn; the next wait sets the timer again
        if self._loop.time() < self._when:
            self._set()
        else:
            self._fired = True
            self._task.cancel()


def _deadline(timeout: Timeout, now: float, deadline: float | None) -> float:
    if deadline is not None:
        return deadline
    return inf if timeout.total is None else now + timeout.total


def _expired(phase: str, timeout: Timeout, provider: str, model: str) -> ProviderError:
    limit: float | None = getattr(timeout, phase)
    # Without a limit of its own a call ends at the deadline that it was handed.
    text = "the call's deadline passed (timeout.total)" if limit is None else _MEANING[phase].format(limit=limit)
    return ProviderError(ErrorCode.TIMEOUT, text, provider=provider, model=model, phase=phase)
