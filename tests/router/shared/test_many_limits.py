"""A process with a thousand limits holds up neither itself nor the server: in virtual time."""

from __future__ import annotations

import asyncio

from router.config.units import Allowance
from router.plan.rules import Limits, SharedRules
from router.shared.exchange import Message
from router.shared.limits import SharedLimits
from router.shared.link import Link
from router.shared.place import PlaceEntry
from router.state.limits import RateLimits
from router.testing import run
from tests.support.fleet import Server

MANY = 1000


class Process:
    """One with many models, each with limits of its own."""

    def __init__(self, server: Server) -> None:
        self.link = Link(server, SharedRules(url="redis://x", app="app"), lambda what, why, seconds: None)
        rules = Limits(requests=(Allowance(600, 60.0),), tokens=(Allowance(10_000, 60.0),), in_flight=10)
        self.limits = [RateLimits(rules) for _ in range(MANY)]
        shared = SharedLimits(self.link)
        self.link.parties.append(shared)
        for number, each in enumerate(self.limits):
            each.share(shared, f"model {number}")
        self.task = asyncio.get_running_loop().create_task(self.link.run())

    def call(self) -> None:
        for each in self.limits:
            if not each.full and each.wait(10.0, now := asyncio.get_running_loop().time()) == 0:
                each.settle(each.take(10.0, now, now), 10, now)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.link.leave()


def test_no_exchange_has_more_than_a_hundred_of_them() -> None:
    async def story() -> None:
        server = Server()
        process = Process(server)
        await asyncio.sleep(2)
        for _ in range(20):
            process.call()
            await asyncio.sleep(0.1)
        await process.end()
        assert max(server.sizes) <= 100
        assert sum(server.sizes) > 2 * MANY, "all were told"

    run(story())


def test_what_nobody_calls_for_a_minute_is_not_told_of() -> None:
    async def story() -> None:
        server = Server()
        process = Process(server)
        await asyncio.sleep(90)
        server.sizes.clear()
        await asyncio.sleep(10)
        assert sum(server.sizes) == 0
        process.call()
        await asyncio.sleep(1)
        process.call()
        await asyncio.sleep(1)
        assert not any(each.full for each in process.limits), "they have places again"
        await process.end()

    run(story())


def test_all_is_given_back_at_the_end() -> None:
    async def story() -> None:
        server = Server()
        first, second = Process(server), Process(server)
        await asyncio.sleep(3)
        await first.end()
        places = tuple(PlaceEntry(f"{second.link.name(f'model {at}')}f", 10, 0, 10) for at in range(MANY))
        reply = server.allocator.exchange(Message("third", 1, "", places), server.allocator_time())
        assert all(answer.startswith("8 ") for answer in reply.answers), "but for the two that the second has ahead"
        await second.end()

    run(story())
