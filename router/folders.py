"""Notices that a file may have changed: by events of the folders on the way to it, and without any by looking again.

Folders are watched, not files: editors replace a file by renaming, Kubernetes swaps a link beside it. Of a folder only
the names on the way count, so that what else is written there wakes nobody.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from providers.threads import in_thread
from router.patterns import Pattern, is_pattern, matches

BACKSTOP = 2.0  # seconds after which is looked again without an event: mounts may have none
_LINKS = 40  # on the way to a file, as the kernel follows them
_STEP = 20  # milliseconds of quiet that end a group of events
_GROUP = 50  # milliseconds that a group of events lasts at most
_PATIENCE = 1000  # milliseconds without an event after which the thread looks about

log = logging.getLogger("signalbox.reload")


def way_to(path: Path) -> Iterator[Path]:
    """Every place whose replacement changes what an absolute path leads to: the links on the way, then the end."""
    here, names, links = Path(path.anchor), list(reversed(path.parts[1:])), 0
    while names:
        name = names.pop()
        if name == "..":
            here = here.parent
            continue
        place = here / name
        try:
            link = Path(os.readlink(place))
        except (OSError, ValueError):  # no link, or nothing that can be entered
            here = place
            continue
        yield place
        links += 1
        if links > _LINKS:
            return
        here = Path(link.anchor) if link.is_absolute() else here
        names += reversed(link.parts[1:] if link.is_absolute() else link.parts)
    yield here


class Folder(NamedTuple):
    """A folder with the names and patterns of names in it that count. Another one may take its place: device and inode
    tell them apart.
    """

    device: int
    inode: int
    names: frozenset[str]


def _places(path: Path | Pattern) -> Iterator[Path]:
    """Every place whose replacement changes what a path leads to, or which files a pattern matches."""
    if isinstance(path, Path):
        yield from way_to(path)
    else:
        yield from way_to(path.base)
        yield from (Path(os.path.realpath(folder)) / name for folder, name in path.levels())


def folders_of(paths: Iterable[Path | Pattern]) -> Mapping[str, Folder]:
    """The folders to watch for these files; for one that is missing, the nearest that is there."""
    names: dict[Path, set[str]] = {}
    for place in (place for path in paths for place in _places(path)):
        while not _is_folder(place.parent) and place.parent != place:
            place = place.parent
        names.setdefault(place.parent, set()).add(place.name)
    found = {}
    for folder, counting in names.items():
        with suppress(OSError):  # it is gone again: the next look finds another
            status = os.stat(folder)
            found[str(folder)] = Folder(status.st_dev, status.st_ino, frozenset(counting))
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir() and os.access(path, os.R_OK)
    except (OSError, ValueError):  # no way in, or no path at all
        return False


class Folders:
    """The folders on the way to some files, watched by a thread of their own and waited for on the running loop."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._folders: Mapping[str, Folder] = {}
        self._stop: threading.Event | None = None  # ends the thread that listens; None while none does
        self._trouble = ""

    async def watch(self, paths: Iterable[Path | Pattern]) -> None:
        """Listen on the way to these files; what happens after this ends the next `changed`."""
        folders = await in_thread(folders_of, tuple(paths))
        if self._stop is not None and not self._stop.is_set() and folders == self._folders:
            return
        self.close()
        self._folders = folders
        loop, stop = asyncio.get_running_loop(), threading.Event()
        begun: asyncio.Future[str] = loop.create_future()
        listener = _Listener(loop, folders, stop, begun, self._woken)
        threading.Thread(target=listener.run, name="signalbox-follows-a-file").start()
        self._stop = stop
        try:
            trouble = await begun
        except asyncio.CancelledError:
            self.close()
            raise
        if trouble:
            self.close()  # and try again with the next look
            if trouble != self._trouble:
                log.warning("edits are looked for every %g s, since the system tells none: %s", BACKSTOP, trouble)
        self._trouble = trouble

    async def changed(self) -> None:
        """Wait until something on the way may have changed: an event came, or it is time to look without one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BACKSTOP):
                await self._woken.wait()
        self._woken.clear()

    def close(self) -> None:
        """Listen no longer."""
        if self._stop is not None:
            self._stop.set()
        self._stop = None


def _is_matched(name: str, folder: Folder) -> bool:
    return any(is_pattern(pattern) and matches(name, pattern) for pattern in folder.names)


class _Listener:
    """What the thread of `Folders` does."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        folders: Mapping[str, Folder],
        stop: threading.Event,
        begun: asyncio.Future[str],
        woken: asyncio.Event,
    ) -> None:
        self._loop = loop
        self._folders = folders
        self._stop = stop
        self._begun = begun
        self._woken = woken

    def run(self) -> None:
        """Listen until stopped; what goes wrong is told, and the next look begins anew."""
        try:
            from watchfiles._rust_notify import RustNotify  # public by its docs; here: it is needed only by watchers

            with RustNotify(list(self._folders), False, False, 0, False, True) as notify:
                self._tell(self._has_begun, "")
                while not self.is_set():
                    changes = notify.watch(_GROUP, _STEP, _PATIENCE, self)
                    if isinstance(changes, set) and any(self._counts(path) for _, path in changes):
                        self._tell(self._woken.set)
        except Exception as error:  # the system has no more to give, a folder is gone, a name is no UTF-8
            self._stop.set()
            self._tell(self._has_begun, str(error) or type(error).__name__)
            self._tell(self._woken.set)

    def is_set(self) -> bool:
        """Whether to stop; asked many times a second. A loop or a process that ended without a word is no reason to
        go on.
        """
        return self._stop.is_set() or self._loop.is_closed() or not threading.main_thread().is_alive()

    def _counts(self, path: str) -> bool:
        folder, name = os.path.split(path)
        found = self._folders.get(folder)
        return path in self._folders or (found is not None and (name in found.names or _is_matched(name, found)))

    def _has_begun(self, trouble: str) -> None:
        if not self._begun.done():
            self._begun.set_result(trouble)

    def _tell(self, what: Callable[..., object], *args: str) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(what, *args)
