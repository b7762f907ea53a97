"""The audit: one line of JSON for each request, without prompts."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from providers.threads import in_thread
from providers.wire.writing import encode
from router.gateway.in_background import InBackground
from router.gateway.record import Record

log = logging.getLogger("signalbox.audit")

_MODE = 0o600  # who asked what when is nobody else's business


class CannotWrite(OSError):
    """The file can't be written; the message says why."""


class Audit:
    """Appends to a file. Several processes may have the same.

    Args:
        path: is made where it does not exist; its folder has to.

    Raises:
        CannotWrite: it can't be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._failed = False  # the last line may be half written
        try:
            self._file = self._opened()
        except OSError as error:
            raise CannotWrite(f"serve.audit: {path} can't be written: {error.strerror}") from None
        self._background = InBackground(self._write)
        self.note = self._background.note

    async def aclose(self) -> None:
        """Write what waits, and close the file."""
        await in_thread(self.close)

    def close(self) -> None:
        """Write what waits, and close the file; blocks."""
        self._background.close()
        os.close(self._file)

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), _MODE)

    def _write(self, records: Sequence[Record], dropped: int) -> int:
        lines = [encode(line_of(record)) for record in records]
        if dropped:
            lines.append(encode({"time": _time(time.time()), "dropped": dropped}))
        data = (b"\n" if self._failed else b"") + b"\n".join(lines) + b"\n"
        try:
            self._follow_rotation()
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            if not self._failed:
                log.warning("%s can't be written: %s; what is not written is counted", self._path, error.strerror)
            self._failed = True
            return len(records) + dropped
        self._failed = False
        return 0

    def _follow_rotation(self) -> None:
        """Open the file anew where another has its name by now, or none."""
        try:
            there = os.stat(self._path)
            here = os.fstat(self._file)
            if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
                return
        except FileNotFoundError:
            pass
        fresh = self._opened()
        os.close(self._file)
        self._file = fresh


def line_of(record: Record) -> dict[str, Any]:
    """A request as it is written."""
    return {
        "time": _time(record.at),
        "request": record.ident,
        "client": record.client,
        "face": record.face,
        "model": record.model,
        "route": record.route,
        "target": record.target,
        "attempts": record.attempts,
        "cache": record.cache,
        "stream": record.streamed,
        "status": record.status,
        "code": record.code or None,
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "cost": record.cost,
        "first_ms": None if record.first is None else round(record.first * 1000, 1),
        "ms": round(record.seconds * 1000, 1),
        "peer": record.peer,
        "agent": record.agent,
        "method": record.method,
        "path": record.path[:200],
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
