"""What is said of one breaker in an exchange: what a process has met goes in, how many have met it comes out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple, TypeAlias

import msgspec

from router.shared.fact import NEWS_KEYS

RECENT = 30.0  # seconds: who called, or opened, within them counts
SETTLED = 1.2  # seconds after the first that opened: by then all who call have said so

What: TypeAlias = Literal["opened", "refused", "called", "heard", "closed"]


class OutageEntry(msgspec.Struct, frozen=True):
    """What a process tells of one breaker, and asks.

    Args:
        name: of the target or key, a hash.
        what: "opened" by failures, "refused": opened by refusals, "closed" by probes that succeeded; else "called"
            lately, or "heard": not called lately.
        seconds: how long it will be open.
        machine: of the process, a hash.
    """

    name: str
    what: What
    seconds: float
    machine: str

    kind: ClassVar[str] = "outage"

    def keys(self) -> tuple[str, ...]:
        """Return the keys of those who opened and their machines, of those who called and theirs, and of the news."""
        return (*(f"{which}:{self.name}" for which in ("o", "om", "c", "cm")), *NEWS_KEYS)

    def arguments(self) -> Iterator[str]:
        """Return what the script reads."""
        yield from (self.what, repr(self.seconds), self.machine, self.name)


class Outage(NamedTuple):
    """What is known of a breaker at all processes.

    `opened` and `called` count processes within the last 30 s, `machines` and `called_from` their machines. `age` are
    the seconds since the first opened, `left` those until they probe; `what` is "" where it is not open anywhere.
    `again` are the seconds after which what was told has to be told again, 0 for never.
    """

    what: str
    opened: int
    called: int
    machines: int
    called_from: int
    age: float
    left: float
    again: float

    @staticmethod
    def read(answer: str) -> Outage:
        """Read what the script answered. Raises ValueError where that is something else."""
        what, opened, called, machines, called_from, age, left, again = answer.split(" ")
        counts = int(opened), int(called), int(machines), int(called_from)
        return Outage(what.strip("-"), *counts, float(age), float(left), float(again))

    @property
    def convinces(self) -> bool:
        """Whether it is no single process' trouble, or machine's: others open too.

        For failures that are half of those who call, and two at least; for refusals two.
        """
        if self.called_from > 1 and self.machines < 2:
            return False
        return self.opened >= (2 if self.what == "refused" else max(2.0, self.called / 2))

    @property
    def why(self) -> str:
        """Who has opened, in words."""
        if self.what == "refused":
            return f"{self.opened} processes were refused"
        return f"{self.opened} of {self.called} processes have opened it"
