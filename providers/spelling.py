"""Guessing what a mistyped name was meant to be. Used by every message that refuses a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 100  # characters of a name that is compared: comparing takes time by the square


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean "llama"?)`, or nothing when no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=1) if len(name) <= _LONGEST else ()
    return f' (did you mean "{near[0]}"?)' if near else ""
