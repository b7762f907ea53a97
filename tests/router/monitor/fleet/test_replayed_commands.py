"""A command is done once, also where somebody turns the server's clock."""

from __future__ import annotations

import asyncio

from router.monitor.fleet.orders import Order, seal
from router.shared.exchange import Message
from router.shared.fact import Fact, NewsEntry
from router.shared.sealing import Sealer
from router.views.commands import Drain
from tests.support.fleet import Server
from tests.support.fleet_view import SECRET, Process, fleet
from tests.support.world import now, story


class Turned(Server):
    """A server whose clock can be set."""

    ahead = 0.0

    def allocator_time(self) -> float:
        return super().allocator_time() + self.ahead

    async def tell(self, number: str, payload: str) -> None:
        news = NewsEntry(0, (Fact("command", number, 60.0, payload),))
        await self.send(Message("someone", round(now() * 1000), "", (news,), leaving=True))
        await asyncio.sleep(3)

    def order(self, number: str) -> str:
        return seal(Sealer(SECRET, "shop"), number, Order("*", self.allocator_time(), Drain("a")))


def done(processes: list[Process]) -> list[int]:
    sentences = [[event.sentence for event in process.router.telemetry.events] for process in processes]
    return [sum(sentence.startswith("told by the fleet") for sentence in each) for each in sentences]


@story
async def test_a_clock_that_is_turned_forth_and_back_brings_no_command_again() -> None:
    server = Turned()
    async with fleet(server) as processes:
        await asyncio.sleep(100)
        first = server.order("x1")
        await server.tell("x1", first)
        assert done(processes) == [1, 1, 1]
        server.ahead = 3600.0
        await asyncio.sleep(10)
        await server.tell("x2", server.order("x2"))
        assert done(processes) == [2, 2, 2]
        server.ahead = 0.0
        await asyncio.sleep(10)
        await server.tell("x1", first)
        assert done(processes) == [2, 2, 2]
