"""What the dashboard shows of a log on disk alone, when no router runs: its requests, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from math import inf
from pathlib import Path

from providers.threads import in_thread
from router.request_log.lines import Line
from router.request_log.reader import LogReader
from router.views.commands import Command, Done, Prompt, PromptEnd, PromptEvent
from router.views.events import Event
from router.views.figures import KEPT, Snapshot
from router.views.file import ConfigView
from router.views.history import History, Samples
from router.views.requests import RequestFilter, RequestRecord, TraceView
from router.views.routes import Chains

NO_ROUTER = "no router is watched, but a log on disk"
_EVERY = 1.0  # seconds between two looks at the log


class LogFeed:
    """A `Feed` of a log's folder, or of one file of it; what others write meanwhile comes too."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._folder = folder
        self._read: tuple[RequestFilter, int, int] | None = None  # for whom and at what size it was read last
        self._lines: dict[str, Line] = {}  # of that

    async def snapshots(self, every: float = 0.25) -> AsyncGenerator[Snapshot, None]:
        while True:
            now = time.time()
            yield Snapshot(
                time=now,
                name=self.name,
                path=str(self._folder),
                revision="",
                loaded_at=now,
                started_at=now,
                watching=True,
            )
            await asyncio.sleep(max(every, _EVERY))

    async def events(self) -> AsyncGenerator[Event, None]:
        nothing: tuple[Event, ...] = ()
        for event in nothing:
            yield event
        await asyncio.Event().wait()

    async def history(self, span: int = KEPT) -> History:
        return History(time.time(), 0, Samples())

    async def requests(self, only: RequestFilter | None = None, limit: int = 100) -> tuple[RequestRecord, ...]:
        """Return the newest requests that pass; the log is read again where it has grown."""
        await in_thread(self._look, only or RequestFilter(), limit)
        return tuple(line.record for line in self._lines.values())

    def _look(self, only: RequestFilter, limit: int) -> None:
        reader = LogReader(self._folder)
        try:
            wanted = only, limit, reader.size
            if wanted != self._read:
                self._lines = {line.id: line for line in reader.newest(inf, only, limit)}
                self._read = wanted
        except OSError:  # a file of it was just deleted: the next look comes
            return

    async def trace(self, id: str) -> TraceView | None:
        line = self._lines.get(id) or await in_thread(self._find, id)
        return None if line is None else line.trace

    def _find(self, id: str) -> Line | None:
        try:
            found = LogReader(self._folder).newest(inf, RequestFilter(text=id), 1)
        except OSError:
            return None
        return found[0] if found else None

    async def chains(self) -> Chains:
        return Chains("", ())

    async def config(self) -> ConfigView:
        return ConfigView(None, "", "", "", problem=NO_ROUTER, requests=str(self._folder))

    async def command(self, command: Command) -> Done:
        return Done(False, NO_ROUTER)

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
        yield PromptEnd(error=NO_ROUTER)

    async def aclose(self) -> None:
        """There is nothing to let go of."""
