"""What a hedge is refused for, and what the first is while a hedge runs: neither costs the request its answer."""

from __future__ import annotations

import asyncio

import pytest

from providers import ErrorCode, ProviderError
from providers.fake import Fail, Hang, Reply, Step
from providers.types import Usage
from router.testing import run
from tests.support.idle import assert_idle
from tests.support.world import World, now, story, well

FILE = "routes: {chat: {targets: [a/m, b/m, c/m], balance: ordered, hedge: {after: 1s, budget: 100%}}}\n"
FINAL = [ErrorCode.INVALID_REQUEST, ErrorCode.CONTENT_FILTERED]


async def ask(world: World, streamed: bool) -> str:
    """The answer; nothing is left behind, however it ended."""
    try:
        if not streamed:
            return (await world.router.complete("chat", "hi")).text
        async with world.router.stream("chat", "hi") as stream:
            return "".join([chunk.text async for chunk in stream])
    finally:
        assert_idle(world.router)
        assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("code", FINAL)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_a_hedge_is_refused_for_does_not_end_the_first(streamed: bool, code: ErrorCode) -> None:
    """The second vendor may not know a field that the first one answers with."""

    async def main() -> None:
        world = World(FILE, a=lambda _: Reply("first", delay=1.8), b=lambda _: Fail(code, delay=0.5), c=well)
        assert await ask(world, streamed) == "first"
        assert now() == pytest.approx(1.8)
        assert (world.calls("b"), world.calls("c")) == (1, 0)

    run(main())


@pytest.mark.parametrize("code", FINAL)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_the_first_is_refused_for_ends_the_race(streamed: bool, code: ErrorCode) -> None:
    """Nobody else may have the request then: the hedge is cancelled, and no third one is asked."""

    async def main() -> None:
        world = World(FILE, a=lambda _: Fail(code, delay=1.5), b=lambda _: Reply("late", delay=1.0), c=well)
        with pytest.raises(ProviderError) as caught:
            await ask(world, streamed)
        assert caught.value.code is code
        assert now() == pytest.approx(1.5)
        assert (world.fakes["b"].cancelled, world.calls("c")) == (1, 0)

    run(main())


@pytest.mark.parametrize("first", [Fail(ErrorCode.SERVER_ERROR, delay=1.5), Fail(ErrorCode.RATE_LIMITED, delay=1.5)])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_hedge_that_is_left_alone_is_hedged_as_well(streamed: bool, first: Step) -> None:
    """One call is under way again, and it is slow: `max` is for those at the same time."""

    async def main() -> None:
        world = World(FILE, a=lambda _: first, b=lambda _: Hang(), c=well)
        assert await ask(world, streamed) == "fine"
        assert now() == pytest.approx(2.5)

    run(main())


@story
async def test_who_loses_at_once_does_not_look_fast() -> None:
    """A call that was cancelled after 10 ms would have taken longer, nobody knows how long: that is no p95 of it."""
    own = "  own: {targets: [b/m, c/m], balance: ordered, hedge: {after: p95, budget: 100%}}\n"
    routes = FILE.replace("routes: {chat:", "routes:\n  chat:").replace("}}\n", "}\n") + own
    world = World(routes, a=lambda _: Reply("first", delay=1.01), b=lambda _: Reply("late", delay=30.0), c=well)
    for _ in range(30):
        assert await ask(world, False) == "first"
    assert world.calls("b") == 30
    assert (await world.router.complete("own", "hi")).text == "late"
    assert world.calls("c") == 0


@story
async def test_two_whole_answers_at_once_are_both_paid() -> None:
    """One is given out, and what its vendor counted of the other one is no estimate."""
    models = (
        "models: {x: {provider: a, id: m, price: &p {input: 10, output: 10}}, y: {provider: b, id: m, price: *p}}\n"
    )
    routes = FILE.replace("[a/m, b/m, c/m]", "[x, y]").replace("balance:", "budget: $10/d, balance:")
    usage = Usage(1000, 1000)
    world = World(
        models + routes, a=lambda _: Reply("a", delay=2.0, usage=usage), b=lambda _: Reply("b", delay=1.0, usage=usage)
    )
    reply = await world.router.complete("chat", "hi")
    assert reply.cost == pytest.approx(0.04)
    assert world.router.spending[0].usd == pytest.approx(0.04)
