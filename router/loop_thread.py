"""A thread with an event loop, for calls from other threads: `SyncRouter` has one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from providers.threads import Threads
from router.errors import RouterClosed

T = TypeVar("T")

PYTHON_ENDS = "Python is ending, and runs no more threads: make this call before"


class LoopThread:
    """It runs from the first moment until `end`, or until something ends the thread; its loop is closed then.

    Args:
        at_end: makes the coroutine that closes what runs on the loop.

    Raises:
        RouterClosed: Python is ending; before 3.12.3 that is so in `atexit` already (CPython issue 113964).
    """

    def __init__(self, at_end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._at_end = at_end
        self._lock = threading.RLock()  # a signal's handler, or `__del__`, may come in between
        self._ended = False  # it takes no more calls
        self._calls: set[Future[Any]] = set()
        self._ending: Future[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(Threads(thread_name_prefix="signalbox"))
        # A daemon: a program that ends without closing its router does not wait for it.
        self._thread = threading.Thread(target=self._run, name="signalbox-router", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._ended = True
            self._loop.close()
            raise RouterClosed(PYTHON_ENDS) from None

    @property
    def is_alive(self) -> bool:
        """Whether it takes calls."""
        return not self._ended

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop, and wait for what it gives.

        Raises:
            RouterClosed: it has ended, or ends meanwhile.
            RuntimeError: this is the loop's own thread, which would wait for itself.
        """
        try:
            future = self._begin(work)
        except Exception:
            work.close()
            raise
        except BaseException:  # Ctrl-C, perhaps when the loop has it already
            try:
                self._loop.call_soon_threadsafe(_give_up, work)
            except RuntimeError:  # it has ended
                work.close()
            raise
        try:
            return future.result()
        except CancelledError:
            if not self._ended:
                raise
            raise RouterClosed("the router was closed while this call was under way") from None
        except BaseException:
            future.cancel()  # Ctrl-C in the caller's thread stops the call upstream too
            raise
        finally:
            self._calls.discard(future)

    def _begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if threading.current_thread() is self._thread:
            raise RuntimeError("a SyncRouter can't be called on its own event loop; call its `router` there, and await")
        with self._lock:
            if self._ended:
                raise RouterClosed("this router is closed")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._calls.add(future)
            return future

    def end(self) -> None:
        """Take no more calls, release who waits for one, and close all; it is not waited for."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        for call in tuple(self._calls):
            call.cancel()
        self._ending = asyncio.run_coroutine_threadsafe(self._close(), self._loop)

    def join(self) -> None:
        """Wait until all is closed, after `end`; raises what failed. The thread itself can't wait for that."""
        if threading.current_thread() is self._thread:
            return
        self._thread.join()
        if self._ending is not None:
            self._ending.result()

    # --- in the thread

    async def _close(self) -> None:
        try:
            await self._at_end()
        finally:
            self._loop.stop()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            with self._lock:
                self._ended = True
            self._loop.run_until_complete(_cancel_others())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


def _give_up(work: Coroutine[Any, Any, Any]) -> None:
    """End a coroutine on its loop, where it has begun, or will never."""
    task = next((task for task in asyncio.all_tasks() if task.get_coro() is work), None)
    if task is None:
        work.close()
    else:
        task.cancel()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others)
