"""Several processes of a simulation: what they share, over which server, and how it goes."""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from dataclasses import dataclass, field

from router.shared.allocator import Allocator
from router.shared.exchange import Message, Reply
from router.simulate.counters import Quantiles
from router.simulate.schema import Span

_ROUND_TRIP = 0.001  # seconds, simulated
_MINUTE = 60.0
_AT_ONCE = 0.000_5  # seconds that are no wait


class SharedServer:
    """The server of `shared`, on the virtual clock: it answers in a millisecond, and not at all while it is away."""

    def __init__(self, away: tuple[Span, ...]) -> None:
        self.exchanges = 0
        self._away = away
        self._allocator = Allocator()

    async def open(self, message: Message) -> None:
        """There is no connection."""

    async def send(self, message: Message) -> Reply:
        """Answer. Raises ConnectionRefusedError while it is away."""
        await asyncio.sleep(_ROUND_TRIP)
        now = asyncio.get_running_loop().time()
        if any(span.is_on(now) for span in self._away):
            raise ConnectionRefusedError("it is away")
        self.exchanges += 1
        return self._allocator.exchange(message, now)

    async def aclose(self) -> None:
        """There is no connection."""


@dataclass(slots=True)
class Admitted:
    """The calls of all processes to one target: when they were let in, and how long their requests had waited."""

    moments: array[float] = field(default_factory=lambda: array("d"))
    waits: Quantiles = field(default_factory=Quantiles)  # of those that waited
    refused: int = 0  # by the vendor, with 429

    def add(self, at: float, waited: float) -> None:
        """Note a call, and what its request had waited before."""
        self.moments.append(at)
        if waited > _AT_ONCE:
            self.waits.add(waited)

    def most_in_a_minute(self) -> int:
        """Return the calls of the fullest minute."""
        most, minute = 0, deque[float]()
        for moment in sorted(self.moments):
            minute.append(moment)
            while minute[0] <= moment - _MINUTE:
                minute.popleft()
            most = max(most, len(minute))
        return most


@dataclass(frozen=True, slots=True)
class FleetOutcome:
    """What came of sharing: `targets` by name; `exchanges` is None where nothing is shared."""

    processes: int
    exchanges: int | None
    targets: dict[str, Admitted]
