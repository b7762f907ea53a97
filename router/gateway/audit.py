"""The audit: one line of JSON for each request, without prompts, written by a thread and nobody waits for a disk."""

from __future__ import annotations

import logging
import os
import queue
import threading
from datetime import UTC, datetime
from typing import Any

from providers.threads import in_thread
from providers.wire.writing import encode
from router.gateway.record import Record

log = logging.getLogger("signalbox.audit")

_WAITING = 10_000  # lines that may wait; more are dropped, and counted
_AT_ONCE = 500  # lines that are written together
_MODE = 0o600  # who asked what when is nobody else's business


class CannotWrite(OSError):
    """The file can't be written; the message says why."""


class Audit:
    """Appends to a file. Several processes may have the same.

    Args:
        path: is made where it does not exist; its folder has to.
        waiting: lines that may wait, for tests.

    Raises:
        CannotWrite: it can't be opened.
    """

    def __init__(self, path: str, *, waiting: int = _WAITING) -> None:
        self._path = path
        self._queue: queue.Queue[Record | None] = queue.Queue(waiting)
        self._dropped = 0
        self._lost = False  # whether the last line may be half written
        try:
            self._file = self._opened()
        except OSError as error:
            raise CannotWrite(f"serve.audit: {path} can't be written: {error.strerror}") from None
        self._thread = threading.Thread(target=self._run, name="signalbox-audit", daemon=True)
        self._thread.start()

    def note(self, record: Record) -> None:
        """Have a request written, some time; it is dropped where too many wait."""
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    async def aclose(self) -> None:
        """Write what waits, and close the file."""
        await in_thread(self.close)

    def close(self) -> None:
        """Write what waits, and close the file; blocks."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
            os.close(self._file)

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), _MODE)

    def _run(self) -> None:
        while (batch := self._batch())[-1:] != [None]:
            self._write([record for record in batch if record is not None])
        self._write([record for record in batch if record is not None])

    def _batch(self) -> list[Record | None]:
        """What waits; ends with None where it is the last."""
        batch: list[Record | None] = [self._queue.get()]
        while batch[-1] is not None and len(batch) < _AT_ONCE:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return batch

    def _write(self, records: list[Record]) -> None:
        dropped, self._dropped = self._dropped, 0
        lines = [encode(line_of(record)) for record in records]
        if dropped:
            lines.append(encode({"time": _time(records[-1].at if records else 0.0), "dropped": dropped}))
        if not lines:
            return
        data = (b"\n" if self._lost else b"") + b"\n".join(lines) + b"\n"
        try:
            self._follow_rotation()
            while data:
                data = data[os.write(self._file, data) :]
            self._lost = False
        except OSError as error:
            self._dropped += len(records) + dropped
            if not self._lost:
                log.warning("%s can't be written: %s; what is not written is counted", self._path, error.strerror)
            self._lost = True

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
