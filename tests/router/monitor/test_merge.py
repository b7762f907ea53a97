"""Several processes of one app as one: what is wrong in one of them shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import combinations

import pytest

from providers import ErrorCode
from providers.fake import Fail
from router import RouteExhausted
from router.monitor.merge import merge
from router.testing import run
from router.views.figures import Snapshot
from tests.support.world import World, now, well

TEXT = """
models: {m: {provider: a, id: m}}
routes: {chat: {targets: [m]}}
defaults: {retry: {same_target: 0, max_wait: 0s}}
"""


async def is_well(world: World) -> None:
    await world.router.complete("chat", "hi")


async def is_drained(world: World) -> None:
    world.router.drain("m")


async def is_held(world: World) -> None:
    world.fakes["a"].script = lambda _: Fail(ErrorCode.RATE_LIMITED, retry_after=1000.0)
    with suppress(RouteExhausted):
        await world.router.complete("chat", "hi")


async def is_tried_again(world: World) -> None:
    """Its breaker was opened by failures, and lets a probe through now."""
    world.fakes["a"].script = lambda _: Fail(ErrorCode.SERVER_ERROR)
    for _ in range(5):
        with suppress(RouteExhausted):
            await world.router.complete("chat", "hi")
    await asyncio.sleep(11)


async def is_open(world: World) -> None:
    world.router.breaker("m", "open")


# From well to worst.
STATES = {"closed": is_well, "drained": is_drained, "half_open": is_tried_again, "held": is_held, "open": is_open}


async def process(bring_about: Callable[[World], Awaitable[None]]) -> Snapshot:
    world = World(TEXT, a=well)
    await bring_about(world)
    return world.router.snapshot(with_sketches=True)


@pytest.mark.parametrize("first", [True, False], ids=["the worse first", "the worse last"])
@pytest.mark.parametrize(("better", "worse"), combinations(STATES, 2))
def test_the_worst_of_a_targets_states_is_shown(better: str, worse: str, first: bool) -> None:
    """Whichever process it is in, and it is said in how many: what one sees, all of them may see soon."""

    async def main() -> None:
        names = [worse, better, better] if first else [better, better, worse]
        [target] = merge([await process(STATES[name]) for name in names]).targets
        assert target.health.state == worse
        assert target.health.why.endswith("(in 1 of 3 processes)")

    run(main())


def test_of_several_open_ones_the_longest_counts() -> None:
    """It is tried again everywhere when the last one is."""

    async def main() -> None:
        snapshots = []
        for _ in range(2):
            world = World(TEXT, a=lambda _: Fail(ErrorCode.SERVER_ERROR))
            for _ in range(5):
                with suppress(RouteExhausted):
                    await world.router.complete("chat", "hi")
            snapshots.append(world.router.snapshot(with_sketches=True))
            await asyncio.sleep(5)
        assert now() == 10
        early, late = (each.targets[0].health.until for each in snapshots)
        assert early is not None
        assert late is not None
        assert early < late
        for order in (snapshots, snapshots[::-1]):
            found = merge(order).targets[0].health
            assert (found.state, found.until) == ("open", late)

    run(main())
