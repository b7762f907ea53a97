"""What a process and the server say to each other: one message, one reply. Pure; `exchange.lua` answers, and
`Allocator` is its twin.

Times are durations, in seconds: whoever has a wrong clock does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

SLOTS = 30  # parts of a period in which the server counts what was used


class Ask(msgspec.Struct, frozen=True):
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


class Message(msgspec.Struct, frozen=True):
    """All that a process tells in one exchange.

    Args:
        label: of the process, random.
        number: of the exchange; one that is repeated gets the same reply, and has no effect again.
        seen: the epoch of the server's data that the process knows; "" before its first reply.
        lost: whether the server lost its data within the last minute.
        leaving: whether the process ends.
    """

    label: str
    number: int
    seen: str
    asks: tuple[Ask, ...]
    lost: bool = False
    leaving: bool = False

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that the script touches, in its order."""
        names = ["e", "p", f"p:{self.label}", *(f"l:{ask.name}" for ask in self.asks)]
        return [prefix + name for name in names]

    def arguments(self) -> list[str]:
        """Return the script's arguments."""
        return [self.label, str(self.number), self.seen, str(int(self.lost)), str(int(self.leaving)), *self._asks()]

    def _asks(self) -> Iterator[str]:
        for ask in self.asks:
            numbers = ask.amount, ask.period, ask.cap, ask.want, ask.charge, -1.0 if ask.left is None else ask.left
            yield from map(repr, (*numbers, len(ask.used)))
            for pair in ask.used:
                yield from map(repr, pair)


class Grant(NamedTuple):
    """What a limit gave: units, how far it is used up then (0 to 1), and the seconds until there is one unit."""

    got: int
    fill: float
    wait: float


class Reply(NamedTuple):
    """What the server says: the epoch of its data, the processes that live, the seconds between two exchanges, and a
    grant for each limit that was asked for.
    """

    epoch: str
    processes: int
    tick: float
    grants: tuple[Grant, ...]


def read_reply(text: str) -> Reply:
    """Read what the script returned. Raises ValueError where that is something else."""
    epoch, processes, tick, *numbers = text.split(" ")
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    grants = tuple(Grant(int(got), float(fill), float(wait)) for got, fill, wait in triples)
    return Reply(epoch, int(processes), float(tick), grants)
