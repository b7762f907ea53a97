"""Plots of an hour and of a day: every call is in them, whoever looks and whenever, and what is kept is bounded."""

from __future__ import annotations

import asyncio
import random

import pytest

from providers import ErrorCode
from providers.fake import Fail, Reply, Step
from providers.types import Usage
from router.testing import run
from router.views.history import NAMES, RANGES, History
from tests.support.world import World, now, story, well

ROUTES = "routes: {chat: a/m, other: b/m}\ndefaults: {retry: {same_target: 0, max_wait: 0s}}\n"
HOUR, DAY = 3600, 86_400


async def look(world: World, span: int) -> History:
    history = await world.router.feed().history(span)
    for samples in (history.total, *history.providers.values(), *history.routes.values()):
        assert {len(getattr(samples, name)) for name in samples.__struct_fields__} == {span // RANGES[span]}
    assert (history.seconds, history.grain) == (span, RANGES[span])
    return history


@story
async def test_an_hour_in_values_of_ten_seconds() -> None:
    world = World(ROUTES, a=lambda at: Reply("fine", delay=0.25), b=well)
    for _ in range(900):
        await world.router.complete("chat", "hi")
        await asyncio.sleep(4.75)  # a call every five seconds, for 75 minutes
    history = await look(world, HOUR)
    assert set(history.total.calls[:-1]) == {2}
    assert history.per_second(history.total.calls) == pytest.approx([0.2] * 360, rel=0.5)
    assert history.total.latency_p50[0] == pytest.approx(0.25, rel=0.04)
    assert history.routes["chat"] == history.total == history.providers["a"]


@story
async def test_a_day_in_values_of_five_minutes() -> None:
    world = World(ROUTES, a=well, b=well)
    for minute in range(26 * 60):
        await world.router.complete("chat", "hi")
        if minute % 10 == 0:
            await world.router.complete("other", "hi")
        await asyncio.sleep(60)
    history = await look(world, DAY)
    assert set(history.routes["chat"].calls[:-1]) == {5}
    assert sum(history.routes["other"].calls) in (144, 145)
    assert sum(history.total.calls) == sum(history.routes["chat"].calls) + sum(history.routes["other"].calls)


@pytest.mark.parametrize("seed", range(8))
def test_no_call_is_lost_or_counted_twice(seed: int) -> None:
    """At any age, through pauses of any length, however often somebody looks, and for the first time late."""

    async def main() -> None:
        chance = random.Random(seed)
        world = World(ROUTES, a=lambda at: Fail(ErrorCode.SERVER_ERROR) if int(at) % 7 == 0 else well(at), b=well)
        ended: list[float] = []
        for step in range(120):
            for _ in range(chance.randrange(4)):
                await asyncio.gather(world.router.complete("chat", "hi"), return_exceptions=True)
                ended.append(now() + world.router.telemetry.offset)
                await asyncio.sleep(chance.choice([0.0, 0.1, 0.7, 3.0]))
            await asyncio.sleep(chance.choice([0.3, 1.0, 20.0, 61.0, 90.0, 400.0, 1000.0]))
            if (step % 2 and seed % 2) or step > 100:
                for span, grain in RANGES.items():
                    history = await look(world, span)
                    end = int(history.end)
                    first = end - end % grain - span
                    assert sum(history.total.calls) == sum(first <= int(moment) < end for moment in ended)
                    assert history.total.calls == history.routes.get("chat", history.total).calls

    run(main())


def test_an_hour_says_the_same_whether_somebody_looked_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)  # a second begins at the same moment for both

    def shaky(at: float) -> Step:
        return Reply("fine", usage=Usage(10, 5), delay=0.1 + at % 0.3)

    async def main() -> None:
        looked_at, alone = World(ROUTES, a=shaky, b=well), World(ROUTES, a=shaky, b=well)
        for minute in range(50):
            both = (world.router.complete("chat", "hi") for world in (looked_at, alone) for _ in range(5))
            await asyncio.gather(*both)
            if minute % 3 == 0:
                for span in RANGES:
                    await looked_at.router.feed().history(span)
            await asyncio.sleep(30)
        seen, first_seen = [(await look(world, HOUR)).total for world in (looked_at, alone)]
        assert sum(seen.calls) == sum(first_seen.calls) == 250
        assert len(set(seen.latency_p95)) > 5
        assert seen == first_seen

    run(main())


@story
async def test_what_just_happened_is_in_the_newest_value() -> None:
    """Nothing waits for its ten seconds or five minutes to be over; and a second is no spike."""
    world = World(ROUTES, a=well, b=well)
    await asyncio.sleep(600 - (now() + world.router.telemetry.offset) % 300 + 1)
    await world.router.complete("chat", "hi")
    await asyncio.sleep(1)
    for span, grain in RANGES.items():
        history = await look(world, span)
        assert sum(history.total.calls[-2:]) == 1
        assert max(value or 0 for value in history.per_second(history.total.calls)) <= 1 / grain


@pytest.mark.slow
@story
async def test_what_is_kept_of_a_day_is_bounded() -> None:
    """Of any number of routes 64 names are told apart, and all of them are in the whole."""
    routes = ", ".join(f"r{number}: a/m" for number in range(NAMES + 30))
    world = World(f"routes: {{{routes}}}\n", a=well)
    for _ in range(100):
        await asyncio.gather(*(world.router.complete(f"r{number}", "hi") for number in range(NAMES + 30)))
        await asyncio.sleep(1000)
    ages = world.router.telemetry.ages
    for grain, most in ((10, 360), (300, 288)):
        slots = ages.slots(grain)
        assert len(slots) <= most + 2
        assert max(len(kept) for _, kept in slots) == NAMES
    history = await look(world, DAY)
    assert set(history.total.calls) <= {0, NAMES + 30}
    assert sum(history.total.calls) in (86 * (NAMES + 30), 87 * (NAMES + 30))
