"""The five minutes that plots show: what they say does not change with age, and what is kept of them is small."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from itertools import cycle

from providers.fake import Reply, Step
from providers.types import Usage
from router.views.history import History
from tests.support.memory import in_use
from tests.support.world import World, now, story

SPREAD = [0.01 * 1.07**number for number in range(40)]  # seconds, each in a bucket of its own
ROUTE = "routes: {chat: a/m}\n"


def spread() -> Callable[[float], Step]:
    delays = cycle(SPREAD)
    return lambda now: Reply("well, well", usage=Usage(10, 5), delay=next(delays), every=0.01)


async def a_second(world: World) -> None:
    """As many answers as there are delays, half of them as streams."""

    async def stream() -> None:
        async with world.router.stream("chat", "hi") as chunks:
            async for _ in chunks:
                pass

    plain = (world.router.complete("chat", "hi") for _ in SPREAD[::2])
    await asyncio.gather(asyncio.sleep(1), *plain, *(stream() for _ in SPREAD[::2]))


async def begun(world: World) -> None:
    """Make a call, then wait for the midst of a second, where all that begins together ends in the same one."""
    await world.router.complete("chat", "hi")
    await asyncio.sleep(1.2 - (now() + world.router.telemetry.offset) % 1)


@story
async def test_plots_say_the_same_of_a_second_however_old_it_is() -> None:
    world = World(ROUTE, a=spread())
    await begun(world)
    for _ in range(3):
        await a_second(world)
    young = points(await world.router.feed().history())
    for _ in range(10):  # seconds leave the window while others come
        await asyncio.sleep(9)
        await a_second(world)
    assert len(young) == 4
    assert points(await world.router.feed().history())[:4] == young


@story
async def test_a_second_that_nobody_plotted_is_whole() -> None:
    """Who looks for the first time sees all five minutes as if they had been looked at all the time."""
    looked_at, alone = World(ROUTE, a=spread()), World(ROUTE, a=spread())
    await asyncio.gather(begun(looked_at), begun(alone))
    for _ in range(20):
        await asyncio.gather(a_second(looked_at), a_second(alone))
        await asyncio.sleep(9)
        await looked_at.router.feed().history()
    seen, first_seen = [points(await world.router.feed().history()) for world in (looked_at, alone)]
    assert len(seen) == 21
    assert first_seen == seen


def points(history: History) -> list[tuple[object, ...]]:
    """The seconds with calls, in the order of time."""
    samples = history.routes["chat"]
    assert samples == history.total == history.providers["a"]
    columns = (samples.calls, samples.errors, samples.cost, samples.first_token_p50, samples.latency_p95)
    return [point for point in zip(*columns, strict=True) if point[0]]


@story
async def test_a_second_takes_little_memory() -> None:
    """Of 40 answers of 40 durations some 1.5 KB are kept, of each route and provider."""
    world = World(ROUTE, a=spread())
    for _ in range(70):
        await a_second(world)
    before = allocated(world)
    for _ in range(100):
        await a_second(world)
    assert (allocated(world) - before) / 100 < 2_000


def allocated(world: World) -> int:
    world.fakes["a"].requests.clear()
    gc.collect()
    return in_use()
