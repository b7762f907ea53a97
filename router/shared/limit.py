"""What is said of one limit in an exchange: what was used of it goes in, units to lease come out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import msgspec

SLOTS = 30  # parts of a period in which the server counts what was used


class LimitEntry(msgspec.Struct, frozen=True):
    """What a process tells of one limit, and wants of it.

    Args:
        name: of the limit, a hash.
        amount: so much in any `period` of so many seconds; `cap` of it may go at once.
        want: units to lease.
        charge: units that the bucket has to be charged with besides, below 0 for those that it gets back.
        left: what the vendor said is left; None where it said nothing.
        used: units that were used, or below 0 given back, with how many seconds ago.
    """

    name: str
    amount: float
    period: float
    cap: float
    want: int
    charge: float = 0.0
    left: float | None = None
    used: tuple[tuple[float, float], ...] = ()

    kind: ClassVar[str] = "limit"

    def keys(self) -> tuple[str, ...]:
        """Return the one key of the limit."""
        return (f"l:{self.name}",)

    def arguments(self) -> Iterator[str]:
        """Return its numbers, then the pairs of `used` after their number."""
        left = -1.0 if self.left is None else self.left
        numbers = self.amount, self.period, self.cap, self.want, self.charge, left, len(self.used)
        yield from map(repr, numbers)
        for pair in self.used:
            yield from map(repr, pair)


class Grant(NamedTuple):
    """What a limit gave: units, how far it is used up then (0 to 1), and the seconds until there is one unit."""

    got: int
    fill: float
    wait: float

    @staticmethod
    def read(answer: str) -> Grant:
        """Read what the script answered. Raises ValueError where that is something else."""
        got, fill, wait = answer.split(" ")
        return Grant(int(got), float(fill), float(wait))
