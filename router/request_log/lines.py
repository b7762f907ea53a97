"""What the log says of a request, and in which file of its folder."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from router.monitor.requests import passes, record_of
from router.telemetry.recorder import RequestRecorder, Telemetry
from router.views.requests import Captured, RequestFilter, RequestRecord, TraceView
from router.views.trace import Entry

HOUR = 3600.0
_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d)(?:\.(\d+))?\.jsonl")


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request that ended, as a line of the log. What is not known, or is nothing, is left out.

    `at` is when it began, in UTC; `record` and `entries` are as the dashboard has them. `captured` are prompt and
    answer, where the file's `telemetry.capture` keeps them.
    """

    at: str
    record: RequestRecord
    revision: str = ""
    asked: str = ""
    cache: str = ""
    entries: tuple[Entry, ...] = ()
    captured: Captured | None = None

    @property
    def trace(self) -> TraceView:
        """The request step by step."""
        return TraceView(self.record, self.revision, self.record.seconds, self.entries, self.captured)

    def passes(self, only: RequestFilter) -> bool:
        """Say whether the filter lets it through."""
        return passes(self.record, only)


def line_of(telemetry: Telemetry, ended: RequestRecorder) -> Line:
    """Make the line of a request that ended."""
    record, trace = record_of(telemetry, ended), ended.trace
    cache = f"{trace.cache} ({trace.cache_level})" if trace.cache_level else trace.cache
    captured = ended.outcome.captured
    return Line(_iso(record.time), record, trace.revision, trace.asked, cache, tuple(trace.entries), captured)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def name_at(seconds: float, part: int = 0) -> str:
    """Return the file for what ends at this time (seconds since 1970): of an hour, of which there may be parts."""
    hour = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H")
    return f"{hour}.{part}.jsonl" if part else f"{hour}.jsonl"


def files_of(folder: Path) -> list[tuple[float, Path]]:
    """List the log's files, the oldest first, each with when its hour ends (seconds since 1970)."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        name = _NAME.fullmatch(path.name)
        if name is not None:
            try:
                began = datetime.strptime(name[1], "%Y-%m-%dT%H").replace(tzinfo=UTC)
            except ValueError:
                continue  # somebody else's
            found.append((began.timestamp() + HOUR, int(name[2] or 0), path))
    return [(ends, path) for ends, _, path in sorted(found)]
