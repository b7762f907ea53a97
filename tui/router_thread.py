"""Runs a router in a thread and on a loop of its own, so that drawing never holds up a call.

The commands `dash FILE` and `demo` use it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class RouterThread(Generic[T]):
    """Enters an async context manager in a thread of its own, and leaves it when it is left itself.

        with RouterThread(lambda: Router.from_yaml("routes.yaml")) as thread:
            thread.value.feed()

    Args:
        make: Called in the thread, on its running loop. What it raises is raised by `__enter__`.
    """

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._make = make
        self._made: Future[T] = Future()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="signalbox-router", daemon=True)

    @property
    def value(self) -> T:
        """What the context manager gave: the router, or the demo."""
        return self._made.result()

    def __enter__(self) -> Self:
        self._thread.start()
        self._made.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with self._make() as value:
                self._made.set_result(value)
                await self._stop.wait()
        except BaseException as error:
            if self._made.done():
                raise
            self._made.set_exception(error)
