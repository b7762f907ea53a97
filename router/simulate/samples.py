"""How calls went, by a log."""

from __future__ import annotations

from typing import NamedTuple

from providers.errors import ErrorCode


class Sample(NamedTuple):
    """How an attempt went: with a code after so many seconds; or well, its first token after `first` seconds and the
    rest at `speed` tokens a second.
    """

    code: str | None
    seconds: float
    first: float = 0.0
    speed: float = 0.0


def code_of(name: str) -> ErrorCode:
    """Return the code of a name in the log, which may be of another version."""
    try:
        return ErrorCode(name)
    except ValueError:
        return ErrorCode.SERVER_ERROR
