"""What is said of places in an exchange, of which all processes together have so many: those of calls at the same time,
and of probes. What a process holds goes in, what it gets goes out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import msgspec

DEAD = 5.0  # seconds without a word, after which a process' places are free
GATHERING = 2.0  # seconds after a loss of the server's data in which all tell what they hold, and nobody gets more


class PlaceEntry(msgspec.Struct, frozen=True):
    """What a process tells of places, and wants of them.

    Args:
        name: of the places, a hash.
        most: that all processes may hold.
        held: by this one; it is to be told at least every few seconds.
        want: more of them.
    """

    name: str
    most: int
    held: int
    want: int

    kind: ClassVar[str] = "place"

    def keys(self) -> tuple[str, ...]:
        """Return the keys of when each process was heard, and of what it holds."""
        return f"g:{self.name}", f"gh:{self.name}"

    def arguments(self) -> Iterator[str]:
        """Return its numbers."""
        return map(str, (self.most, self.held, self.want))


class Places(NamedTuple):
    """What a process got, how many are free then, and whether somebody wanted more than there were a moment ago.

    `got` is below 0 where all together hold too many, after a fault: so many are not to be used any more.
    """

    got: int
    free: int
    is_short: bool

    @staticmethod
    def read(answer: str) -> Places:
        """Read what the script answered. Raises ValueError where that is something else."""
        got, free, short = answer.split(" ")
        return Places(int(got), int(free), short == "1")
