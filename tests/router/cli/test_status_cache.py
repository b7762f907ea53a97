"""`signalbox status` says what the cache holds."""

from __future__ import annotations

from router.cli.status import render
from tests.support.world import World, story, well


@story
async def test_status_says_what_the_cache_holds() -> None:
    text = "cache: {path: memory}\nroutes: {chat: {targets: [a/m], cache: {ttl: 1h}}}\n"
    world = World(text, a=well)
    for _ in range(3):
        await world.router.complete("chat", "hi")
    (line,) = [line for line in render(world.router.snapshot()).splitlines() if "cache:" in line]
    assert line.startswith("  cache: hits 2, misses 1, stored 1, 0.0 MB of ")


@story
async def test_without_a_cache_it_says_nothing_of_one() -> None:
    assert "cache" not in render(World("routes: {chat: [a/m]}", a=well).router.snapshot())
