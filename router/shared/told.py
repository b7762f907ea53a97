"""What lies between a limit and the link that exchanges: what the one tells, and what it needs of the other."""

from __future__ import annotations

from typing import Literal, Protocol

from router.shared.exchange import SLOTS, Ask

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

    `used` is by part of the period: its number on the loop's clock.
    """

    __slots__ = ("_ask", "_length", "_used", "want")

    def __init__(self, ask: Ask, used: dict[int, float]) -> None:
        self._ask = ask
        self._used = used
        self._length = ask.period / GRAINS
        self.want = ask.want

    def ask(self, now: float) -> Ask:
        """Return it as it is told now. In doubt what was used counts as later, and what is given back as earlier."""
        ask = self._ask
        ages = [(max(0.0, now - (grain + (units > 0)) * self._length), units) for grain, units in self._used.items()]
        return Ask(ask.name, ask.amount, ask.period, ask.cap, ask.want, ask.charge, ask.left, tuple(ages))
