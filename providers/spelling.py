"""Guessing what a mistyped name was meant to be. Used by every message that refuses a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 100  # characters of a name that is compared: comparing takes time by the square


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean "llama"?)`, or nothing when no known name is near."""
    if len(name) > _LONGEST:
        return ""
    names = list(known)
    alike = [other for other in names if other.casefold() == name.casefold()]  # short names are near nothing else
    near = alike or difflib.get_close_matches(name, names, n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""
