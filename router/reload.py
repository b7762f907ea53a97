"""Following the file: what an edit changes, in words, and a watcher that sees every kind of save.

The folder is watched, not the file: editors replace a file by renaming, and Kubernetes swaps a link beside it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from router.config import Diagnostic, LoadResult

DEBOUNCE = 0.05  # seconds, in which the several events of one save become one
_RESTART = 1.0  # seconds after which a watcher that broke is started anew

log = logging.getLogger("signalbox.reload")


@dataclass(frozen=True, slots=True)
class Reload:
    """What came of a changed file.

    `accepted` is False when the old plan goes on; then `diagnostics` says why. `changes` tells the difference in words.
    """

    accepted: bool
    revision: str
    changes: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    problem: str = ""
    loaded: LoadResult | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        if self.accepted:
            return f"revision {self.revision}: {'; '.join(self.changes) or 'nothing that shows'}"
        told = self.problem or "\n".join(found.render() for found in self.diagnostics)
        return f"rejected, revision {self.revision} goes on: {told}"


async def watch(path: Path, changed: Callable[[], Awaitable[None]]) -> None:
    """Call `changed` after every change in the file's folder, forever; the newest content is never missed.

    `changed` is called at the start as well, and again when a watcher that broke (the folder vanished) is started anew.
    """
    from watchfiles import awatch  # here: it is needed only by routers that watch

    while True:
        try:
            changes = awatch(path.parent, debounce=int(DEBOUNCE * 1000), step=10, recursive=False)
            pending = asyncio.ensure_future(anext(changes))
            try:
                await asyncio.sleep(0)  # it watches from here on; what came before is seen by the first look
                await changed()
                while True:
                    await pending
                    await changed()
                    pending = asyncio.ensure_future(anext(changes))
            finally:
                pending.cancel()
                await asyncio.wait([pending])
                await changes.aclose()
        except (OSError, RuntimeError, StopAsyncIteration) as error:
            log.warning("the watcher of %s stopped (%s); it is started anew", path, error)
        await asyncio.sleep(_RESTART)


class Reloading(Protocol):
    """What follows a file: a router."""

    def reload(self) -> Coroutine[Any, Any, Reload]: ...


def follow(path: Path, router: Reloading) -> asyncio.Task[None]:
    """Reload on every change, in a task of the running loop; a router that is dropped is collected, and ends it."""
    loop = asyncio.get_running_loop()
    reference = weakref.ref(router)

    async def changed() -> None:
        found = reference()
        if found is not None:
            await found.reload()

    task = loop.create_task(watch(path, changed))
    weakref.finalize(router, _stop, loop, task)
    return task


def _stop(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


def reload_on_hangup(router: Reloading, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Reload at SIGHUP, as daemons do; for the main thread of a command. Gives the function that ends it.

    Args:
        loop: on which the router runs, perhaps in another thread.
    """
    number = getattr(signal, "SIGHUP", None)
    if number is None:  # Windows has none
        return lambda: None
    reloads: set[asyncio.Task[Reload]] = set()

    def reload() -> None:
        task = asyncio.ensure_future(router.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(reload))

    def end() -> None:
        signal.signal(number, before)

    return end
