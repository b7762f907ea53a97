"""No request waits for the server for longer than 300 ms, however slow that is, in virtual time: then it goes on as if
the server were away. Where the loop itself is late, so much later.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from providers.errors import ErrorCode
from providers.fake import Fail, Reply, Step
from router.config.units import Allowance
from router.plan.rules import Limits, SharedRules
from router.plan.serving import Client
from router.shared.answers import Answers, Command
from router.state.clients import ClientStates, OverLimit
from router.state.spending import Spending
from router.testing import VirtualTimeLoop, run
from tests.support.cells import each
from tests.support.engine_fleet import EngineFleet
from tests.support.fleet import Fleet, Server, Worker, most_in
from tests.support.purses import Shop

LONGEST = 0.3 + 1e-5  # seconds, and rounding
LATE = 0.15  # seconds that the loop is held up now and then
NETWORKS = [  # seconds of a round trip, the part of it that it varies by, whether the loop is late
    (round_trip, jitter, late)
    for round_trip in (0.0, 0.1, 0.2, 0.249, 0.3, 0.4)
    for jitter in (0.0, 0.5)
    for late in (False, True)
]
every_network = pytest.mark.parametrize(("round_trip", "jitter", "late"), each(3, NETWORKS))

FILE = """
providers: {a: {kind: fake, api_key: one, limits: {requests: 60000/min, in_flight: 60}}}
models: {m: {provider: a, id: m, price: {input: 1, output: 1}}}
routes: {chat: {targets: [m], budget: $1000000/d}}
defaults: {retry: {max_wait: 20s}}
shared: {url: "redis://x", app: shop, share: [limits, budgets, breakers, holds]}
"""


class Store:
    """A server of answers that takes a while for each reply, and has nothing."""

    takes = 0.0

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        await asyncio.sleep(self.takes)
        return [[None] * (len(command) - 1) if command[0] == "MGET" else b"OK" for command in commands]

    async def aclose(self) -> None:
        """It has nothing to close."""


async def hold_up() -> None:
    """Be a program that keeps the loop from running, again and again."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    while True:
        await asyncio.sleep(0.7)
        loop.advance(LATE)


def through(
    network: tuple[float, float, bool], server: Server, story: Callable[[], Coroutine[Any, Any, list[float]]]
) -> Coroutine[Any, Any, None]:
    """Run what returns how long requests have waited, over such a network."""

    async def whole() -> None:
        server.round_trip, server.jitter, late = network
        busy = asyncio.ensure_future(hold_up()) if late else None
        assert max(await story()) <= LONGEST + late * LATE
        if busy is not None:
            busy.cancel()

    return whole()


@every_network
def test_for_a_lease(round_trip: float, jitter: float, late: bool) -> None:
    async def whole() -> None:
        fleet = Fleet(4, 6000)

        async def story() -> list[float]:
            await fleet.demand(30, 40, longest=5.0)
            return fleet.waited

        await through((round_trip, jitter, late), fleet.server, story)
        assert fleet.refused == 0
        await fleet.end()

    run(whole())


@every_network
def test_for_dollars(round_trip: float, jitter: float, late: bool) -> None:
    async def whole() -> None:
        shop = Shop("$100000/d")

        async def story() -> list[float]:
            await shop.demand(12, 20)
            return [waited for process in shop.processes for waited in process.waited]

        await through((round_trip, jitter, late), shop.server, story)
        calls = sum(len(process.waited) for process in shop.processes)
        assert shop.paid == calls, "nobody is told that the budget is used up"
        await shop.end()

    run(whole())


@every_network
def test_for_a_place_a_lease_and_dollars_together(round_trip: float, jitter: float, late: bool) -> None:
    async def whole() -> None:
        fleet = EngineFleet(5, FILE, a=lambda number, now: Reply("fine"))
        loop, rng = asyncio.get_running_loop(), random.Random(1)
        waited: list[float] = []

        async def ask(number: int) -> None:
            began = loop.time()
            await fleet[number].ask()
            waited.append(loop.time() - began)

        async def story() -> list[float]:
            calls = []
            for _ in range(200):
                calls += [loop.create_task(ask(rng.randrange(5))) for _ in range(rng.choice((1, 1, 4)))]
                await asyncio.sleep(rng.expovariate(6))
            await asyncio.gather(*calls)
            return waited

        await through((round_trip, jitter, late), fleet.server, story)
        await fleet.end()

    run(whole())


