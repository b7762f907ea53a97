"""Requests older than those that a router remembers, out of its log on disk: a page at a time, read in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from math import inf
from pathlib import Path

from providers.threads import in_thread
from router.request_log.lines import Line
from router.request_log.reader import LogReader
from router.views.requests import RequestFilter, RequestRecord, TraceView

PAGE = 200
MOST = 5000  # that are held: who wants to see more filters, or asks `signalbox log`


class OlderRequests:
    """What was read of a log so far, for one filter.

    `is_over` says that there are no older ones, or that so many are held that no more are read.
    """

    def __init__(self, folder: Path, only: RequestFilter) -> None:
        self.folder = folder
        self.is_over = False
        self._only = only
        self._lines: dict[str, Line] = {}
        self._newer: dict[str, RequestRecord] = {}  # that the router told since the first page was read
        self._stop = threading.Event()

    async def read_page(self, known: Iterable[RequestRecord]) -> None:
        """Read the next page, of requests older than those that are known.

        Raises:
            OSError: the log can't be read.
        """
        self._newer |= {record.id: record for record in known}
        before = min((each.time + each.seconds for each in self.all), default=inf)
        ids = frozenset(each.id for each in self.all)
        reader = LogReader(self.folder)
        found = await in_thread(reader.newest, before, self._only, PAGE, ids, self._stop.is_set)
        self._lines |= {line.id: line for line in found}
        self.is_over = len(found) < PAGE or len(self._lines) >= MOST

    def stop(self) -> None:
        """Have a reading that is under way end soon: nobody wants it any more."""
        self._stop.set()

    @property
    def all(self) -> tuple[RequestRecord, ...]:
        """The requests, the newest first, with those newer ones that were told meanwhile."""
        older = (line.record for name, line in self._lines.items() if name not in self._newer)
        return tuple(sorted((*self._newer.values(), *older), key=lambda each: each.time + each.seconds, reverse=True))

    def with_newer(self, records: Iterable[RequestRecord]) -> tuple[RequestRecord, ...]:
        """Add those that the router tells now; what it no longer remembers stays."""
        self._newer |= {record.id: record for record in records}
        while len(self._newer) > MOST:
            self._newer.pop(next(iter(self._newer)))
        return self.all

    def trace(self, id: str) -> TraceView | None:
        """Return one of them step by step."""
        line = self._lines.get(id)
        return None if line is None else line.trace
