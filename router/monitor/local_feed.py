"""The feed of a router in this process, which may run on another loop than the one that watches. The socket's server
answers its clients from one as well."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from providers.threads import in_thread
from router.monitor import requests, routes
from router.monitor.control import run_command
from router.monitor.prompts import run_prompt
from router.monitor.subject import Subject
from router.telemetry.history import Seconds, Told, making_history
from router.telemetry.recorder import Telemetry
from router.turns import in_turns
from router.views.commands import Command, Done, Prompt, PromptEvent
from router.views.events import Event
from router.views.figures import KEPT, Snapshot
from router.views.file import ConfigView
from router.views.history import RANGES, History
from router.views.requests import RequestFilter, RequestRecord, TraceView
from router.views.routes import Chains

T = TypeVar("T")
_UNREAD = 1000  # events that a slow reader may lag behind


class LocalFeed:
    """A `Feed` (`router.monitor.feed`) of a router in this process; `Router.feed()` makes it."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._told: dict[int, Told] = {}  # what plots are made from, by the grain

    @property
    def name(self) -> str:
        return self._subject.report.name

    async def snapshots(self, every: float = 0.25) -> AsyncGenerator[Snapshot, None]:
        while True:
            yield await self._there(self.snapshot())
            await asyncio.sleep(every)

    async def snapshot(self, *, with_sketches: bool = False) -> Snapshot:
        """Make a snapshot on the router's loop, where others get their turn meanwhile."""
        subject = self._subject
        if subject.loop is None:
            return subject.snapshot(with_sketches=with_sketches)
        making = subject.report.making(subject.loop.time(), watching=subject.watching, with_sketches=with_sketches)
        return await in_turns(making)

    def events(self) -> AsyncGenerator[Event, None]:
        """Follow the events; leaving the iterator (`aclosing`, or a task's end) ends it."""
        return _events(self._subject.telemetry, self._subject.loop)

    async def history(self, span: int = KEPT) -> History:
        grain = RANGES[span]
        told = self._told.setdefault(grain, Told(grain))
        told.add(await self.seconds_since(told.over, grain))
        return await in_turns(making_history(Seconds(told.end, told.rows, grain)))

    async def seconds_since(self, first: int, grain: int = 1) -> Seconds:
        """Return what plots are made from, from this second since 1970 on, for those who add up several processes."""

        async def seconds() -> Seconds:
            return await self._subject.report.past.since(first, asyncio.get_running_loop().time(), grain)

        return await self._there(seconds())

    async def requests(self, only: RequestFilter | None = None, limit: int = 100) -> tuple[RequestRecord, ...]:
        async def recent() -> tuple[RequestRecord, ...]:
            return await in_turns(requests.recent(self._subject.telemetry, only, limit))

        return await self._there(recent())

    async def trace(self, id: str) -> TraceView | None:
        async def trace() -> TraceView | None:
            return requests.trace_of(self._subject.telemetry, id)

        return await self._there(trace())

    async def chains(self) -> Chains:
        return await in_thread(routes.chains, self._subject.plan)

    async def config(self) -> ConfigView:
        return await in_thread(self._subject.report.config)

    async def command(self, command: Command) -> Done:
        return await self._there(run_command(self._subject, command))

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
        """Run a prompt; closing the iterator stops the call upstream."""
        home = self._subject.loop
        if home is None or home is asyncio.get_running_loop():
            async with aclosing(run_prompt(self._subject, prompt)) as events:
                async for event in events:
                    yield event
            return
        here: asyncio.Queue[PromptEvent | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def there() -> None:
            try:
                async with aclosing(run_prompt(self._subject, prompt)) as events:
                    async for event in events:
                        loop.call_soon_threadsafe(here.put_nowait, event)
            finally:
                loop.call_soon_threadsafe(here.put_nowait, None)

        running = asyncio.run_coroutine_threadsafe(there(), home)
        try:
            while (received := await here.get()) is not None:
                yield received
        finally:
            running.cancel()

    async def aclose(self) -> None:
        """Do nothing: a local feed holds nothing open."""

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        return await _run_on(self._subject.loop, work)


async def _run_on(home: asyncio.AbstractEventLoop | None, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the router's loop."""
    if home is None or home is asyncio.get_running_loop():
        return await work
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, home))


async def _events(telemetry: Telemetry, home: asyncio.AbstractEventLoop | None) -> AsyncGenerator[Event, None]:
    """Yield the recent events and those that happen. It holds no router, so that a dropped one is collected
    meanwhile.
    """
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    waiting: deque[Event] = deque(maxlen=_UNREAD)

    def on_event(event: Event) -> None:
        waiting.append(event)
        loop.call_soon_threadsafe(ready.set)

    waiting.extend(await _run_on(home, _subscribe(telemetry, on_event)))
    try:
        while True:
            while waiting:
                yield waiting.popleft()
            ready.clear()
            if not waiting:
                await ready.wait()
    finally:
        telemetry.subscribers.discard(on_event)


async def _subscribe(telemetry: Telemetry, on_event: Callable[[Event], None]) -> tuple[Event, ...]:
    telemetry.subscribers.add(on_event)
    return tuple(telemetry.events)
