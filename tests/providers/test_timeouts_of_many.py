"""Calls that are under way at once share a timer: each ends at its own time all the same, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from providers.errors import ProviderError
from providers.timeouts import bounded, timed
from providers.types import StreamChunk, Timeout
from router.testing import VirtualTimeLoop, run


async def ended(limit: float, *, after: float = 0.0, takes: float = 1e9) -> float:
    """When a call with this limit came to an end."""
    await asyncio.sleep(after)
    try:
        await bounded(asyncio.sleep(takes), Timeout(answer=limit, total=None), provider="p", model="m")
    except ProviderError as error:
        assert error.phase == "answer"  # noqa: PT017 - either end is right
    return asyncio.get_running_loop().time()


async def streamed(limit: float, every: float, times: int, heard: Callable[[], float] | None = None) -> float:
    """When a stream that falls silent after so many chunks came to an end."""

    async def chunks() -> AsyncIterator[StreamChunk]:
        for _ in range(times):
            await asyncio.sleep(every)
            yield StreamChunk("x")
        await asyncio.sleep(1e9)

    timeout = Timeout(first_token=limit, idle=limit, total=None)
    with pytest.raises(ProviderError, match=r"timeout\."):
        async for _ in timed(chunks(), timeout, provider="p", model="m", heard=heard):
            pass
    return asyncio.get_running_loop().time()


def test_each_ends_at_its_own_time() -> None:
    """Whoever began first, whoever has less time, and whatever became of the others meanwhile."""

    async def story() -> list[float]:
        return await asyncio.gather(
            ended(30),
            ended(5, after=10),  # began later, and ends earlier
            ended(7, takes=3),  # is answered
            ended(1, after=29),
            ended(60),
            streamed(20, every=4, times=3),
            ended(10, after=50),
        )

    assert run(story()) == [30.0, 15.0, 3.0, 30.0, 60.0, 32.0, 60.0]


def test_thousands_that_hang_all_end() -> None:
    """Of so many each is a moment late at most, so that looking at them holds nobody up."""
    limits = [10 + number / 1e5 for number in range(3000)]

    async def story() -> list[float]:
        return await asyncio.gather(*map(ended, limits))

    late = [at - limit for at, limit in zip(run(story()), limits, strict=True)]
    assert -1e-6 < min(late) <= max(late) < 0.004


def test_trouble_of_one_leaves_the_others_their_time() -> None:
    """Whoever tells what was heard of a vendor may be no code of ours."""

    def heard() -> float:
        raise RuntimeError("scripted")

    async def story() -> float:
        troubled = asyncio.create_task(streamed(5, 1, 1, heard))
        others = await asyncio.gather(ended(9), ended(8))
        troubled.cancel()
        await asyncio.gather(troubled, return_exceptions=True)
        return max(others)

    assert run(story()) == 9.0


def test_a_call_sets_no_timer_of_its_own() -> None:
    """A timer for each would cost a call a tenth of what the router costs, and stay in the loop when it is over."""
    timers = 0

    class Counting(VirtualTimeLoop):
        def call_at(self, when: float, *args: Any, **named: Any) -> asyncio.TimerHandle:
            nonlocal timers
            timers += 1
            return super().call_at(when, *args, **named)

    async def story() -> None:
        for _ in range(1000):
            await bounded(asyncio.sleep(0), Timeout(answer=60), provider="p", model="m")

    with asyncio.Runner(loop_factory=Counting) as runner:
        runner.run(story())
    assert timers == 1
