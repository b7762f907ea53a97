"""Writes what is known of requests in a thread, so that no request waits for a disk, or for a terminal that is held."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

from router.gateway.record import Record

_WAITING = 10_000  # records that may wait; more are dropped, and counted
_AT_ONCE = 500  # that are written together

# Gets some records, and how many were dropped before them; gives how many of all it could not write.
Write: TypeAlias = Callable[[Sequence[Record], int], int]


class InBackground:
    """Hands records on to a function in a thread of its own, in their order.

    Args:
        write: may block; raises nothing.
        waiting: how many may wait.
    """

    def __init__(self, write: Write, *, waiting: int = _WAITING) -> None:
        self._write = write
        self._queue: queue.Queue[Record | None] = queue.Queue(waiting)
        self._dropped = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="signalbox-records", daemon=True)
        self._thread.start()

    def note(self, record: Record) -> None:
        """Have a request written, some time; it is dropped where too many wait."""
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self._drop(1)

    def close(self, seconds: float | None = None) -> None:
        """Write what waits, for so long; blocks."""
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            return  # it is stuck; the thread ends with the process
        self._thread.join(seconds)

    def _run(self) -> None:
        last = False
        while not last:
            batch = self._batch()
            last = batch[-1] is None
            records = [record for record in batch if record is not None]
            dropped = self._drop(None)
            if records or dropped:
                self._drop(self._write(records, dropped))

    def _drop(self, count: int | None) -> int:
        """Count so many more; None begins anew. Gives how many there were."""
        with self._lock:
            before, self._dropped = self._dropped, 0 if count is None else self._dropped + count
        return before

    def _batch(self) -> list[Record | None]:
        """What waits; ends with None where it is the last."""
        batch: list[Record | None] = [self._queue.get()]
        while batch[-1] is not None and len(batch) < _AT_ONCE:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return batch
