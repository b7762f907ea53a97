"""Calls at the same time that processes share: never more than there are places, in virtual time."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections.abc import Awaitable, Callable

import pytest

from providers.fake import Reply, Step
from router import RouteExhausted
from router.shared.allocator import Allocator
from router.testing import run
from tests.support.cells import crossed
from tests.support.engine_fleet import EngineFleet

FILE = """
providers:
  a: {kind: fake, api_key: one, limits: {in_flight: PLACES}}
routes: {chat: a/m}
defaults: {retry: {max_wait: 20s}}
shared: {url: "redis://x", app: shop}
"""


class Busy:
    """A vendor that takes a while: how many calls it had at most, and when each began."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.spans: list[tuple[float, float]] = []

    def __call__(self, number: int, now: float) -> Step:
        self.spans.append((now, now + self._seconds - 1e-6))
        return Reply("fine", delay=self._seconds)

    def most(self, since: float = 0.0, until: float = 1e9) -> int:
        began, ended = sorted(begin for begin, _ in self.spans), sorted(end for _, end in self.spans)
        begins = [begin for begin in began if since <= begin < until]
        return max((bisect_right(began, at) - bisect_right(ended, at) for at in begins), default=0)


def fleet_of(count: int, places: int, vendor: Busy, **more: str) -> EngineFleet:
    text = FILE.replace("PLACES", str(places))
    for name, value in more.items():
        text = text.replace("app: shop", f"app: shop, {name}: {value}")
    return EngineFleet(count, text, a=vendor)


@pytest.mark.parametrize(("count", "places", "seconds"), [(4, 8, 1.0), (20, 10, 0.3), (10, 3, 2.0), (1, 5, 0.5)])
def test_overload_fills_all_places_and_no_more(count: int, places: int, seconds: float) -> None:
    async def story() -> None:
        vendor = Busy(seconds)
        fleet = fleet_of(count, places, vendor)
        await fleet.demand(2 * places / seconds, 40, random.Random(count))
        assert vendor.most() <= places
        steady = [began for began, _ in vendor.spans if 5 <= began < 35]
        assert len(steady) >= 0.8 * 30 * places / seconds, "and they are used"
        await fleet.end()

    run(story())


def test_below_it_nobody_waits() -> None:
    async def story() -> None:
        vendor = Busy(0.5)
        fleet = fleet_of(5, 40, vendor)
        await asyncio.sleep(0.1)
        loop, waited = asyncio.get_running_loop(), []

        async def ask(number: int) -> None:
            began = loop.time()
            await fleet[number].ask()
            waited.append(loop.time() - began - 0.5)

        calls, rng = [], random.Random(1)
        for _ in range(600):
            calls.append(loop.create_task(ask(rng.randrange(5))))
            await asyncio.sleep(rng.expovariate(20))
        await asyncio.gather(*calls)
        assert sum(pause > 1e-6 for pause in waited) <= 0.05 * len(waited)
        assert max(waited) <= 0.5
        await fleet.end()

    run(story())


def test_one_busy_process_among_idle_ones_gets_all_of_them() -> None:
    async def story() -> None:
        vendor = Busy(1.0)
        fleet = fleet_of(6, 12, vendor)
        await asyncio.sleep(3)
        answers = await asyncio.gather(*(fleet[0].asks() for _ in range(60)))
        assert not any(isinstance(answer, Exception) for answer in answers)
        assert vendor.most() >= 11
        assert vendor.most() <= 12
        await fleet.end()

    run(story())


def test_a_target_without_a_place_is_passed_over() -> None:
    async def story() -> None:
        text = FILE.replace("PLACES", "1").replace(
            "routes: {chat: a/m}", "routes: {chat: {targets: [a/m], fallbacks: [b/m]}}"
        )
        text = text.replace("providers:", "providers:\n  b: {kind: fake, api_key: two}")
        vendor = Busy(5.0)
        fleet = EngineFleet(2, text, a=vendor, b=lambda number, now: Reply("fine"))
        await asyncio.sleep(1)
        first = asyncio.ensure_future(fleet[0].ask())
        await asyncio.sleep(2)
        second = await fleet[1].ask()
        assert second.provider == "b"
        assert "limits.in_flight" in second.trace.render()
        await first
        await fleet.end()

    run(story())


