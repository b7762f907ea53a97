"""`signalbox status` is a table that a person reads: figures stand below each other, and what is unknown says what."""

from __future__ import annotations

from router.cli.status import render
from router.cli.terminal import width
from tests.support.world import World, story, well

LONG = "anthropic-through-the-proxy/claude-haiku-5-5-20261001"  # longer than others make room for


@story
async def test_figures_stand_below_each_other() -> None:
    world = World(f"routes: {{chat: {{targets: [a/m, a/a-longer-model], fallbacks: [a/{LONG}]}}}}\n", a=well)
    await world.router.complete("chat", "hi")
    lines = [line for line in render(world.router.snapshot()).splitlines() if " in flight" in line]
    assert len(lines) == 6, "all, the provider, its three targets, the route"
    columns = {width(line[: line.index("/s ")]) for line in lines if LONG not in line}
    assert len(columns) == 1


@story
async def test_one_request_is_one_and_an_unknown_cost_says_so() -> None:
    world = World("routes: {chat: [a/m]}", a=well)
    await world.router.complete("chat", "hi")
    _, of_all, *others = render(world.router.snapshot()).splitlines()
    assert of_all.endswith("cost –  1 request, 0 failed since the start")
    assert all(line == line.rstrip() for line in others)