@every_network
def test_for_a_probe(round_trip: float, jitter: float, late: bool) -> None:
    async def whole() -> None:
        ends = 5.0

        def vendor(number: int, now: float) -> Step:
            return Fail(ErrorCode.SERVER_ERROR) if now < ends else Reply("fine")

        fleet = EngineFleet(3, FILE.replace("limits, budgets, ", ""), a=vendor)
        loop = asyncio.get_running_loop()

        async def story() -> list[float]:
            for _ in range(5):
                await fleet[0].asks()
            state = fleet[0].state("m")
            assert state.breaker.state == "open"
            await asyncio.sleep(max(0.0, state.breaker.until - loop.time()) + 8)
            began = loop.time()
            await fleet[0].ask()
            return [loop.time() - began]

        await through((round_trip, jitter, late), fleet.server, story)
        await fleet.end()

    run(whole())


@every_network
def test_for_the_limit_of_a_client_of_serve(round_trip: float, jitter: float, late: bool) -> None:
    async def whole() -> None:
        server = Server()
        worker = Worker(server, Limits())
        clients = ClientStates(Spending(lambda: 0.0))
        clients.share(worker.link.parties[0])  # type: ignore[arg-type]  # the limits are the only one
        client = Client("app", limits=Limits(requests=(Allowance(6000, 60.0),)))
        loop, rng = asyncio.get_running_loop(), random.Random(2)

        async def story() -> list[float]:
            waited = []
            for _ in range(60):
                await asyncio.sleep(rng.expovariate(1))
                began = loop.time()
                permit = clients.admit(client, 1.0, None, began)
                if isinstance(permit, OverLimit):
                    permit = await clients.admit_after(permit, client, 1.0, None)
                assert not isinstance(permit, OverLimit), permit
                waited.append(loop.time() - began)
            return waited

        await through((round_trip, jitter, late), server, story)
        await worker.end()

    run(whole())


@pytest.mark.parametrize("takes", [0.0, 0.01, 0.1, 0.2, 0.4, 60.0])
def test_for_the_right_to_make_a_call(takes: float) -> None:
    async def story() -> None:
        store = Store()
        rules = SharedRules(url="redis://x", app="shop", secret="s", share=("cache",), single_flight=True)
        answers = Answers(store, rules, lambda what, why, seconds: None)
        task = asyncio.create_task(answers.run())
        await answers.ready()
        store.takes, clock = takes, asyncio.get_running_loop().time
        for number in range(20):
            began = clock()
            assert await answers.turn(f'["chat","[null,null]","{number}"]', 10.0, lambda data: data) is None
            assert clock() - began <= LONGEST + 0.02, "and a lookup"
            await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.wait([task])

    run(story())


@pytest.mark.parametrize("round_trip", [0.2, 0.24])
@pytest.mark.parametrize("demand", [0.5, 1.5])
def test_those_who_go_on_alone_are_counted(round_trip: float, demand: float) -> None:
    """So that the limit holds at a slow server as well."""

    async def story() -> None:
        fleet = Fleet(8, 600)
        fleet.server.round_trip = round_trip
        await fleet.demand(demand * 10, 150, longest=1.0)
        assert most_in(60.0, fleet.admitted) <= 1.1 * 600
        assert len(fleet.admitted) >= 0.95 * min(1.0, demand) * 10 * 150
        await fleet.end()

    run(story())


def test_refuse_refuses_who_has_waited_long_enough() -> None:
    async def story() -> None:
        fleet = Fleet(100, 600, away="refuse")
        fleet.server.round_trip = 0.24
        await asyncio.sleep(3)
        await fleet.demand(3, 30, longest=5.0)
        assert max(fleet.waited) <= LONGEST
        await fleet.end()

    run(story())


@pytest.mark.parametrize("count", [1, 3, 6])
def test_at_a_slow_server_no_more_places_are_used_than_each_has_got_and_its_part(count: int) -> None:
    async def story() -> None:
        spans: list[tuple[float, float]] = []

        def vendor(number: int, now: float) -> Step:
            spans.append((now, now + 1.0))
            return Reply("fine", delay=1.0)

        fleet = EngineFleet(count, FILE.replace("in_flight: 60", "in_flight: 12"), a=vendor)
        fleet.server.round_trip = 0.22
        await fleet.demand(30, 20, random.Random(3))
        assert max(sum(began <= at < ended for began, ended in spans) for at, _ in spans) <= 12 + 12
        await fleet.end()

    run(story())


def test_who_has_waited_for_a_limit_is_granted_dollars_anew() -> None:
    """What it was granted at first went back meanwhile: nobody had asked for it for longer than a lease lasts."""

    async def story() -> None:
        text = FILE.replace("limits, budgets, breakers, holds", "budgets").replace("60000/min, in_flight: 60", "12/min")
        fleet = EngineFleet(2, text, a=lambda number, now: Reply("fine"))
        await asyncio.sleep(1)
        answers = await asyncio.gather(*(fleet[0].asks() for _ in range(3)))
        assert [answer.provider for answer in answers] == ["a", "a", "a"]
        assert asyncio.get_running_loop().time() > 10, "the third has waited for two before it"
        await fleet.end()

    run(story())
