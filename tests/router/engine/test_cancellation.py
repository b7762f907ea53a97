"""Cancelling a request at every one of its awaits, by brute force: nothing is left behind, whatever it was doing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import pytest

from providers import ErrorCode
from providers.fake import Fail, Reply, Step
from providers.simulator import Simulator
from router import RouteExhausted, Router
from router.testing import run
from tests.support.cancelling import AtAwait, settled
from tests.support.idle import assert_idle
from tests.support.vendors import routes
from tests.support.world import World, well

pytestmark = pytest.mark.usefixtures("every_carrier")

Ask = Callable[[World], Coroutine[Any, Any, object]]


async def plain(world: World) -> object:
    return await world.router.complete("chat", "hi", max_tokens=100)


async def streamed(world: World) -> object:
    async with world.router.stream("chat", "hi", max_tokens=100) as stream:
        return [chunk async for chunk in stream]


def slowly(now: float) -> Step:
    return Reply("abcdefghijkl", delay=1.0, every=0.1)


def failing(now: float) -> Step:
    return Fail(ErrorCode.SERVER_ERROR, delay=0.5)


def limited(now: float) -> Step:
    return Fail(ErrorCode.RATE_LIMITED, delay=0.5, retry_after=2.0)


def breaking(now: float) -> Step:
    return Reply("abcdefghijkl", delay=0.5, every=0.1, break_after=2)


PLAIN = "routes: {chat: {targets: [m, b/m]MORE}}\nmodels: {m: {provider: a, id: m, price: {input: 1, output: 1}}}\n"
SCENES: dict[str, tuple[str, dict[str, Callable[[float], Step]]]] = {
    "answers": ("", {"a": slowly, "b": slowly}),
    "fails over": (", fallbacks: [c/m]", {"a": failing, "b": failing, "c": slowly}),
    "retries": ("", {"a": failing, "b": failing}),
    "is held": ("", {"a": limited, "b": limited}),
    "hedges": (", balance: ordered, hedge: {after: 300ms, budget: 100%}", {"a": slowly, "b": slowly}),
    "hedges and fails": (", balance: ordered, hedge: {after: 300ms, budget: 100%}", {"a": failing, "b": failing}),
    "restarts": (", on_stream_break: restart", {"a": breaking, "b": breaking}),
    "continues": (", on_stream_break: continue", {"a": breaking, "b": breaking}),
    "waits for a place": ("# a: limits: {in_flight: 1}\n# b: limits: {in_flight: 1}", {"a": slowly, "b": slowly}),
    "waits for a pool": ("# a: api_keys: [k1-long, k2-long], limits: {in_flight: 1}", {"a": slowly}),
    "waits for a limit": ("# a: limits: {requests: 20/min, tokens: 3k/min}", {"a": slowly}),
    "has a budget": (', budget: "$0.0001/d"', {"a": slowly, "b": slowly}),  # one call's worth: none may stay reserved
}


def world_of(scene: str) -> World:
    more, scripts = SCENES[scene]
    comments = more if more.startswith("#") else ""
    text = PLAIN.replace("MORE", "" if comments else more)
    if "b" not in scripts:
        text = text.replace(", b/m", "")
    return World(f"{text}{comments}\n", **scripts)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("ask", [plain, streamed])
@pytest.mark.parametrize("scene", SCENES)
def test_at_every_await(scene: str, ask: Ask, late: bool) -> None:
    """No place, reservation, task or open generator stays; the next request is served as if nothing was."""
    strike = 0
    while True:
        strike += 1
        if not run(one(scene, ask, strike, late=late)):
            break
    assert strike > 1


async def one(scene: str, ask: Ask, strike: int, *, late: bool) -> bool:
    """False when the request ended before its await of that number."""
    forgotten: list[AsyncGenerator[Any, Any]] = []
    sys.set_asyncgen_hooks(finalizer=forgotten.append)
    world = world_of(scene)
    others = [asyncio.create_task(settled(plain(world))) for _ in range(2 if "waits" in scene else 0)]
    await asyncio.sleep(0.01)
    striking = AtAwait(ask(world), strike, late=late)
    await settled(striking)
    for other in others:
        await other
    assert len(asyncio.all_tasks()) == 1
    assert forgotten == []
    assert_idle(world.router)
    await asyncio.sleep(3600)
    for fake in world.fakes.values():
        fake.script = lambda _: well(0.0)
    assert (await world.router.complete("chat", "hi")).text == "fine"
    return striking.awaits >= strike


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("ask", [plain, streamed])
def test_a_probe_at_every_await(ask: Ask, late: bool) -> None:
    """A probe that is cancelled frees its place: the next request, a second later, is the probe."""

    async def probed(strike: int) -> bool:
        world = World(
            "routes: {chat: {targets: [a/m]}}\ndefaults: {retry: {same_target: 0, max_wait: 0s}}\n", a=failing
        )
        for _ in range(5):
            with pytest.raises(RouteExhausted):
                await plain(world)
        assert world.router.snapshot().targets[0].health.state == "open"
        await asyncio.sleep(60)
        world.fakes["a"].script = slowly
        striking = AtAwait(ask(world), strike, late=late)
        await settled(striking)
        assert_idle(world.router)
        world.fakes["a"].script = well
        await asyncio.sleep(1)
        reply = await world.router.complete("chat", "hi")
        assert (reply.text, reply.trace.skips) == ("fine", ())
        return striking.awaits >= strike

    strike = 1
    while run(probed(strike)):
        strike += 1
    assert strike > 1


@pytest.mark.parametrize("target", ["openai-first", "anthropic-first", "ollama-first"])
async def test_at_every_await_over_sockets(simulator: Simulator, target: str) -> None:
    """The same over real connections: none stays open at the vendor, none is handed out broken afterwards."""
    for vendor in simulator.vendors.values():
        vendor.set(fast=False, first_token=0.001, tokens_per_second=5000, output_tokens=5)
    forgotten: list[AsyncGenerator[Any, Any]] = []
    async with Router.from_text(routes(simulator), env={}, seed=1) as router:

        async def ask() -> None:
            await router.complete(target, "hi")
            async with router.stream(target, "hi") as stream:
                async for _ in stream:
                    pass

        strike, awaits = 0, 1
        while awaits >= strike and strike < 60:
            strike += 1
            hooks = sys.get_asyncgen_hooks()
            sys.set_asyncgen_hooks(finalizer=forgotten.append)
            striking = AtAwait(ask(), strike, late=strike % 2 == 0)
            await settled(striking)
            sys.set_asyncgen_hooks(*hooks)
            awaits = striking.awaits
        assert strike > 5
        # httpx leaves the iterator of a request's own bytes; there is nothing to close behind it.
        assert [each for each in forgotten if each.__qualname__ != "ByteStream.__aiter__"] == []
        assert (await router.complete(target, "hi")).provider == target.partition("-")[0]
        assert_idle(router)
    async with asyncio.timeout(60):
        while any(vendor.in_flight for vendor in simulator.vendors.values()):
            await asyncio.sleep(0)
