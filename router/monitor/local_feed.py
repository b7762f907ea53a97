"""The feed of a router in this process, which may run on another loop than the one that watches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from router.monitor import requests
from router.monitor import routes as describe
from router.monitor.control import run_command
from router.monitor.prompts import run_prompt
from router.telemetry.history import Seconds, history_of
from router.views.commands import Command, Done, Prompt, PromptEvent
from router.views.events import Event
from router.views.figures import Snapshot
from router.views.file import ConfigView
from router.views.history import History
from router.views.requests import RequestFilter, RequestRecord, TraceView
from router.views.routes import Chains

if TYPE_CHECKING:
    from router.router import Router

T = TypeVar("T")
_UNREAD = 1000  # events that a slow reader may lag behind


class LocalFeed:
    """See `router.monitor.feed.Feed`. Made by `Router.feed()`."""

    def __init__(self, router: Router) -> None:
        self._router = router

    @property
    def name(self) -> str:
        return self._router.report.name

    async def snapshots(self, every: float = 0.25) -> AsyncGenerator[Snapshot, None]:
        while True:
            yield await self._there(self._snapshot())
            await asyncio.sleep(every)

    async def _snapshot(self) -> Snapshot:
        return self._router.snapshot()

    async def events(self) -> AsyncGenerator[Event, None]:
        """Leaving the iterator (`aclosing`, or a task's end) ends the following."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        waiting: deque[Event] = deque(maxlen=_UNREAD)

        def hear(event: Event) -> None:
            waiting.append(event)
            loop.call_soon_threadsafe(ready.set)

        waiting.extend(await self._there(self._follow(hear)))
        try:
            while True:
                while waiting:
                    yield waiting.popleft()
                ready.clear()
                if not waiting:
                    await ready.wait()
        finally:
            self._router.telemetry.heard.discard(hear)

    async def _follow(self, hear: Callable[[Event], None]) -> tuple[Event, ...]:
        self._router.telemetry.heard.add(hear)
        return tuple(self._router.telemetry.events)

    async def history(self) -> History:
        async def found() -> Seconds:
            return await self._router.report.past.since(0, asyncio.get_running_loop().time())

        return history_of(await self._there(found()))

    async def requests(self, only: RequestFilter | None = None, limit: int = 100) -> tuple[RequestRecord, ...]:
        async def found() -> tuple[RequestRecord, ...]:
            return requests.recent(self._router.telemetry, only, limit)

        return await self._there(found())

    async def trace(self, id: str) -> TraceView | None:
        async def found() -> TraceView | None:
            return requests.trace_of(self._router.telemetry, id)

        return await self._there(found())

    async def chains(self) -> Chains:
        return describe.chains(self._router.plan)

    async def config(self) -> ConfigView:
        return await asyncio.to_thread(self._router.report.config)

    async def command(self, command: Command) -> Done:
        return await self._there(run_command(self._router, command))

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
        """Closing it stops the call upstream."""
        home = self._router.loop
        if home is None or home is asyncio.get_running_loop():
            async with aclosing(run_prompt(self._router, prompt)) as events:
                async for event in events:
                    yield event
            return
        here: asyncio.Queue[PromptEvent | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def there() -> None:
            try:
                async with aclosing(run_prompt(self._router, prompt)) as events:
                    async for event in events:
                        loop.call_soon_threadsafe(here.put_nowait, event)
            finally:
                loop.call_soon_threadsafe(here.put_nowait, None)

        running = asyncio.run_coroutine_threadsafe(there(), home)
        try:
            while (heard := await here.get()) is not None:
                yield heard
        finally:
            running.cancel()

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the router's loop."""
        home = self._router.loop
        if home is None or home is asyncio.get_running_loop():
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, home))
