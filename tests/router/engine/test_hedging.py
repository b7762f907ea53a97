"""Hedging: a second target beside a slow one, its budget, the loser cancelled and its cost shown."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from providers import ErrorCode
from providers.fake import Fail, Hang, Reply, Step
from providers.simulator import Simulator
from providers.types import Usage
from router import RouteExhausted, Router
from router.testing import run
from tests.support.idle import assert_idle
from tests.support.world import World, at_rate, now, story, well

pytestmark = pytest.mark.usefixtures("every_carrier")

HEDGED = """
models: {m: {provider: a, id: m, price: {input: 2, output: 8}}}
routes: {chat: {targets: [m, b/m], balance: ordered, hedge: {after: AFTER, budget: 100%}}}
"""


def hedged(after: str = "1s") -> str:
    return HEDGED.replace("AFTER", after)


def slow(now: float) -> Step:
    return Reply("slow", delay=10.0, usage=Usage(10, 5))


async def ask(world: World, streamed: bool, prompt: str = "hi") -> tuple[str, str]:
    """(text, provider) of the answer."""
    if not streamed:
        reply = await world.router.complete("chat", prompt)
        return reply.text, reply.provider
    async with world.router.stream("chat", prompt) as stream:
        text = "".join([chunk.text async for chunk in stream])
    return text, stream.response.provider


@pytest.mark.parametrize("streamed", [False, True])
def test_the_second_answers_when_the_first_is_slow(streamed: bool) -> None:
    """After the time that the route says; the loser is cancelled, and what its prompt costs is in the trace."""

    async def main() -> None:
        world = World(hedged(), a=slow, b=well)
        began = now()
        if streamed:
            async with world.router.stream("chat", "hi " * 400) as stream:
                assert "".join([chunk.text async for chunk in stream]) == "fine"
            reply = stream.response
        else:
            reply = await world.router.complete("chat", "hi " * 400)
        assert now() - began == pytest.approx(1.0)
        assert reply.provider == "b"
        won, lost = sorted(reply.trace.attempts, key=lambda attempt: attempt.lost)
        assert (won.target, won.hedge, won.lost) == ("b/m", True, False)
        assert (lost.target, lost.hedge, lost.lost, lost.seconds) == ("m", False, True, pytest.approx(1.0))
        assert lost.cost == pytest.approx(304 * 2 / 1e6)
        assert "lost, another was faster  1000 ms  $0.000608 or more" in reply.trace.render()
        assert world.fakes["a"].cancelled == 1
        assert len(asyncio.all_tasks()) == 1

    run(main())


@pytest.mark.parametrize("streamed", [False, True])
def test_the_first_may_still_win(streamed: bool) -> None:
    """It answers before the second does; the second is cancelled."""

    async def main() -> None:
        world = World(hedged(), a=lambda _: Reply("first", delay=2.0), b=slow)
        assert await ask(world, streamed) == ("first", "a")
        assert now() == pytest.approx(2.0)
        assert world.fakes["b"].cancelled == 1

    run(main())


def test_a_fast_target_is_not_hedged() -> None:
    async def main() -> None:
        world = World(hedged(), a=well, b=well)
        for _ in range(10):
            await ask(world, True)
        assert world.calls("b") == 0

    run(main())


@pytest.mark.parametrize("streamed", [False, True])
def test_both_fail(streamed: bool) -> None:
    """Either failing leaves the other in the race; when both have failed the chain goes on as usual."""

    async def main() -> None:
        world = World(
            hedged(),
            a=lambda _: Fail(ErrorCode.SERVER_ERROR, delay=3.0),
            b=lambda _: Fail(ErrorCode.TIMEOUT, delay=1),
        )
        with pytest.raises(RouteExhausted) as caught:
            await ask(world, streamed)
        codes = [(attempt.target, attempt.code) for attempt in caught.value.attempts]
        assert codes[:2] == [("b/m", ErrorCode.TIMEOUT), ("m", ErrorCode.SERVER_ERROR)]

    run(main())


@story
async def test_the_first_fails_and_the_hedge_answers() -> None:
    """No second call is made for it: the one under way is waited for."""
    world = World(hedged(), a=lambda _: Fail(ErrorCode.OVERLOADED, delay=2.0), b=lambda _: Reply("late", delay=5.0))
    assert await ask(world, False) == ("late", "b")
    assert now() == pytest.approx(6.0)
    assert (world.calls("a"), world.calls("b")) == (1, 1)


@story
async def test_the_budget_bounds_hedges() -> None:
    """With every call slow, 5% of the requests are hedged, and one."""
    text = hedged().replace("100%", "5%")
    world = World(text, a=lambda _: Reply("slow", delay=3.0), b=well)
    await at_rate(10, 60, lambda: ask(world, True))
    assert 0.04 * 600 <= world.calls("b") <= 0.05 * 600 + 1


@story
async def test_p95_needs_twenty_and_adapts() -> None:
    """No hedge before twenty times are known; then those beyond the 95th percentile are hedged."""
    times = iter([*[0.1] * 17, 0.3, 0.3, 0.3, *[0.1] * 20, 5.0])
    world = World(hedged("p95"), a=lambda _: Reply("x", delay=next(times)), b=lambda _: Reply("y", delay=0.1))
    for _ in range(40):
        await ask(world, True)
    assert world.calls("b") == 0
    began = now()
    assert (await ask(world, True))[1] == "b"
    assert now() - began == pytest.approx(0.4)  # the 95th percentile, and the second's own time


@story
async def test_a_loser_counts_as_nothing_but_slow() -> None:
    """The breaker of one that always loses stays closed; least_latency still learns that it is slow."""
    text = hedged().replace("ordered", "least_latency")
    world = World(text, a=lambda _: Reply("slow", delay=8.0), b=well)
    await at_rate(5, 20, lambda: ask(world, True))
    assert world.calls("a") <= 15
    assert world.router.snapshot().targets[0].health.state == "closed"


@pytest.mark.parametrize("step", range(0, 60, 2))
@pytest.mark.parametrize("streamed", [False, True])
def test_cancelling_a_race_leaks_nothing(step: int, streamed: bool) -> None:
    """At any moment of it: no task and no place stays behind, and upstream both are closed."""

    async def main() -> None:
        world = World(
            hedged(),
            a=lambda _: Reply("abcdefgh", delay=2.0, every=0.2),
            b=lambda _: Reply("abcdefgh", delay=0.7, every=0.2),
        )
        task = asyncio.create_task(ask(world, streamed))
        await asyncio.sleep(step * 0.05)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1
        assert_idle(world.router)

    run(main())


async def test_over_real_sockets(simulator: Simulator) -> None:
    """The slow vendor's connection is closed at once; streams of the winner are whole."""
    text = f"""
providers:
  openai:    {{kind: openai, base_url: "{simulator.base_url("openai")}", api_key: k}}
  anthropic: {{kind: anthropic, base_url: "{simulator.base_url("anthropic")}", api_key: k}}
routes:
  chat: {{targets: [openai/gpt-4o, anthropic/claude-haiku-4-5], balance: ordered, hedge: {{after: 30ms, budget: 100%}}}}
"""
    simulator.vendor("openai").set(fast=False, hang=True)
    async with Router.from_text(text, env={}, seed=1) as router:
        for _ in range(3):
            async with router.stream("chat", "Why is the sky blue?") as stream:
                text = "".join([chunk.text async for chunk in stream])
            assert stream.response.provider == "anthropic"
            assert "Rayleigh" in text
            assert (await router.complete("chat", "Why is the sky blue?")).provider == "anthropic"
    assert simulator.vendor("openai").requests == 6
    assert simulator.vendor("openai").in_flight == 0


def test_a_hang_is_hedged_again_up_to_max() -> None:
    """`max: 2` calls a third target when the second is slow as well."""

    async def main() -> None:
        text = """
routes: {chat: {targets: [a/m, b/m, c/m], balance: ordered, hedge: {after: 1s, max: 2, budget: 100%}}}
"""
        world = World(text, a=lambda moment: Hang() if moment else well(moment), b=lambda _: Hang(), c=well)
        await ask(world, True)  # the budget saves up with requests
        await asyncio.sleep(1)
        began = now()
        assert (await ask(world, True))[1] == "c"
        assert now() - began == pytest.approx(2.0)

    run(main())
