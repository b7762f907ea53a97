"""What lies between a limit and the link that exchanges: what the one tells, and what it needs of the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol

from router.shared.limit import SLOTS, Grant, LimitEntry

Away = Literal["share", "local", "refuse"]

GRAINS = 4 * SLOTS  # parts of a period in which what is to be told is added up


class Server(Protocol):
    """What a limit needs of the link to the server."""

    processes: int
    tick: float
    away: bool

    @property
    def policy(self) -> Away:
        """What holds while the server does not answer."""
        ...

    @property
    def lease(self) -> float:
        """The seconds that a lease lasts."""
        ...

    def ask(self, at: float) -> None:
        """Exchange at this time (the loop's), or as soon after it as may be."""
        ...

    def expected(self, now: float) -> float:
        """Return the seconds until the next reply."""
        ...


class Told:
    """What is told of a limit in one exchange, which may have to be repeated; times are the loop's.

    `used` is by part of the period: its number on the loop's clock. `receive` gets the grant, what was wanted, and when
    it was asked for and answered.
    """

    __slots__ = ("_entry", "_length", "_receive", "_used")

    is_idle = False

    def __init__(
        self, entry: LimitEntry, used: dict[int, float], receive: Callable[[Grant, int, float, float], None]
    ) -> None:
        self._entry = entry
        self._used = used
        self._length = entry.period / GRAINS
        self._receive = receive

    def entry(self, now: float) -> LimitEntry:
        """Return it as it is told now. In doubt what was used counts as later, and what is given back as earlier."""
        told = self._entry
        ages = [(max(0.0, now - (grain + (units > 0)) * self._length), units) for grain, units in self._used.items()]
        return LimitEntry(told.name, told.amount, told.period, told.cap, told.want, told.charge, told.left, tuple(ages))

    def read(self, answer: str) -> Callable[[float, float], None]:
        """Read the grant; raises ValueError where it is none."""
        return partial(self._receive, Grant.read(answer), self._entry.want)
