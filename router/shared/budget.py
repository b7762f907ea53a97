"""What is said of one budget in an exchange: what a machine has spent goes in, a lease of dollars comes out. Pure.

All amounts are whole nano-dollars: a double, which is what the script counts in, holds them exactly up to $9.0 M.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor
from typing import ClassVar, NamedTuple

import msgspec

NANO = 1_000_000_000
_ROUNDING = 0.001


class BudgetEntry(msgspec.Struct, frozen=True):
    """What a process tells of one budget in one period, and wants of it.

    Args:
        name: of the budget and the period: a hash, and when it began.
        limit: what may be spent.
        machine: who counts: a hash, which all processes of a machine have in common.
        total: all that the machine has spent in the period. It only grows.
        hold: what the process has spent that is not in `total`, what its calls under way will probably cost, and what
            it keeps of its lease.
        more: that it wants besides.
        least: of that, what one call will probably cost.
        lasts: seconds after which nobody needs to know of it.
    """

    name: str
    limit: int
    machine: str
    total: int
    hold: int
    more: int
    least: int
    lasts: int

    kind: ClassVar[str] = "budget"

    def keys(self) -> tuple[str, ...]:
        """Return the keys of its sums, and of who has a lease."""
        return f"b:{self.name}", f"b:{self.name}:l"

    def arguments(self) -> Iterator[str]:
        """Return what the script's function reads."""
        yield from (str(self.limit), self.machine, str(self.total), str(self.hold), str(self.more))
        yield from (str(self.least), str(self.lasts))


class Standing(NamedTuple):
    """How a budget stands: `got` is leased besides what was held, `spent` is the sum of all machines, `known` of that
    is by the machine that asked, `free` is leased to nobody, `others` to others. `limit` is the lowest that anybody
    told lately. A `young` one was lost, and not all have told their totals again.
    """

    got: int
    spent: int
    known: int
    free: int
    others: int
    limit: int
    young: bool

    @staticmethod
    def read(answer: str) -> Standing:
        """Read what the script answered. Raises ValueError where that is something else."""
        got, spent, known, free, others, limit, young = map(int, answer.split(" "))
        return Standing(got, spent, known, free, others, limit, bool(young))


def at_most(usd: float) -> int:
    """Return whole nano-dollars, none that are not there."""
    return floor(usd * NANO + _ROUNDING)


def at_least(usd: float) -> int:
    """Return whole nano-dollars, a begun one as a whole."""
    return max(0, ceil(usd * NANO - _ROUNDING))
