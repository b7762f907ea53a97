"""Guesses what a wrong name of the file was meant to be, as long as that is quick."""

from __future__ import annotations

from collections.abc import Collection

from providers.spelling import did_you_mean

MAX_COMPARISONS = 20_000  # of names in search of a similar one: about half a second


class Spelling:
    """`did_you_mean`, until the file has so many wrong names that guessing would take long."""

    def __init__(self) -> None:
        self._left = MAX_COMPARISONS

    def near(self, name: str, known: Collection[str]) -> str:
        """What to add to a message; "" when nothing is near."""
        self._left -= len(known)
        return did_you_mean(name, known) if self._left >= 0 else ""
