"""Work in threads, beside the event loop, until the process ends.

When Python's main thread has ended no pool of threads takes work any more, though other threads, and functions of
`atexit`, still run, call and close routers: work is then done on the spot.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.thread import ThreadPoolExecutor  # by this name: it is imported now, not at the end
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads(ThreadPoolExecutor):
    """A pool that takes work until the end, for a loop's `set_default_executor` or of its own."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it in a thread, or here and now where none is to be had any more."""
        if threading.main_thread().is_alive():
            return super().submit(fn, *args, **kwargs)
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


async def in_thread(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it in a thread of the running loop's pool, or here and now where none is to be had any more."""
    if threading.main_thread().is_alive():
        return await asyncio.to_thread(work, *args, **kwargs)
    return work(*args, **kwargs)
