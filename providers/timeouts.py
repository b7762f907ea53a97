"""The timeouts that a caller feels: of a stream `first_token` and `idle`, of a plain call `answer`, of both `total`.

Used by a provider on its own and by the router, so that each name means one thing. `connect` is the transport's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextvars import Context
from math import inf
from threading import local
from typing import Literal, TypeVar
from weakref import ref

from msgspec.structs import replace

from providers.errors import ErrorCode, ProviderError
from providers.harmless import harmless
from providers.types import StreamChunk, Timeout

T = TypeVar("T")

NAMES: tuple[str, ...] = Timeout.__struct_fields__
KEPT_ALIVE = 600.0  # seconds of silence that keep-alives may stretch a timeout to: models think, and wait in queues
PATIENT = 60.0  # seconds: a shorter first_token is a wish to go on soon, and no keep-alive stretches it

_MEANING = {
    "first_token": "no content within {limit:g} s (timeout.first_token)",
    "idle": "no further content for {limit:g} s (timeout.idle)",
    "answer": "no answer within {limit:g} s (timeout.answer)",
    "total": "the whole call took longer than {limit:g} s (timeout.total)",
}


def for_call(timeout: Timeout, own: Mapping[str, float | Literal["off"]] | None) -> Timeout:
    """The timeouts of one call: what it says itself, else what is configured."""
    if not own:
        return timeout
    return replace(timeout, **{name: None if limit == "off" else limit for name, limit in own.items()})


def is_shorter(timeout: Timeout, usual: Timeout, name: str) -> bool:
    """Whether one of the timeouts leaves less time than usual."""
    limit: float | None = getattr(timeout, name)
    most: float | None = getattr(usual, name)
    return limit is not None and (most is None or limit < most)


async def bounded(
    call: Awaitable[T], timeout: Timeout, *, provider: str, model: str, deadline: float | None = None
) -> T:
    """Await a plain call within its `Bounds`."""
    with Bounds(timeout, provider=provider, model=model, deadline=deadline):
        return await call


async def timed(
    chunks: AsyncIterator[StreamChunk],
    timeout: Timeout,
    *,
    provider: str,
    model: str,
    deadline: float | None = None,
    failure: Callable[[Exception], ProviderError] | None = None,
    heard: Callable[[], float] | None = None,
) -> AsyncGenerator[StreamChunk, None]:
    """The same chunks, bounded by `first_token` and `idle`, and by `total` before the first content.

    Only content is progress. A chunk without any is a sign of life, as are those that `heard` tells of: it stretches
    `idle`, and a `first_token` that is not shorter than `PATIENT`, to `KEPT_ALIVE` at most. Time that the consumer
    spends between two chunks does not count.

    Args:
        deadline: the loop's time at which `total` ends, when it began before this call.
        heard: gives the loop's time at which the vendor gave its last sign of life.
        failure: makes the error of whatever else `chunks` raises; None lets it through.

    Raises:
        ProviderError: TIMEOUT with the phase that ran out.
    """
    loop = asyncio.get_running_loop()
    clock, following = loop.time, aiter(chunks).__anext__
    since = clock()
    end = _total(timeout, since) if deadline is None else deadline
    phase, limit = "first_token", inf if timeout.first_token is None else timeout.first_token
    longest = limit if limit < PATIENT else max(limit, KEPT_ALIVE)
    until = since + limit
    sign = -inf  # of life, when it came last

    def stretched() -> float:
        last = sign if heard is None else max(sign, heard())
        return min(end, max(until, min(since + longest, last + limit)))

    bounds = Bounds(timeout, provider=provider, model=model, deadline=end, stretched=stretched)
    failed: ProviderError | None = None
    try:
        while True:
            bounds.watch(loop, until if until < end else end)
            try:
                chunk = await following()
            except StopAsyncIteration:
                return
            except asyncio.CancelledError:
                if not bounds.struck:
                    raise
                over = stretched()
                silence = clock() - since if over > until else None
                raise _expired("total" if over >= end else phase, timeout, provider, model, silence) from None
            except Exception as error:
                if failure is None:
                    raise
                failed = failure(error)
                break
            bounds.until = inf  # the consumer has its turn
            if chunk.text or chunk.has_content:
                yield chunk
                if phase != "idle":
                    phase, limit, end = "idle", inf if timeout.idle is None else timeout.idle, inf
                    longest = max(limit, KEPT_ALIVE)
                since = clock()
                until = since + limit
            else:
                given = clock()
                yield chunk
                sign = clock()
                since += sign - given
                until = since + limit
    finally:
        bounds.close()
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    if failed is not None:  # outside, so that what it came of does not hang on it
        raise failed


class Bounds:
    """Bounds what the current task waits for: a plain call by `answer` and `total`, and inside `timed` each chunk.

        with Bounds(timeout, provider=…, model=…):
            answer = await call

    When the time is up the task is cancelled. While chunks come, moving the moment costs an assignment, where
    `asyncio.timeout` would set up and take down a timer for each chunk.

    Args:
        deadline: the loop's time at which `total` ends, when it began before this call.
        stretched: asked when the time is up: gives the moment that it really ends.

    `until` is that moment; infinity while nothing is waited for.

    Raises:
        ProviderError: TIMEOUT with the phase that ran out.
    """

    __slots__ = (
        *("_alarm", "_cancelling", "_model", "_phase", "_provider", "_stretched", "_task", "_timeout"),
        "until",
    )

    def __init__(
        self,
        timeout: Timeout,
        *,
        provider: str,
        model: str,
        deadline: float | None = None,
        stretched: Callable[[], float] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._provider = provider
        self._model = model
        self._stretched = stretched
        now, answer = loop.time(), timeout.answer
        until = _total(timeout, now) if deadline is None else deadline
        if answer is None or now + answer > until:
            self._phase = "total"
        else:
            self._phase, until = "answer", now + answer
        alarm = _of_thread.alarm
        if alarm is None or alarm.loop() is not loop:
            alarm = _of_thread.alarm = _Alarm(loop)
        self._alarm = alarm
        self.watch(loop, until)
        alarm.bounds[self] = None

    def watch(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        """The current task waits from now on, until then at most (the loop's time)."""
        task = asyncio.current_task(loop)  # which finds it faster than without its loop
        assert task is not None, "calls and chunks are awaited in a task"
        self._task: asyncio.Task[object] | None = task  # None once it was struck
        self._cancelling = task.cancelling()
        self.until = when
        if when < self._alarm.set_to:
            self._alarm.set(loop, when)

    @property
    def struck(self) -> bool:
        """Whether a cancellation that the current task has just got is this one's, and no one else's."""
        task = asyncio.current_task()
        return self._task is None and task is not None and task.uncancel() <= self._cancelling

    def look(self, now: float) -> float:
        """Cancel the task if its time is up; gives when to look again, infinity where nothing is waited for."""
        if now >= self.until and self._stretched is not None:
            self.until = self._stretched()
        if now < self.until or self._task is None:
            return self.until
        task, self._task, self.until = self._task, None, inf
        task.cancel()
        return inf

    def close(self) -> None:
        """The task waits no longer."""
        self._alarm.bounds.pop(self, None)

    def __enter__(self) -> None:
        """All is set up already."""

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        self._alarm.bounds.pop(self, None)  # as `close` does, without its call
        if isinstance(error, asyncio.CancelledError) and self.struck:
            raise _expired(self._phase, self._timeout, self._provider, self._model) from None


_MANY, _PAUSE = 1000, 0.001  # calls, and seconds between two looks at so many, which take a tenth of that


class _Alarm:
    """The one timer of a loop, for all its `Bounds`: it goes off when the first of them may be due, and most are gone
    by then. One each would cost a call a tenth of all that the router does for it.
    """

    __slots__ = ("_timer", "bounds", "loop", "set_to")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = ref(loop)
        self.bounds: dict[Bounds, None] = {}  # in the order in which they came, as timers would be
        self.set_to = inf  # when it goes off
        self._timer: asyncio.TimerHandle | None = None

    def set(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        """Let it go off then (the loop's time)."""
        if self._timer is not None:
            self._timer.cancel()
        self.set_to = when
        self._timer = loop.call_at(when, self._due, loop, context=_NO_CONTEXT)

    def _due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self.set_to = None, inf
        now, soonest = loop.time(), inf
        for bounds in tuple(self.bounds):
            try:
                soonest = min(soonest, bounds.look(now))
            except Exception as error:  # of whoever tells what was heard: the others are looked at all the same
                harmless.note(error)
        if soonest < inf:
            self.set(loop, max(soonest, now + len(self.bounds) // _MANY * _PAUSE))


_NO_CONTEXT = Context()  # the one in which it was set would be kept until it goes off


class _OfThread(local):
    alarm: _Alarm | None = None


_of_thread = _OfThread()


def _total(timeout: Timeout, now: float) -> float:
    return inf if timeout.total is None else now + timeout.total


def _expired(phase: str, timeout: Timeout, provider: str, model: str, silence: float | None = None) -> ProviderError:
    """What a call that ran out of time fails with; `silence` is how long keep-alives stretched it."""
    limit: float | None = getattr(timeout, phase)
    if limit is None:
        # Without a limit of its own a call ends at the deadline that it was handed.
        text = "the call's deadline passed (timeout.total)"
    elif silence is not None and phase != "total":
        text = f"nothing but keep-alives for {silence:.4g} s (timeout.{phase})"
    else:
        text = _MEANING[phase].format(limit=limit)
    return ProviderError(ErrorCode.TIMEOUT, text, provider=provider, model=model, phase=phase)
