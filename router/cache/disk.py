"""The second level: a folder shared by all processes of the machine, in threads.

A disk that fails turns the level off for a moment; requests go on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import diskcache

from providers import forks
from providers.threads import Threads, in_thread
from router.cache.database import Database, Foreign

log = logging.getLogger("signalbox.cache")

T = TypeVar("T")

READ_WAIT = 0.25  # seconds that a request waits for the disk
HANGS = 3.0  # seconds of one work after which the disk does not answer: SQLite itself gives up before
_MOST_PENDING = 64 * 1024 * 1024  # bytes that wait to be written; what comes on top is not stored
OFF = 5.0  # seconds without the disk after it has failed
_TOLD_EVERY = 60.0  # seconds between two troubles that are told
_CLEARED = "cleared"  # a file whose time tells the other processes that something was cleared
_FOLLOWED = "followed"  # a file with what was cleared on other machines, and here since
_AT_ONCE = 500  # keys of one look, or of one transaction
_FAILURES = (sqlite3.Error, OSError, diskcache.Timeout, ValueError, TypeError, AssertionError)


# What has become of the disk: left alone for now and why, in use again, or its folder gone.
Tell: TypeAlias = Callable[[Literal["off", "on", "removed"], str], None]


def _nobody(state: str, why: str) -> None:
    """Tell nobody."""


class Disk:
    """A folder of answers. No method raises for what the disk does: a failure counts as a miss.

    Args:
        folder: made with mode 0700; shared with other processes.
        most: bytes; beyond it what was stored longest ago goes.
        tell: called on the loop when something has become of the disk.

    `trouble` is why it is left alone now; "" while all is well.
    """

    def __init__(self, folder: Path, most: int, tell: Tell = _nobody) -> None:
        self.folder = folder
        self.most = most
        self.trouble = ""
        self._tell = tell
        self._is_told = False  # that it is left alone
        self._removed = False  # the folder, which nobody was told yet
        self._news_at = -_TOLD_EVERY
        self._cache: Any = None
        self._thread = threading.local()  # `cache`: the one that this thread has a connection to
        # Its thread starts with the first work. Writes do not hold up reads.
        self._reading = Threads(1, thread_name_prefix="signalbox-cache-read")
        self._writing = Threads(1, thread_name_prefix="signalbox-cache-write")
        self._reads_since: float | None = None  # when the reading thread's present work began
        self._pending = 0
        self._opening = threading.Lock()
        self._inode = 0  # of the database that is open; 0 while it is not known
        self._off_until = 0.0
        self._told_at = -_TOLD_EVERY

    # --- for the loop

    async def get(self, key: str) -> bytes | None:
        """Return what is stored under a key; None also when the disk fails or takes too long."""
        return await self._soon(lambda cache: self._read(cache, key), None)

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return what is stored under these keys; nothing also when the disk fails or takes too long."""
        found: dict[str, bytes] = {}
        nothing: dict[str, bytes] = {}
        for start in range(0, len(keys), _AT_ONCE):
            found |= await self._soon(partial(Database.many, keys=keys[start : start + _AT_ONCE]), nothing)
        return found

    async def _soon(self, work: Callable[[Any], T], otherwise: T) -> T:
        """Read, or do without where the disk fails or takes too long."""
        if time.monotonic() < self._off_until:
            return otherwise
        began, ahead = time.monotonic(), self._reads_since
        read = self._start(self._reading, work, otherwise)
        try:
            await asyncio.wait([read], timeout=READ_WAIT)  # a loop that was held still gets what has come meanwhile
        finally:
            is_late = read.cancel()
        if is_late and self._hangs(ahead, began):
            self._fail(TimeoutError("it does not answer"))
        self._report()
        return otherwise if is_late else read.result()

    def _hangs(self, ahead: float | None, began: float) -> bool:
        """Say whether a read that began then is late because the disk hangs: what was `ahead` of it is still under way.

        A busy machine is no trouble of the disk: there all work comes to its end, or the loop was held as well.
        """
        now = time.monotonic()
        if ahead is None or ahead != self._reads_since or now - began >= 2 * READ_WAIT:
            return False
        return now - ahead >= HANGS

    async def put(self, key: str, data: bytes, seconds: float) -> bool:
        """Store data for so many seconds; False when the disk has failed, or is slower than the answers come."""
        if self._pending and self._pending + len(data) > _MOST_PENDING:
            return False
        self._pending += len(data)
        try:
            return await self._in_thread(self._writing, lambda cache: bool(cache.set(key, data, expire=seconds)), False)
        finally:
            self._pending -= len(data)

    async def put_many(self, entries: Mapping[str, bytes], seconds: float) -> None:
        """Store data under several keys for so many seconds, unless the disk has failed or is too slow."""
        keys = list(entries)
        for start in range(0, len(keys), _AT_ONCE):
            some = {key: entries[key] for key in keys[start : start + _AT_ONCE]}
            size = sum(map(len, some.values()))
            if self._pending and self._pending + size > _MOST_PENDING:
                return
            self._pending += size
            try:
                await self._in_thread(self._writing, partial(Database.put_many, entries=some, seconds=seconds), None)
            finally:
                self._pending -= size

    async def drop(self, key: str) -> None:
        """Remove what is stored under a key."""
        await self._in_thread(self._writing, lambda cache: cache.delete(key), None)

    async def clear(self, matches: Callable[[str], bool]) -> int | None:
        """Remove the entries whose key matches, and tell the other processes; returns how many went, None when the disk
        has failed.
        """
        return await self._in_thread(self._writing, lambda cache: self._clear(cache, matches), None)

    async def volume(self) -> tuple[int, int] | None:
        """Return how much is stored, as (entries, bytes); None when the disk has failed."""
        return await self._in_thread(self._reading, lambda cache: (len(cache), int(cache.volume())), None)

    async def followed(self) -> Mapping[str, str]:
        """Return which clearings of all machines this folder has followed, as `follow` was told."""
        return await self._in_thread(self._reading, lambda _: self._followed(), {})

    async def follow(self, cleared: Mapping[str, str]) -> None:
        """Note which clearings of all machines this folder has followed."""
        text = json.dumps(dict(cleared))
        await self._in_thread(self._writing, lambda _: (self.folder / _FOLLOWED).write_text(text), 0)

    async def cleared_at(self) -> float:
        """Return when some process cleared something last."""
        return await self._in_thread(self._reading, lambda _: self._cleared_at(), 0.0)

    async def aclose(self) -> None:
        """Wait for what is being written, and let go of the files."""
        for thread in (self._writing, self._reading):
            thread.submit(self._disconnect)
            await in_thread(thread.shutdown)
        self._cache = None

    async def _in_thread(self, thread: Threads, work: Callable[[Any], T], otherwise: T) -> T:
        if time.monotonic() < self._off_until:
            return otherwise
        found = await self._start(thread, work, otherwise)
        self._report()
        return found

    def _start(self, thread: Threads, work: Callable[[Any], T], otherwise: T) -> asyncio.Future[T]:
        whole = self._timed if thread is self._reading else self._whole
        return asyncio.get_running_loop().run_in_executor(thread, whole, work, otherwise)

    def _report(self) -> None:
        """Tell what is new, once; of troubles that come and go one in a while."""
        if self._removed:
            self._removed = False
            self._tell("removed", "")
        trouble, now = self.trouble, time.monotonic()
        if self._is_told and not trouble:
            self._is_told = False
            self._tell("on", "")
        elif trouble and not self._is_told and now - self._news_at >= _TOLD_EVERY:
            self._is_told, self._news_at = True, now
            self._tell("off", trouble)

    # --- in a thread

    def _timed(self, work: Callable[[Any], T], otherwise: T) -> T:
        self._reads_since = time.monotonic()
        try:
            return self._whole(work, otherwise)
        finally:
            self._reads_since = None

    def _whole(self, work: Callable[[Any], T], otherwise: T) -> T:
        with forks.whole:  # a fork in the middle would leave SQLite's locks held in the child
            return self._tried(work, otherwise)

    def _tried(self, work: Callable[[Any], T], otherwise: T) -> T:
        try:
            self._leave_what_was_removed()
            done = work(self._opened())
            self.trouble = ""
            return done
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError):
                self._start_anew()  # garbage in place of a database: it is a cache, and is made anew
            self._fail(error)
        except _FAILURES as error:
            self._fail(error)
        return otherwise

    def _opened(self) -> Any:
        with self._opening:
            if self._cache is None:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.folder.chmod(0o700)
                self._cache = Database(self.folder, self.most)
            cache = self._cache
        if getattr(self._thread, "cache", None) is not cache:
            self._disconnect()
            self._thread.cache = cache
        return cache

    def _disconnect(self) -> None:
        """Close this thread's connection: a thread's own is closed in that thread alone."""
        cache = self._thread.__dict__.pop("cache", None)
        if cache is not None:
            cache.close()

    def _leave_what_was_removed(self) -> None:
        """What is open leads nowhere once the folder was removed, or was made anew by another process."""
        with self._opening:
            try:
                inode = (self.folder / "cache.db").stat().st_ino
            except FileNotFoundError:
                inode = 0
            if self._cache is not None and (inode == 0 or inode != (self._inode or inode)):
                self._cache, inode = None, 0
                self._removed = True
            self._inode = inode

    def _read(self, cache: Any, key: str) -> bytes | None:
        try:
            data = cache.get(key)
        except Foreign:
            cache.delete(key)
            return None
        return data if type(data) is bytes else None

    def _clear(self, cache: Any, matches: Callable[[str], bool]) -> int:
        gone = sum(bool(cache.delete(key)) for key in self._keys(cache) if matches(key))
        (self.folder / _CLEARED).touch()
        return gone

    def _keys(self, cache: Any) -> list[str]:
        try:
            return list(cache.iterkeys())
        except Foreign:
            cache.clear()  # who put that there may have put anything
            return []

    def _followed(self) -> dict[str, str]:
        try:
            found = json.loads((self.folder / _FOLLOWED).read_text())
        except (FileNotFoundError, ValueError):  # never written, or by halves: all that was cleared counts as news
            return {}
        return found if isinstance(found, dict) else {}

    def _cleared_at(self) -> float:
        try:
            return (self.folder / _CLEARED).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def _start_anew(self) -> None:
        self._disconnect()
        with self._opening:
            self._cache = None
            for name in ("cache.db", "cache.db-wal", "cache.db-shm"):
                try:
                    (self.folder / name).unlink(missing_ok=True)
                except OSError:
                    shutil.rmtree(self.folder / name, ignore_errors=True)

    def _fail(self, error: Exception) -> None:
        now = time.monotonic()
        self.trouble = str(error) or type(error).__name__
        self._off_until = now + OFF
        with self._opening:
            self._cache = None  # perhaps the folder is another one by then
        if now - self._told_at >= _TOLD_EVERY:
            self._told_at = now
            log.warning("answers can't be kept in %s for now: %s", self.folder, error)
