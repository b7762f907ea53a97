"""Reads the log of requests, which others may be writing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from router.request_log.lines import HOUR, Line, files_of


class LogReader:
    """The lines of a folder.

    `unreadable` counts those of the last reading that were none: a process may have been killed within one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unreadable = 0
        self._decode = msgspec.json.Decoder(Line).decode

    def lines(self, since: float = 0.0, until: float = float("inf")) -> Iterator[Line]:
        """Yield the requests that began within these times (seconds since 1970), as they were written: nearly by when
        they ended.

        Raises:
            OSError: a file of it can't be read.
        """
        self.unreadable = 0
        for ends, path in files_of(self.folder):
            if ends < since or ends - HOUR > until + HOUR:  # a request may end an hour after it began
                continue
            with path.open("rb") as file:
                for raw in file:
                    line = self._line(raw)
                    if line is not None and since <= line.time <= until:
                        yield line

    def _line(self, raw: bytes) -> Line | None:
        if not raw.endswith(b"\n"):
            return None  # it is being written
        try:
            return self._decode(raw)
        except msgspec.DecodeError:
            self.unreadable += raw != b"\n"
            return None
