"""The brief of a process: small, quick to make, and true."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import msgspec
import pytest

from providers import ErrorCode
from providers.fake import Fail, Reply, Step
from providers.types import Usage
from router.monitor.fleet.brief import Brief, Briefing, Lamps
from router.monitor.fleet.tallies import Tallies, Tally
from router.router import Router
from router.testing import run
from router.views.figures import Counts
from tests.support.fleet_view import FILE
from tests.support.world import World, now, story, well


def shaky(moment: float) -> Step:
    if int(moment * 10) % 3:
        return Reply("fine", usage=Usage(10, 5))
    return Fail(ErrorCode.SERVER_ERROR)


def numbers(counts: Counts) -> dict[str, object]:
    """Return what a tally has of counts."""
    names = [name for name in Tally.__struct_fields__ if name != "cost"]
    return {name: getattr(counts, name) for name in names}


@pytest.mark.parametrize("seed", range(6))
def test_a_tally_counts_what_the_snapshot_counts(seed: int) -> None:
    """Of the last minute and since the start, through gaps, a late begin, and whoever else reads."""

    async def main() -> None:
        chance = random.Random(seed)
        world = World(FILE, a=shaky, b=shaky)
        telemetry = world.router.telemetry
        tallies: Tallies | None = None
        for step in range(40):
            for _ in range(chance.randrange(4)):
                with suppress(Exception):
                    await world.router.complete("chat", "hi")
                await asyncio.sleep(chance.choice([0.0, 0.1, 0.7]))
            await asyncio.sleep(chance.choice([0.3, 1.0, 1.0, 5.0, 70.0, 200.0]) if step % 5 == 0 else 1.0)
            if chance.random() < 0.3:
                world.router.snapshot()  # it closes what is being written
            if step < 10:
                continue
            if 20 <= step < 30:  # nobody reads, for minutes in which there are calls
                await asyncio.sleep(chance.choice([1.0, 20.0, 40.0]))
                continue
            tallies = tallies or Tallies(telemetry)
            await asyncio.sleep(1 - (now() + telemetry.offset) % 1 + 0.001)  # a second has just begun
            tallies.read(now())
            figures = world.router.snapshot().figures
            assert numbers(tallies.totals.counts()) == numbers(figures.totals)
            assert numbers(tallies.last(60).counts()) == numbers(figures.window)
            assert tallies.last(10).calls / 10 == pytest.approx(figures.rate)

    run(main())


@story
async def test_it_is_small() -> None:
    world = World(FILE, a=well, b=well)
    briefing = Briefing(world.router, "web-123.example", "0.1.0")
    for _ in range(1000):
        await world.router.complete("chat", "hi")
    await asyncio.sleep(2)
    brief = briefing.brief(world.router, now(), 0.0, None)
    encoded = msgspec.json.encode(brief)
    assert brief.totals.calls == 1000
    assert len(encoded) <= 250
    assert msgspec.json.decode(encoded, type=Brief) == brief


MANY = 450


def many() -> Router:
    models = "".join(f"  m{number}: {{provider: a, id: m{number}}}\n" for number in range(MANY))
    targets = ", ".join(f"m{number}" for number in range(MANY))
    return Router.from_text(
        f"providers: {{a: {{kind: fake, api_key: k}}}}\nmodels:\n{models}routes: {{chat: {{targets: [{targets}]}}}}\n",
        env={},
    )


@story
async def test_the_worst_lamp_of_many_is_found_in_a_few_looks_and_goes_again() -> None:
    router = many()
    lamps = Lamps(router.states)
    for _ in range(6):
        assert lamps.look(router, 0.0) == ("closed", "")
    for name in ("m0", "m200", "m449"):
        router.drain(name)
    router.breaker("m317", "open")
    found = [lamps.look(router, 0.0) for _ in range(5)]
    assert found[-1] == ("open", "m317")
    router.breaker("m317", "reset")
    assert [lamps.look(router, 0.0) for _ in range(5)][-1][0] == "drained"
    for name in ("m0", "m200", "m449"):
        router.undrain(name)
    assert [lamps.look(router, 0.0) for _ in range(5)][-1] == ("closed", "")


@story
async def test_a_look_is_at_a_hundred_however_many_there_are() -> None:
    router = many()
    found = 0
    for number in range(0, MANY, 9):
        router.breaker(f"m{number}", "open")
        found += Lamps(router.states).look(router, 0.0) == ("open", f"m{number}")
        router.breaker(f"m{number}", "reset")
    assert found in range(10, 13), "a hundred of 450"


@story
async def test_the_lamp_of_a_key_counts_and_one_that_is_left_out_does_not() -> None:
    router = Router.from_text(
        "providers:\n  a: {kind: fake, api_keys: [k, l]}\n"
        "  gone: {kind: fake, api_key: '${NOT_SET}', when_unset: disable}\n"
        "routes: {chat: {targets: [a/m, gone/m]}}",
        env={},
    )
    lamps = Lamps(router.states)
    assert lamps.look(router, 0.0) == ("closed", "")
    router.breaker("a", "open")
    assert lamps.look(router, 0.0) == ("open", "a key 1")
