"""A database of answers, on diskcache, for any thread.

diskcache pickles what it has no form for, and unpickles what it finds: CVE-2025-69872. `BytesDisk` replaces that: only
bytes under names of text go in and come out, and a file name that is none of its own is not touched.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import diskcache

_PATIENCE = 2.0  # seconds that SQLite waits for another process
_OWN_FILE = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]{28}\.val")


class Foreign(ValueError):
    """The folder holds something that this cache has not put there."""


class BytesDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Stores bytes under text, and nothing else; it never unpickles."""

    def put(self, key: Any) -> tuple[Any, bool]:
        """Return the form in which a key goes into the database."""
        if type(key) is not str:
            raise Foreign("only text is a key")
        return key, True

    def get(self, key: Any, raw: bool) -> Any:
        """Return a key from its form in the database."""
        if not raw or type(key) is not str:
            raise Foreign("a key that is no text")
        return key

    def store(self, value: Any, read: bool, key: Any = diskcache.UNKNOWN) -> Any:
        """Store bytes; nothing else is taken."""
        if type(value) is not bytes or read:
            raise Foreign("only bytes are stored")
        return super().store(value, read, key=key)

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> bytes:
        """Return the bytes of a row, from the database or its file."""
        if mode == diskcache.core.MODE_RAW and type(value) is bytes:
            return value
        if mode == diskcache.core.MODE_BINARY and filename is not None and _OWN_FILE.fullmatch(filename):
            data: bytes = super().fetch(mode, filename, value, False)
            return data
        raise Foreign("an entry that is no bytes of ours")

    def remove(self, file_path: str) -> None:
        """Remove a file that this cache has made; any other is left alone."""
        if _OWN_FILE.fullmatch(file_path):
            super().remove(file_path)


class _Connection(sqlite3.Connection):
    """It closes itself: a thread of a pool ends, and lets go of it, before `atexit` can close the cache. Python 3.13
    warns of every connection that nobody has closed.
    """

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it was never opened
            self.close()


class Database(diskcache.Cache):  # type: ignore[misc]  # diskcache has no types
    def __init__(self, folder: Path, most: int) -> None:
        try:
            super().__init__(
                str(folder),
                timeout=_PATIENCE,
                disk=BytesDisk,
                size_limit=most,
                eviction_policy="least-recently-stored",
                statistics=0,
                tag_index=0,
            )
        except BaseException:
            self.close()  # else its connection stays open
            raise

    @property
    def _con(self) -> sqlite3.Connection:
        """This thread's connection, with the settings that diskcache gives it."""
        if getattr(self._local, "con", None) is None:
            path = os.path.join(self.directory, diskcache.core.DBNAME)
            options = {"timeout": self.timeout, "isolation_level": None, "check_same_thread": False}
            self._local.con = sqlite3.connect(path, factory=_Connection, **options)
            with suppress(sqlite3.OperationalError):  # there is no table yet
                query = "SELECT key, value FROM Settings WHERE key LIKE 'sqlite%'"
                for key, value in self._local.con.execute(query).fetchall():
                    self.reset(key, value, update=False)
        return self._local.con  # type: ignore[no-any-return]  # diskcache has no types

    def many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What is stored under these keys, in one look: one by one takes ten times as long."""
        places = ", ".join("?" * len(keys))
        query = (
            f"SELECT key, mode, filename, value FROM Cache WHERE raw = 1 AND key IN ({places})"
            " AND (expire_time IS NULL OR expire_time > ?)"
        )
        found: dict[str, bytes] = {}
        for key, mode, filename, value in self._sql(query, (*keys, time.time())).fetchall():
            try:
                found[key] = self._disk.fetch(mode, filename, value, False)
            except FileNotFoundError:
                continue  # it has gone meanwhile
            except Foreign:
                self.delete(key)
        return found

    def put_many(self, entries: Mapping[str, bytes], seconds: float) -> None:
        with self.transact():
            for key, data in entries.items():
                self.set(key, data, expire=seconds)
