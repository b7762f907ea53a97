"""What a process and the server say to each other: one message, one reply. Pure; the scripts in `lua/` answer, and
`Allocator` is their twin.

Times are durations, in seconds: whoever has a wrong clock does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple, Protocol

import msgspec


class Entry(Protocol):
    """What a process tells of one thing, and wants of it. `kind` names the function of the script that answers."""

    kind: ClassVar[str]

    def keys(self) -> tuple[str, ...]:
        """Return the keys that the script touches for it, without their prefix."""
        ...

    def arguments(self) -> Iterator[str]:
        """Return what the script's function reads."""
        ...


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
    entries: tuple[Entry, ...]
    lost: bool = False
    leaving: bool = False

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that the script touches, in its order."""
        names = ["e", "p", f"p:{self.label}"]
        for entry in self.entries:
            names += entry.keys()
        return [prefix + name for name in names]

    def arguments(self) -> list[str]:
        """Return the script's arguments."""
        found = [self.label, str(self.number), self.seen, str(int(self.lost)), str(int(self.leaving))]
        for entry in self.entries:
            found += (entry.kind, *entry.arguments())
        return found


class Reply(NamedTuple):
    """What the server says: the epoch of its data, its time (seconds since 1970), the processes that live, the seconds
    between two exchanges, and one line for each entry.
    """

    epoch: str
    time: float
    processes: int
    tick: float
    answers: tuple[str, ...]


def read_reply(text: str) -> Reply:
    """Read what the script returned. Raises ValueError where that is something else."""
    head, *answers = text.split("\n")
    epoch, time, processes, tick = head.split(" ")
    return Reply(epoch, float(time), int(processes), float(tick), tuple(answers))
