"""Following the file: reading it again, and a watcher that sees every kind of save. `Router` has one `FileFollower`.

The folder is watched, not the file: editors replace a file by renaming, and Kubernetes swaps a link beside it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from providers.errors import SignalboxError
from router.cleanup import end_with
from router.engine.engine import Engine
from router.monitor.report import Report
from router.plan.compile import compile_plan
from router.plan.differences import differences
from router.plan.plan import Plan
from router.preload import preload
from router.views.file import ReloadResult

if TYPE_CHECKING:
    from router.config import LoadResult

DEBOUNCE = 0.05  # seconds, in which the several events of one save become one
_RESTART = 1.0  # seconds after which a watcher that broke is started anew

log = logging.getLogger("signalbox.reload")


class FileFollower:
    """Reads a router's file again, and has the engine take over what it says.

    Args:
        env: variables for `${…}`; None takes the process's environment.
        report: told of every change that was seen.
        after_swap: awaited after a new plan took over.

    `last` is the result of the last change that was seen.
    """

    def __init__(
        self,
        path: Path,
        env: Mapping[str, str] | None,
        engine: Engine,
        report: Report,
        after_swap: Callable[[], Awaitable[None]],
    ) -> None:
        self.path = path
        self.last: ReloadResult | None = None
        self._env = env
        self._engine = engine
        self._report = report
        self._after_swap = after_swap
        self._one_at_a_time = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def watching(self) -> bool:
        """Whether edits of the file are followed now."""
        return self._watcher is not None and not self._watcher.done()

    async def reload(self) -> ReloadResult:
        """Read the file again, now; a file with errors changes nothing, and the result says what they are."""
        async with self._one_at_a_time:
            result = await self._read_again()
            if result is None or result == self.last:
                return result or ReloadResult(True, self._engine.plan.revision)
            self.last = result
            await self._report.reloaded(result)
            (log.info if result.accepted else log.warning)("%s: %s", self.path, result)
            return result

    async def _read_again(self) -> ReloadResult | None:
        """Read the file and swap the plan; None when the file is as it was."""
        from router.config import UnreadableFile, load

        revision = self._engine.plan.revision
        try:
            loaded = await asyncio.to_thread(load, self.path, env=self._env)
        except UnreadableFile as error:
            return ReloadResult(False, revision, problem=str(error))
        if loaded.file is None:
            return ReloadResult(False, revision, diagnostics=loaded.diagnostics, loaded=loaded)
        if loaded.revision == revision:
            was_rejected = self.last is not None and not self.last.accepted
            return ReloadResult(True, revision) if was_rejected else None
        try:
            plan = await asyncio.to_thread(_compiled, loaded)
        except (ValueError, SignalboxError) as error:  # a kind of provider that refuses its settings
            return ReloadResult(False, revision, problem=str(error), loaded=loaded)
        result = self._swap(plan)
        await self._after_swap()
        return result

    def _swap(self, plan: Plan) -> ReloadResult:
        old = self._engine.plan
        changes = differences(old, plan, self._engine.providers.under_way(old))
        notes = self._engine.adopt(plan)
        return ReloadResult(True, plan.revision, (*changes, *notes), loaded=plan.loaded)

    def follow(self) -> None:
        """Reload at every change from now on, in a task of the running loop."""
        self._one_at_a_time = asyncio.Lock()
        self._watcher = follow(self.path, self)

    async def aclose(self) -> None:
        """Follow it no longer."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None and watcher.get_loop() is asyncio.get_running_loop():
            watcher.cancel()
            await asyncio.wait([watcher])


def _compiled(loaded: LoadResult) -> Plan:
    plan = compile_plan(loaded)
    preload(plan, watched=False, monitored=False)  # a kind that is new
    return plan


class Reloadable(Protocol):
    """What follows a file: a router, or its `FileFollower`."""

    def reload(self) -> Coroutine[Any, Any, ReloadResult]:
        """Read the file again, now."""
        ...


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


def follow(path: Path, owner: Reloadable) -> asyncio.Task[None]:
    """Reload on every change, in a task of the running loop; an owner that is dropped is collected, and ends it."""
    reference = weakref.ref(owner)

    async def changed() -> None:
        alive = reference()
        if alive is not None:
            await alive.reload()

    task = asyncio.get_running_loop().create_task(watch(path, changed))
    end_with(owner, task)
    return task


def reload_on_hangup(router: Reloadable, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Reload at SIGHUP, as daemons do; for the main thread of a command. Gives the function that ends it.

    Args:
        loop: on which the router runs, perhaps in another thread.
    """
    number = getattr(signal, "SIGHUP", None)
    if number is None:  # Windows has none
        return lambda: None
    reloads: set[asyncio.Task[ReloadResult]] = set()

    def reload() -> None:
        task = asyncio.ensure_future(router.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(reload))

    def end() -> None:
        signal.signal(number, before)

    return end
