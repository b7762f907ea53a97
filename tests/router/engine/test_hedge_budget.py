"""A hedge that is not made, since nobody else is there, costs neither the budget of hedges nor that of retries."""

from __future__ import annotations

import asyncio

from providers import ErrorCode
from providers.fake import Fail, Reply, Step
from router import Router
from tests.support.world import World, now, story, well

TEXT = """
models: {m: {provider: a, id: m}, spare: {provider: b, id: m}}
routes: {chat: {targets: [m, spare], balance: ordered, hedge: {after: 1s, budget: BUDGET}}}
defaults: {retry: {same_target: 1, backoff: 1ms, max_backoff: 1ms, budget: 0.1%}}
"""


def slow(moment: float) -> Step:
    return Reply("slow", delay=3.0)


async def ask(router: Router) -> str:
    return (await router.complete("chat", "hi")).provider


@story
async def test_hedges_that_were_not_made_are_saved_up() -> None:
    """While the other one is drained nothing is spent: the first slow request after it is hedged."""
    world = World(TEXT.replace("BUDGET", "1%"), a=slow, b=well)
    world.router.drain("spare")
    for _ in range(5):
        assert await ask(world.router) == "a"
    assert world.calls("b") == 0
    world.router.undrain("spare")
    assert await ask(world.router) == "b"
    assert await ask(world.router) == "a"  # that was the budget


@story
async def test_retries_are_left() -> None:
    """As many requests at once as the budget of retries has tries: a failure after them is tried again."""
    steps = iter([*[Reply("slow", delay=3.0)] * 10, Fail(ErrorCode.SERVER_ERROR), Reply("fine")])
    world = World(TEXT.replace("BUDGET", "100%"), a=lambda _: next(steps), b=well)
    world.router.drain("spare")
    waiting = [asyncio.create_task(ask(world.router)) for _ in range(10)]
    await asyncio.sleep(1.01)  # each of them has looked for a hedge
    assert await ask(world.router) == "a"
    assert now() < 1.1
    assert await asyncio.gather(*waiting) == ["a"] * 10
    assert (world.calls("a"), world.calls("b")) == (12, 0)
