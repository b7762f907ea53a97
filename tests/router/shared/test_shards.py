"""What is shared over several shards, in virtual time: as over one, through the loss of one as well."""

from __future__ import annotations

import asyncio

import pytest

from router.config.units import Allowance
from router.plan.rules import Limits, SharedRules
from router.shared.allocator import Allocator
from router.shared.exchange import Message
from router.shared.limits import SharedLimits
from router.shared.link import Link
from router.shared.shards import Sharded
from router.state.limits import RateLimits
from router.testing import run
from tests.support.fleet import Server

TARGETS, LIMIT = 12, 600


class Process:
    """One that calls all targets, over four shards."""

    def __init__(self, shards: list[Server]) -> None:
        self.events: list[str] = []
        told = lambda what, why, seconds: self.events.append(f"{what}{why}")  # noqa: E731  # it is one word
        self.link = Link(Sharded(shards), SharedRules(url="redis://x", app="app"), told)
        shared = SharedLimits(self.link)
        self.link.parties.append(shared)
        self.targets = [RateLimits(Limits(requests=(Allowance(LIMIT, 60.0),))) for _ in range(TARGETS)]
        for number, limits in enumerate(self.targets):
            limits.share(shared, f"key {number}")
        self.task = asyncio.get_running_loop().create_task(self.link.run())

    def call(self, target: int) -> bool:
        loop, limits = asyncio.get_running_loop(), self.targets[target]
        if limits.wait(0.0, loop.time()) > 0:
            return False
        limits.take(0.0, loop.time(), loop.time())
        return True

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.link.leave()


@pytest.mark.parametrize("fault", ["none", "lost", "gone"])
def test_limits_hold_over_shards(fault: str) -> None:
    async def story() -> None:
        shards = [Server() for _ in range(4)]
        both = [Process(shards) for _ in range(2)]
        admitted = [0] * TARGETS
        for step in range(60 * 20):  # each target is asked for twice its limit
            await asyncio.sleep(0.05)
            if step == 600 and fault == "lost":
                shards[1].allocator = Allocator()
            shards[2].is_gone = fault == "gone" and 600 <= step < 640
            for target in range(TARGETS):
                admitted[target] += both[step % 2].call(target)
        assert all(server.exchanges for server in shards)
        assert both[0].link.processes == 2
        assert max(admitted) <= 1.2 * LIMIT
        assert min(admitted) >= 0.9 * LIMIT
        assert both[0].events == (["awaynobody listens", "back"] if fault == "gone" else [])
        for process in both:
            await process.end()
        for server in shards:
            assert (await server.send(Message("another", 1, "", ()))).processes == 1, "all have left"

    run(story())
