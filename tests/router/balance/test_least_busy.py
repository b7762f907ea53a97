"""least_busy: whoever has the fewest calls under way for its weight; among equals everybody has its share."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from providers.errors import ErrorCode
from providers.fake import Fail, Reply
from router import RouteExhausted
from tests.support.world import World, at_rate, story


def text(weights: str) -> str:
    return f"routes: {{chat: {{targets: {weights}, balance: least_busy}}}}\n"


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("[a/m, b/m, c/m]", {"a": 10, "b": 10, "c": 10}),
        ("{a/m: 3, b/m: 2, c/m: 1}", {"a": 15, "b": 10, "c": 5}),
    ],
)
def test_idle_targets_share_by_weight(weights: str, expected: dict[str, int]) -> None:
    """One request after another, with nothing under way: nobody has all of them."""

    @story
    async def one_after_another() -> None:
        world = World(text(weights), a=lambda _: Reply("a"), b=lambda _: Reply("b"), c=lambda _: Reply("c"))
        answers = [(await world.router.complete("chat", "hi")).text for _ in range(30)]
        assert Counter(answers) == expected

    one_after_another()


@story
async def test_a_slow_one_gets_less() -> None:
    """Its calls pile up, so the others get more than their share, as long as it is slow."""
    world = World(
        text("[a/m, b/m]"),
        a=lambda moment: Reply("a", delay=4.0 if moment < 60 else 0.1),
        b=lambda _: Reply("b", delay=0.1),
    )

    async def ask() -> str:
        return (await world.router.complete("chat", "hi")).text

    busy = Counter(answer for _, _, answer in await at_rate(5, 60, ask))
    assert busy["b"] > 5 * busy["a"] > 0
    await asyncio.sleep(10)
    even = Counter(answer for _, _, answer in await at_rate(1, 20, ask))
    assert abs(even["a"] - even["b"]) <= 1


@story
async def test_a_target_that_is_out_gives_its_share_to_the_others() -> None:
    """The share is made up for by nobody: when it is back it gets its own and no more."""
    world = World(
        text("[a/m, b/m, c/m]"),
        a=lambda moment: Fail(ErrorCode.RATE_LIMITED, retry_after=30.0) if moment < 1 else Reply("a"),
        b=lambda _: Reply("b"),
        c=lambda _: Reply("c"),
    )
    answers = [(await world.router.complete("chat", "hi")).text for _ in range(20)]
    assert Counter(answers) == {"b": 10, "c": 10}
    await asyncio.sleep(31)
    answers = [(await world.router.complete("chat", "hi")).text for _ in range(30)]
    assert all(9 <= count <= 11 for count in Counter(answers).values())
    world.router.drain("a/m")
    world.router.drain("b/m")
    world.router.drain("c/m")
    with pytest.raises(RouteExhausted):
        await world.router.complete("chat", "hi")
