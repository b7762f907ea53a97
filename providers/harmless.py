"""What only learns, counts or shows can never fail a request: its trouble is logged, once, and the request goes on."""

from __future__ import annotations

import logging
from types import TracebackType

log = logging.getLogger("signalbox.reports")

_MANY = 1000  # places that are remembered


class _Harmless:
    """A context that lets no exception of ordinary kind out. Cancellation passes."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str, int]] = set()  # what failed, and where

    def __enter__(self) -> None:
        """Set up nothing: this is entered several times a request."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        self.note(error)
        return True

    def note(self, error: Exception) -> None:
        """Log a failure that changes nothing. Where every call goes: `try` costs nothing in place of 0.13 µs."""
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = ("", 0) if where is None else (where.tb_frame.f_code.co_filename, where.tb_lineno)
        told = (type(error).__name__, *place)
        if told not in self._told:
            if len(self._told) >= _MANY:
                self._told.clear()
            self._told.add(told)
            log.error("a report of a request failed, which changes nothing for the request", exc_info=error)


harmless = _Harmless()