def test_a_dead_process_leaves_its_places_after_five_seconds() -> None:
    async def story() -> None:
        vendor = Busy(100.0)
        fleet = fleet_of(2, 4, vendor)
        await asyncio.sleep(1)
        calls = [asyncio.ensure_future(fleet[0].asks()) for _ in range(4)]
        await asyncio.sleep(2)
        assert len(vendor.spans) == 4
        fleet[0].cut_off()
        with pytest.raises(RouteExhausted):
            async with asyncio.timeout(1000):
                await _impatient(fleet)
        await asyncio.sleep(6)
        waiting = [asyncio.ensure_future(fleet[1].asks()) for _ in range(4)]
        await asyncio.sleep(2)
        assert len(vendor.spans) == 8
        for call in (*calls, *waiting):
            call.cancel()
        await fleet.end()

    run(story())


async def _impatient(fleet: EngineFleet) -> None:
    from providers import CompletionRequest
    from providers import Message as Words

    engine = fleet[1].engine
    request = lambda: CompletionRequest(model="", messages=(Words.user("hi"),), timeout={"total": 0.5})  # noqa: E731
    chain, asked, trace = engine.begin("chat", request)
    await engine.complete(chain, asked, trace)


async def _gone(fleet: EngineFleet, seconds: float) -> None:
    fleet.server.is_gone = True
    await asyncio.sleep(seconds)
    fleet.server.is_gone = False


async def _frozen(fleet: EngineFleet, seconds: float) -> None:
    fleet.server.thawed.clear()
    await asyncio.sleep(seconds)
    fleet.server.thawed.set()


async def _lost(fleet: EngineFleet, seconds: float) -> None:
    fleet.server.is_gone = True
    await asyncio.sleep(seconds)
    fleet.server.allocator = Allocator()
    fleet.server.is_gone = False


@pytest.mark.parametrize(("fault", "seconds"), crossed([_gone, _frozen, _lost], [0.2, 4.0, 20.0]))
def test_through_an_outage(fault: Callable[[EngineFleet, float], Awaitable[None]], seconds: float) -> None:
    """Those under way stay; each process goes on with its part."""

    async def story() -> None:
        vendor = Busy(1.0)
        fleet = fleet_of(4, 12, vendor)
        end = 35 + seconds
        demand = asyncio.ensure_future(fleet.demand(24, end, random.Random(3)))
        await asyncio.sleep(15)
        await fault(fleet, seconds)
        ended = asyncio.get_running_loop().time()
        await demand
        assert vendor.most() <= 12 + 6, "those under way, and each process' part"
        assert vendor.most(since=ended + 4) <= 12
        if seconds > 1:
            meanwhile = [at for at, _ in vendor.spans if ended - seconds + 1 < at < ended]
            assert len(meanwhile) >= 0.7 * 12 * (seconds - 1)
        after = [at for at, _ in vendor.spans if ended + 5 < at < end]
        assert len(after) >= 0.8 * 12 * (end - 5 - ended)
        await fleet.end()

    run(story())


def test_refuse_calls_nothing_without_the_server() -> None:
    async def story() -> None:
        vendor = Busy(0.1)
        fleet = fleet_of(2, 12, vendor, away="refuse")
        await fleet.demand(10, 5, random.Random(1))
        fleet.server.is_gone = True
        await asyncio.sleep(1)
        before = len(vendor.spans)
        error = await fleet[0].asks()
        assert isinstance(error, RouteExhausted)
        assert len(vendor.spans) == before
        await fleet.end()

    run(story())


def test_two_providers_with_one_key_have_the_same_places() -> None:
    async def story() -> None:
        text = FILE.replace("PLACES", "4").replace("routes: {chat: a/m}", "routes: {chat: a/m, other: c/m}")
        text = text.replace("providers:", "providers:\n  c: {kind: fake, api_key: one, limits: {in_flight: 4}}")
        vendor = Busy(1.0)
        fleet = EngineFleet(2, text, a=vendor, c=vendor)
        await asyncio.gather(
            *(process.asks(route) for process in fleet for route in ("chat", "other") for _ in range(8))
        )
        assert vendor.most() == 4
        await fleet.end()

    run(story())


def test_one_who_gives_up_waiting_leaves_nothing_behind() -> None:
    async def story() -> None:
        vendor = Busy(3.0)
        fleet = fleet_of(3, 2, vendor)
        calls = [asyncio.ensure_future(process.asks()) for process in fleet for _ in range(4)]
        await asyncio.sleep(1)
        for call in calls:
            call.cancel()
        await asyncio.sleep(3)
        answers = await asyncio.gather(*(process.asks() for process in fleet for _ in range(2)))
        assert not any(isinstance(answer, Exception) for answer in answers)
        assert vendor.most(since=4) <= 2
        await fleet.end()

    run(story())
