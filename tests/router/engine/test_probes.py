"""Probes that tell nothing: those who give up soon are no way past the pace of a vendor that is down."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from providers import ErrorCode
from providers.fake import Fail, Hang, Reply, Step
from router import RouteExhausted
from router.testing import run
from tests.support.world import World, at_rate, now, well

FILE = """
routes:
  chat: {targets: [a/m]}
  hasty: {targets: [a/m], timeout: {total: 50ms}}
  both: {targets: [a/m, b/m], balance: ordered}
defaults: {retry: {same_target: 0, max_wait: 0s}}
"""


async def opened(step: Step) -> tuple[World, list[float]]:
    """A router whose breaker is open, and when its vendor was called since: it does this from now on."""
    asked: list[float] = []

    def answer(moment: float) -> Step:
        asked.append(moment)
        return Fail(ErrorCode.SERVER_ERROR) if moment < 1 else step

    world = World(FILE, a=answer, b=well)
    for _ in range(8):
        with pytest.raises(RouteExhausted):
            await world.router.complete("chat", "hi")
    await asyncio.sleep(1)
    asked.clear()
    return world, asked


@pytest.mark.parametrize("route", ["chat", "hasty"])
def test_those_who_give_up_soon_are_no_crowd(route: str) -> None:
    """Fifty requests a second to a vendor that hangs, each left or out of time after 50 ms, past `open_for` too."""

    async def main() -> None:
        world, asked = await opened(Hang())

        async def ask() -> None:
            async with asyncio.timeout(0.05):
                await world.router.complete(route, "hi")

        await at_rate(50, 90, ask)
        assert 60 <= len(asked) <= 90
        assert all(later - earlier >= 1.0 for earlier, later in pairwise(asked))

    run(main())


def test_a_probe_before_its_time_that_tells_nothing_leaves_it_open() -> None:
    """Requests that have somebody else to go to stay away from it until its time has come."""

    async def main() -> None:
        world, asked = await opened(Hang())
        with pytest.raises(RouteExhausted):
            await world.router.complete("hasty", "hi")
        assert len(asked) == 1
        await asyncio.sleep(5)
        for _ in range(5):
            assert (await world.router.complete("both", "hi")).provider == "b"
        assert len(asked) == 1

    run(main())


def test_after_one_that_told_nothing_the_next_one_mends_it() -> None:
    """A second later, and its answer closes the breaker."""

    async def main() -> None:
        world, asked = await opened(Reply("fine", delay=0.2))
        with pytest.raises(RouteExhausted) as caught:
            await world.router.complete("hasty", "hi")
        assert caught.value.retry_after is not None
        await asyncio.sleep(caught.value.retry_after)
        began = now()
        assert (await world.router.complete("chat", "hi")).provider == "a"
        assert now() - began == pytest.approx(0.2)
        assert len(asked) == 2

    run(main())
