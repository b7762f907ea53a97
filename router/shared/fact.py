"""What processes tell each other besides numbers: facts go in, the news of all come out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import msgspec

MOST_NEWS = 256  # that a reply brings
LONGEST_FACT = 600.0  # seconds that one is kept
NEWS_KEYS = ("n", "nf", "nv")  # their versions, they themselves, the last version


class Fact(msgspec.Struct, frozen=True):
    """Something that others should know, as long as it holds.

    Args:
        kind: of fact: a word.
        name: what it is about: a word, such as a hash that `Link.name` made.
        seconds: that it holds, from now on; ten minutes at most.
        payload: what is to be said of it, on one line without tabs. No clear name, key or URL may stand in it.
    """

    kind: str
    name: str
    seconds: float
    payload: str = ""


class NewsEntry(msgspec.Struct, frozen=True):
    """What a process has to tell, and up to which version it has read what others told."""

    cursor: int
    facts: tuple[Fact, ...] = ()

    kind: ClassVar[str] = "news"

    def keys(self) -> tuple[str, ...]:
        """Return the keys of all news."""
        return NEWS_KEYS

    def arguments(self) -> Iterator[str]:
        """Return the cursor, then the facts after their number."""
        yield str(self.cursor)
        yield str(len(self.facts))
        for fact in self.facts:
            yield from (fact.kind, fact.name, repr(fact.seconds), fact.payload)


class NewsReply(NamedTuple):
    """The facts that were told since: what has the same kind and name is there once, as it was told last. `is_full`:
    there are more, after this cursor.
    """

    cursor: int
    facts: tuple[Fact, ...]
    is_full: bool

    @staticmethod
    def read(answer: str) -> NewsReply:
        """Read what the script answered. Raises ValueError where that is something else."""
        head, *items = answer.split("\t")
        cursor, is_full = head.split(" ")
        found = []
        for item in items:
            kind, name, seconds, payload = item.split(" ", 3)
            if not 0 <= float(seconds) <= LONGEST_FACT:
                raise ValueError(f"a fact does not hold for {seconds} s")
            found.append(Fact(kind, name, float(seconds), payload))
        return NewsReply(int(cursor), tuple(found), is_full == "1")
