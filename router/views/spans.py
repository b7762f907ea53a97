"""How long something lasts, in the one form that sentences and screens share."""

from __future__ import annotations

import itertools

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


_EXACT = 100.0  # seconds: below it a wait is told to three figures


def wait(seconds: float) -> str:
    """Return how long somebody has to wait: 0.25 s, 12.5 s, 60 s, 15 min, 3 h 20 min."""
    return f"{seconds:.3g} s" if seconds < _EXACT else span(seconds)


def took(seconds: float) -> str:
    """Return how long a call took: 182 ms, 1.24 s, 12.5 s, 2 min 5 s."""
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else wait(seconds)


def span(value: float) -> str:
    """Return the length of a period, given in seconds: 8 s, 4 min, 2 min 40 s, 2 h 3 min, 3 d 4 h."""
    whole = max(0, round(value))
    for (size, unit), (part, small) in itertools.pairwise(_UNITS):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"
