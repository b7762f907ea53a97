"""Writes the log of requests: no request waits for the disk, and a process that is killed loses a second of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from providers.embeddings import AnyResponse
from providers.threads import in_thread
from router.plan.rules import LogRules
from router.request_log.lines import files_of, line_of, name_at
from router.request_log.users import UserNames
from router.telemetry.recorder import RequestRecorder, Telemetry

log = logging.getLogger("signalbox.log")

EVERY = 0.5  # seconds between two writes
WAITING = 20_000  # requests that may wait for a disk that hangs; of more the oldest are dropped, and counted
_PARTS = 10  # files that a full log has at least: so much of it goes at a time
_MODE = 0o600  # who asked what when is nobody else's business


class RequestLog:
    """Hears of every request that ends, and writes its line. Several processes may write into one folder.

    Args:
        wall: seconds since 1970.
    """

    takes_copies = True  # of requests, made for a shadow

    def __init__(self, rules: LogRules, telemetry: Telemetry, wall: Callable[[], float] = time.time) -> None:
        self.rules = rules
        self.lost = 0  # requests that are not in the log, since it could not be written or too many waited
        self._telemetry = telemetry
        self._wall = wall
        self._waiting: deque[RequestRecorder] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._write: asyncio.Task[None] | None = None
        self._encode = msgspec.json.Encoder().encode
        self._users = UserNames(rules)
        self._is_failing = False
        self._pruned = ""  # the file that was written when the old ones were last looked at

    def on_new_loop(self) -> None:
        """Go on with the running loop: what was begun on another one ended with that."""
        self._write = None
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._start) if self._waiting else None

    def began(self, recorder: RequestRecorder) -> None:
        """Nothing is written of a request that has only begun."""

    def ended(self, recorder: RequestRecorder, response: AnyResponse | None) -> None:
        """Have a request written soon."""
        self._waiting.append(recorder)
        if len(self._waiting) > WAITING:
            self._waiting.popleft()
            self.lost += 1
        if self._timer is None and self._write is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._start)

    def _start(self) -> None:
        self._timer = None
        self._write = asyncio.get_running_loop().create_task(self._write_waiting())

    async def _write_waiting(self) -> None:
        try:
            await in_thread(self.write)
        finally:
            self._write = None
            if self._waiting:
                self._timer = asyncio.get_running_loop().call_later(EVERY, self._start)

    async def aclose(self) -> None:
        """Write what waits, and hear of nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        write = self._write
        if write is not None and write.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([write])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await in_thread(self.write)

    def write(self) -> None:
        """Write what waits; blocks. What can't be written is told once, and counted."""
        ended = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not ended:
            return
        try:
            self.append(b"".join(self._line(each) for each in ended))
        except OSError as error:
            self.lost += len(ended)
            if not self._is_failing:
                log.warning("the log of requests can't be written in %s: %s", self.rules.folder, error.strerror)
            self._is_failing = True
        else:
            self._is_failing = False

    def _line(self, ended: RequestRecorder) -> bytes:
        user = ended.trace.user
        return self._encode(line_of(self._telemetry, ended, user and self._users.of(user))) + b"\n"

    def append(self, data: bytes) -> None:
        """Write whole lines at the end of the hour's file, in one step beside other processes."""
        folder, now = self.rules.folder, self._wall()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = 0
        while _size(folder / name_at(now, part)) >= self.rules.max_size // _PARTS:
            part += 1
        name = name_at(now, part)
        file = os.open(folder / name, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), _MODE)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                data = b"\n" + data  # whoever wrote last was killed within a line
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)
        if name != self._pruned:
            self._pruned = name
            prune(folder, now - self.rules.keep, self.rules.max_size, but=name)


def prune(folder: Path, before: float, most: int, *, but: str) -> None:
    """Delete the files whose hour ended before a time, and of the rest the oldest where all are larger together.

    Args:
        before: seconds since 1970.
        most: bytes.
        but: the name of the one that stays in any case.
    """
    files = files_of(folder)
    size = sum(_size(path) for _, path in files)
    for ends, path in files:
        if path.name == but:
            continue
        if ends < before or size > most:
            size -= _size(path)
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                path.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
