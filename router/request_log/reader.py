"""Reads the log of requests, which others may be writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

import msgspec

from router.request_log.lines import HOUR, Line, files_of
from router.views.requests import RequestFilter

_NAMED = 10  # lines that can't be read whose places are kept
_ALL = RequestFilter()
_BACK = 65_536  # bytes that are read at a time from the end


class LogReader:
    """The lines of a folder, or of one file of it.

    `unreadable` counts the lines of the last reading that were none (a process may have been killed within one), and
    `places` has where the first of them are. `read` are the bytes that were gone through, of `size`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unreadable = 0
        self.places: list[str] = []
        self.read = 0
        self._decode = msgspec.json.Decoder(Line).decode
        self._ends: dict[Path, int] = {}  # up to where a file was read, always a line's end

    @property
    def size(self) -> int:
        """The bytes of all files now."""
        return sum(path.stat().st_size for _, path in self._files())

    def _files(self) -> list[tuple[float, Path]]:
        return [(inf, self.folder)] if self.folder.is_file() else files_of(self.folder)

    def lines(self, since: float = 0.0, until: float = inf, only: RequestFilter = _ALL) -> Iterator[Line]:
        """Yield the requests that began within these times (seconds since 1970) and pass the filter, as they were
        written: nearly by when they ended.

        Raises:
            OSError: a file of it can't be read.
        """
        self.unreadable, self.places, self.read, self._ends = 0, [], 0, {}
        needles = _needles(only)
        for ends, path in self._files():
            if ends < since or (ends != inf and ends - HOUR > until + HOUR):  # it may end an hour after it began
                self._ends[path] = path.stat().st_size
                continue
            for line in self._of(path, only, needles):
                if since <= line.time <= until:
                    yield line

    def more(self, only: RequestFilter = _ALL) -> Iterator[Line]:
        """Yield what was written since, where the last reading came to its end; nothing that was there is read again.

        Raises:
            OSError: a file of it can't be read.
        """
        needles = _needles(only)
        for _, path in self._files():
            if path.stat().st_size != self._ends.get(path, 0):
                yield from self._of(path, only, needles)

    def _of(self, path: Path, only: RequestFilter, needles: list[bytes]) -> Iterator[Line]:
        at = self._ends.get(path, 0)
        number = 0
        with path.open("rb") as file:
            file.seek(at)
            for raw in file:
                if not raw.endswith(b"\n"):
                    break  # it is being written
                number += 1
                at += len(raw)
                self.read += len(raw)
                self._ends[path] = at
                if all(needle in raw for needle in needles):
                    line = self._line(raw, path, number)
                    if line is not None and line.passes(only):
                        yield line

    def _line(self, raw: bytes, path: Path, number: int) -> Line | None:
        try:
            return self._decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if raw.strip():
                self.unreadable += 1
                if len(self.places) < _NAMED:
                    self.places.append(f"{path.name}:{number}")
            return None

    def newest(
        self,
        before: float,
        only: RequestFilter = _ALL,
        limit: int = 100,
        known: frozenset[str] = frozenset(),
        stop: Callable[[], bool] = bool,
    ) -> list[Line]:
        """Return the last requests that ended before a time (seconds since 1970) and pass the filter, the newest
        first; the files are read from their end, and no further than needed.

        Args:
            known: the ids of those that are not wanted again.
            stop: asked now and then whether nobody wants them any more.

        Raises:
            OSError: a file of it can't be read.
        """
        found: list[Line] = []
        needles = _needles(only)
        for ends, path in reversed(self._files()):
            if ends != inf and ends - HOUR > before:
                continue
            for raw in _backwards(path, stop):
                if not all(needle in raw for needle in needles):
                    continue
                line = self._line(raw, path, 0)
                if (
                    line is not None
                    and line.time + line.seconds <= before
                    and line.id not in known
                    and line.passes(only)
                ):
                    found.append(line)
                    if len(found) >= limit:
                        return found
        return found


def _backwards(path: Path, stop: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the whole lines of a file, the last one first, until it is to stop."""
    with path.open("rb") as file:
        at = file.seek(0, 2)
        rest = b""
        is_end = True
        while at > 0 and not stop():
            step = min(_BACK, at)
            at -= step
            file.seek(at)
            first, *lines = (file.read(step) + rest).split(b"\n")
            if lines and is_end:
                lines, is_end = lines[:-1], False  # behind the last line end is nothing, or what is being written
            yield from (line for line in reversed(lines) if line)
            rest = first
        if rest and not is_end and at == 0:
            yield rest


def _needles(only: RequestFilter) -> list[bytes]:
    """Return what every line that passes has in it: it is cheaper to look for than to read a line."""
    named = {name: getattr(only, name) for name in ("route", "provider", "target", "code", "caller")}
    found = [msgspec.json.encode({name: value})[1:-1] for name, value in named.items() if value is not None]
    return [*found, *([b'"code":'] if only.failed else [])]
