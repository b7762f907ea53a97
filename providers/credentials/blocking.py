"""Work of the vendors' SDKs, which block, in threads: one that hangs holds up neither the loop nor the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

from providers.sources import NoCredential

P = ParamSpec("P")
T = TypeVar("T")


class OneThread(Executor):
    """Does one thing at a time, each in a thread of its own: the loop's pool would fill up with those that hang."""

    def __init__(self) -> None:
        self._under_way: Future[object] | None = None

    async def do(self, work: Callable[[], T]) -> T:
        """What the work returns, or raises.

        Raises:
            NoCredential: an earlier one has not come back.
        """
        if self._under_way is not None and not self._under_way.done():
            raise NoCredential("the try before has not come back yet")
        return await asyncio.get_running_loop().run_in_executor(self, work)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it in a new thread."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return  # nobody waited long enough for it to begin
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # also SystemExit: who waits has to hear of it
                future.set_exception(error if isinstance(error, Exception) else NoCredential(repr(error)))

        self._under_way = future  # type: ignore[assignment]  # of which it is only asked whether it is done
        threading.Thread(target=run, name="signalbox-credential", daemon=True).start()
        return future
