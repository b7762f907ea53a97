"""least_latency: one slow answer is enough to be avoided, and it takes a while to be trusted again."""

from __future__ import annotations

import asyncio

from providers.fake import Reply, Step
from tests.support.world import World, at_rate, now, story

TEXT = "routes: {chat: {targets: [a/m, b/m], balance: least_latency}}\n"
SLOW_FROM, SLOW_SECONDS = 10.0, 3.05  # it ends before a fast one that began after it


def mostly_fast(moment: float) -> Step:
    """A tenth of a second, but for the one call that begins at ten seconds."""
    return Reply("a", delay=SLOW_SECONDS if moment == SLOW_FROM else 0.1)


@story
async def test_a_peak_counts_at_once() -> None:
    """Many fast answers before it do not hide it; it fades over tens of seconds, not with the next fast answer."""
    world = World(TEXT, a=mostly_fast, b=lambda _: Reply("b", delay=0.3))

    async def ask() -> str:
        return (await world.router.complete("chat", "hi")).text

    before = await at_rate(8, SLOW_FROM, ask)
    assert {answer for began, _, answer in before if began > 1.0} == {"a"}  # it is the faster one
    assert now() == SLOW_FROM
    peak = asyncio.create_task(ask())
    await at_rate(8, 4.0, ask)  # fast answers of the same target all the while
    assert await peak == "a"
    after = await at_rate(8, 5.0, ask)
    assert {answer for _, _, answer in after} == {"b"}
    await asyncio.sleep(60)
    later = await at_rate(8, 60.0, ask)
    assert [answer for _, _, answer in later].count("a") > len(later) / 2
