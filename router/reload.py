"""Following the file: whenever it or one of its secret files has another content, it is read again. `Router` has one
`FileFollower`.

What was looked at is what is compiled: a file that is being written is waited for, and never read in halves.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import weakref
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from providers.printable import one_line, printable
from providers.threads import in_thread
from router.config.files import Contents
from router.engine.engine import Engine
from router.folders import Folders
from router.monitor.report import Report
from router.plan.compile import compile_plan
from router.plan.differences import differences
from router.plan.plan import Plan
from router.preload import preload
from router.views.file import ReloadResult

if TYPE_CHECKING:
    from providers.credentials.function import CredentialFunction
    from router.config import LoadResult, UnreadableFile
    from router.patterns import Pattern

DEBOUNCE = 0.05  # seconds between two looks that find the same before it counts as saved
PATIENCE = 1.0  # seconds that a save may take

log = logging.getLogger("signalbox.reload")


class FileFollower:
    """Reads a router's file again, and has the engine take over what it says.

    Args:
        env: variables for `${…}`; None takes the process's environment.
        engine: on whose plan, which was made of the file, requests run.
        report: told of every change that was seen.
        after_swap: awaited after a new plan took over.
        replaced: providers that the app has its own in the place of.

    `last` is the result of the last change that was seen.
    """

    def __init__(
        self,
        path: Path,
        env: Mapping[str, str] | None,
        engine: Engine,
        report: Report,
        after_swap: Callable[[], Awaitable[None]],
        replaced: Collection[str] = (),
    ) -> None:
        self.path = path
        self.last: ReloadResult | None = None
        self._env = env
        self._engine = engine
        self._report = report
        self._after_swap = after_swap
        self._replaced = replaced
        self.one_at_a_time = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None
        loaded = engine.plan.loaded
        self._marks: Mapping[Path | Pattern, str] = {path: ""} if loaded is None else loaded.marks

    @property
    def watching(self) -> bool:
        """Whether edits of the file are followed now."""
        return self._watcher is not None and not self._watcher.done()

    @property
    def files(self) -> tuple[Path | Pattern, ...]:
        """The file, those that it includes, and the secret files that they name: an edit of any of them is a change. Of
        a pattern it is one that matches other files.
        """
        return tuple(self._marks)

    async def reload(self) -> ReloadResult:
        """Read the file again; a file with errors changes nothing, and the result says what they are."""
        async with self.one_at_a_time:
            return await self._take_over(await self._settled())

    async def catch_up(self) -> bool:
        """Reload if a file has another content than that which was last read; gives whether there was one."""
        async with self.one_at_a_time:
            contents = await self._settled()
            if contents.marks == self._marks:
                return False
            await self._take_over(contents)
            return True

    async def _look(self) -> Contents:
        return await in_thread(Contents, self.files)

    async def _settled(self) -> Contents:
        """What the files hold when nobody writes any more: what was last read, or what is found twice without any
        file missing or empty that was not.

        A file that is written without a pause is taken as it is after a while, and so is one that stays empty.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        contents = await self._look()
        while contents.marks != self._marks and loop.time() < end:
            await asyncio.sleep(DEBOUNCE)
            before, contents = contents.marks, await self._look()
            emptied = any(self._marks.get(path) and not mark for path, mark in contents.marks.items())
            if contents.marks == before and not emptied:
                break
        return contents

    async def _read(self, contents: Contents) -> tuple[LoadResult | UnreadableFile, Contents]:
        """What the file says, and what it was made of: what is new to it is looked at twice, too."""
        from router.config import UnreadableFile, load

        own = {"replaced": self._replaced, "keyed": tuple(self._engine.plan.credentials)}
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        while True:
            try:
                loaded: LoadResult | UnreadableFile = await in_thread(
                    load, self.path, env=self._env, contents=contents, **own
                )
            except UnreadableFile as error:
                loaded = error
            if not contents.has_more or loop.time() >= end:
                return loaded, contents
            await asyncio.sleep(DEBOUNCE)
            before, contents = contents.marks_of_asked(), await in_thread(Contents, tuple(contents.marks_of_asked()))
            if contents.marks == before:
                contents.ask_all()
                return loaded, contents

    async def _take_over(self, contents: Contents) -> ReloadResult:
        loaded, contents = await self._read(contents)
        result = await self._swap(loaded)
        self._marks = contents.marks_of_asked()
        if result is None or result == self.last:
            return result or ReloadResult(True, self._engine.plan.revision)
        self.last = result
        await self._report.reloaded(result)
        (log.info if result.accepted else log.warning)("%s: %s", one_line(str(self.path)), printable(str(result)))
        return result

    async def _swap(self, loaded: LoadResult | UnreadableFile) -> ReloadResult | None:
        """Swap the plan for what was read; None when the file is as it was."""
        old = self._engine.plan
        if isinstance(loaded, Exception):
            return ReloadResult(False, old.revision, problem=str(loaded))
        if loaded.file is None:
            return ReloadResult(False, old.revision, diagnostics=loaded.diagnostics, loaded=loaded)
        if loaded.revision == old.revision:
            was_rejected = self.last is not None and not self.last.accepted
            return ReloadResult(True, old.revision) if was_rejected else None
        try:
            plan = await in_thread(compiled, loaded, old.credentials)
        except Exception as error:  # a kind of provider that refuses its settings; an app's own may raise anything
            return ReloadResult(False, old.revision, problem=str(error) or type(error).__name__, loaded=loaded)
        return await take_over(self._engine, plan, loaded, self._after_swap)

    def follow(self) -> None:
        """Reload at every change from now on, in a task of the running loop."""
        loop = asyncio.get_running_loop()
        self.one_at_a_time = asyncio.Lock()
        self._watcher = loop.create_task(_keep_up(weakref.ref(self), self.path))
        # The task is held by its follower alone: one that is dropped is collected, and ends it.
        weakref.finalize(self, _stop, loop, weakref.ref(self._watcher))

    async def aclose(self) -> None:
        """Follow it no longer."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None and watcher.get_loop() is asyncio.get_running_loop():
            watcher.cancel()
            await asyncio.wait([watcher])


async def take_over(
    engine: Engine, plan: Plan, loaded: LoadResult, after_swap: Callable[[], Awaitable[None]]
) -> ReloadResult:
    """Have a new plan take over in one step; gives what it changes."""
    old = engine.plan
    changes = await in_thread(differences, old, plan, engine.providers.under_way(old))
    notes = engine.adopt(plan)
    await after_swap()
    return ReloadResult(True, plan.revision, (*changes, *notes), loaded=loaded)


def compiled(loaded: LoadResult, credentials: Mapping[str, CredentialFunction]) -> Plan:
    """Compile a new plan, and import what its first request would have to; it blocks for some milliseconds."""
    plan = compile_plan(loaded, credentials=credentials)
    preload(plan, watched=False, monitored=False)  # a kind that is new
    return plan


async def _keep_up(following: weakref.ref[FileFollower], path: Path) -> None:
    """Reload at every change, as long as there is somebody to."""
    folders = Folders()
    try:
        while (follower := following()) is not None:
            changed = False
            try:
                await folders.watch(follower.files)
                changed = await follower.catch_up()
            except Exception:  # whatever it is, edits are followed: the next look begins anew
                log.exception("following %s went wrong; it goes on", one_line(str(path)))
            del follower
            if not changed:
                await folders.changed()
    finally:
        folders.close()


def _stop(loop: asyncio.AbstractEventLoop, watcher: weakref.ref[asyncio.Task[None]]) -> None:
    task = watcher()
    if task is not None and not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


class Reloadable(Protocol):
    """What can read its file again: a router."""

    def reload(self) -> Coroutine[Any, Any, ReloadResult]:
        """Read the file again."""
        ...


def reload_on_hangup(router: Reloadable, loop: asyncio.AbstractEventLoop | None) -> Callable[[], None]:
    """Reload at SIGHUP, as daemons do; for the main thread of a command. Gives the function that ends it.

    Args:
        loop: on which the router runs, perhaps in another thread.

    Raises:
        RuntimeError: it runs on none yet.
    """
    if loop is None:
        raise RuntimeError("a router reloads on its event loop: use it once before reload_on_hangup()")
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
