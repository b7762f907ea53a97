"""What a limit that processes share lets through, without faults and with them, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from router.config.units import Allowance
from router.plan.rules import Limits
from router.shared.allocator import Allocator
from router.shared.exchange import Message, Reply
from router.testing import VirtualTimeLoop, run
from tests.support.cells import crossed
from tests.support.fleet import Fleet, Server, Worker, most_in

MINUTE = 60.0


@pytest.mark.parametrize(("count", "limit"), [(4, 600), (40, 600), (4, 60), (30, 200)])
def test_overload_gets_all_of_the_limit_and_no_more(count: int, limit: int) -> None:
    async def story() -> None:
        fleet = Fleet(count, limit)
        await fleet.demand(1.5 * limit / MINUTE, 90)
        assert most_in(MINUTE, fleet.admitted) <= 1.05 * limit
        assert len(fleet.admitted) >= 0.95 * limit / MINUTE * 90
        assert max(fleet.waited) <= 0.3
        await fleet.end()

    run(story())


def test_below_the_limit_nobody_is_refused_and_few_wait() -> None:
    async def story() -> None:
        fleet = Fleet(20, 600)
        await fleet.demand(0.5 * 600 / MINUTE, 150)
        assert fleet.refused == 0
        assert sum(waited > 0 for waited in fleet.waited) <= 0.05 * len(fleet.waited)
        await fleet.end()

    run(story())


def test_one_busy_process_among_idle_ones_gets_all_of_it() -> None:
    async def story() -> None:
        fleet = Fleet(10, 600)
        fleet.workers, idle = fleet.workers[:1], fleet.workers[1:]
        await fleet.demand(2 * 600 / MINUTE, 120)
        assert len(fleet.admitted) >= 0.95 * 600 / MINUTE * 120
        fleet.workers += idle
        await fleet.end()

    run(story())


@pytest.mark.parametrize("count", [1, 8, 100])
def test_a_burst_is_a_burst_of_all_together(count: int) -> None:
    async def story() -> None:
        fleet = Fleet(count, 600)
        await fleet.demand(0.5 * 600 / MINUTE, 20)
        before = len(fleet.admitted)
        await fleet.demand(2 * 600 / 0.05, 0.05)
        # A tenth may go at once, and each process may have a request in hand.
        assert len(fleet.admitted) - before <= 60 + min(count, 60) + 10
        await fleet.end()

    run(story())


@pytest.mark.parametrize("period", [1.0, 300.0])
def test_other_periods_hold_too(period: float) -> None:
    async def story() -> None:
        fleet = Fleet(4, 20, period=period)
        await fleet.demand(1.5 * 20 / period, 4 * period)
        assert most_in(period, fleet.admitted) <= 21
        assert len(fleet.admitted) >= 0.8 * 20 * 4
        await fleet.end()

    run(story())


def test_a_minutes_tokens_are_shared_and_what_was_not_used_is_given_back() -> None:
    async def story() -> None:
        server, limits = Server(), Limits(tokens=(Allowance(60_000, MINUTE),))
        workers = [Worker(server, limits) for _ in range(4)]
        loop, used = asyncio.get_running_loop(), []

        async def call(worker: Worker) -> None:
            now = loop.time()
            wait = worker.limits.wait(1000.0, now)
            if wait > 0:
                return
            reserved = worker.limits.take(1000.0, now, now)
            used.append((loop.time(), 250))
            await asyncio.sleep(5)
            worker.limits.settle(reserved, 250, loop.time())

        calls = []
        for number in range(3000):
            calls.append(loop.create_task(call(workers[number % 4])))
            await asyncio.sleep(0.06)
        await asyncio.gather(*calls)
        # Three quarters of each reservation come back: many more calls fit than 60 a minute.
        minutes = [sum(tokens for at, tokens in used if end - MINUTE <= at < end) for end in range(60, 180, 5)]
        assert max(minutes) <= 1.05 * 60_000
        assert min(minutes[1:]) >= 0.6 * 60_000, "all but what calls under way have reserved"
        for worker in workers:
            await worker.end()

    run(story())


def test_a_call_larger_than_what_may_go_at_once_is_let_in() -> None:
    async def story() -> None:
        worker = Worker(Server(), Limits(tokens=(Allowance(60_000, MINUTE),)))
        assert await worker.ask(20_000, longest=30) is not None
        waited = await worker.ask(20_000, longest=30)
        assert waited is not None
        assert waited >= 19
        await worker.end()

    run(story())


def test_those_who_wait_are_served_in_their_order() -> None:
    async def story() -> None:
        worker = Worker(Server(), Limits(requests=(Allowance(60, MINUTE),)))
        order: list[int] = []

        async def ask(number: int) -> None:
            if await worker.ask(longest=30) is not None:
                order.append(number)

        await asyncio.gather(*(ask(number) for number in range(20)))
        assert order == list(range(20))
        await worker.end()

    run(story())


def test_one_who_gives_up_leaves_nothing_behind() -> None:
    async def story() -> None:
        worker = Worker(Server(), Limits(requests=(Allowance(60, MINUTE),)))
        assert sum([await worker.ask(longest=0.3) is not None for _ in range(20)]) <= 7
        await asyncio.sleep(90)
        assert [await worker.ask(longest=0.1) is not None for _ in range(6)] == [True] * 6
        await worker.end()

    run(story())


def test_what_a_process_leaves_unused_is_had_by_others_at_once() -> None:
    async def story() -> None:
        server, limits = Server(), Limits(requests=(Allowance(60, MINUTE),))
        first, second = Worker(server, limits), Worker(server, limits)
        assert await first.ask(longest=1) is not None
        await first.end()
        got = [await second.ask(longest=0.05) is not None for _ in range(6)]
        assert sum(got) == 5
        await second.end()

    run(story())


# --- faults


def test_a_killed_process_leaves_its_part_to_the_others() -> None:
    async def story() -> None:
        fleet = Fleet(4, 600)
        await fleet.demand(1.5 * 600 / MINUTE, 20)
        killed = fleet.workers.pop()
        killed.task.cancel()
        await asyncio.sleep(8)
        before = len(fleet.admitted)
        await fleet.demand(1.5 * 600 / MINUTE, 60)
        assert len(fleet.admitted) - before >= 0.95 * 600
        assert all(worker.link.processes == 3 for worker in fleet.workers)
        await fleet.end()

    run(story())


def test_a_loop_that_was_held_up_is_no_outage() -> None:
    """Its replies lie there unread: that is looked at before the server counts as away."""

    async def story() -> None:
        worker = Worker(Server(), Limits(requests=(Allowance(600, MINUTE),)))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        for _ in range(20):
            assert await worker.ask(longest=1) is not None
            await asyncio.sleep(0)  # an exchange is under way
            loop.advance(2.0)
            await asyncio.sleep(0.5)
        assert worker.events == []
        await worker.end()

    run(story())


async def _through(fleet: Fleet, fault: str, seconds: float) -> None:
    server = fleet.server
    if fault == "frozen":
        server.thawed.clear()
        await asyncio.sleep(seconds)
        server.thawed.set()
    else:
        server.is_gone = True
        await asyncio.sleep(seconds)
        if fault == "lost":
            server.allocator = Allocator()
        server.is_gone = False


@pytest.mark.parametrize(("fault", "seconds"), crossed(["frozen", "gone", "lost"], [0.2, 6.0, 40.0]))
def test_through_an_outage(fault: str, seconds: float) -> None:
    async def story() -> None:
        fleet = Fleet(4, 600)
        demand = asyncio.ensure_future(fleet.demand(1.3 * 600 / MINUTE, 150))
        await asyncio.sleep(65)
        began = asyncio.get_running_loop().time()
        await _through(fleet, fault, seconds)
        ended = asyncio.get_running_loop().time()
        await asyncio.sleep(1)
        assert not any(worker.link.away for worker in fleet.workers), "they are back within a second"
        await demand
        assert most_in(MINUTE, fleet.admitted) <= (1.15 if fault == "lost" else 1.1) * 600
        assert max(fleet.waited) <= 0.31
        if seconds > 1:
            assert all(worker.events == ["away", "back"] for worker in fleet.workers)
            meanwhile = [at for at in fleet.admitted if began + 1 < at < ended]
            assert len(meanwhile) >= 0.8 * (ended - began - 1) * 10, "they go on meanwhile"
        after = [at for at in fleet.admitted if at > ended]
        assert len(after) >= 0.9 * (150 - ended) * 10, "and after it"
        await fleet.end()

    run(story())


def test_refuse_lets_nobody_through_without_the_server() -> None:
    async def story() -> None:
        fleet = Fleet(2, 600, away="refuse")
        await fleet.demand(10, 5)
        fleet.server.is_gone = True
        gone = asyncio.get_running_loop().time()
        await fleet.demand(10, 10)
        assert not [at for at in fleet.admitted if at > gone + 2.4], "but for what was leased"
        await fleet.end()

    run(story())


def test_local_takes_all_of_the_limit() -> None:
    async def story() -> None:
        fleet = Fleet(2, 600, away="local")
        await fleet.demand(10, 5)
        fleet.server.is_gone = True
        gone = asyncio.get_running_loop().time()
        await fleet.demand(40, 60)
        assert len([at for at in fleet.admitted if at > gone]) >= 1.8 * 600
        await fleet.end()

    run(story())


def test_without_a_server_from_the_start_it_goes_on_alone() -> None:
    async def story() -> None:
        server = Server()
        server.is_gone = True
        worker = Worker(server, Limits(requests=(Allowance(600, MINUTE),)))
        waited = await worker.ask(longest=1)
        assert waited is not None
        assert waited <= 0.3
        await asyncio.sleep(0.1)
        assert worker.events == ["away"]
        await worker.end()

    run(story())


@pytest.mark.parametrize("answers", [("5 0.0 0.0",) * 7, ("5",), ("five 0.0 0.0",), ()])
def test_a_reply_to_something_else_is_none(answers: tuple[str, ...]) -> None:
    async def story() -> None:
        server = Server()
        worker = Worker(server, Limits(requests=(Allowance(600, MINUTE),)))
        assert await worker.ask(longest=1) is not None
        honest = server.send

        async def confused(message: Message) -> Reply:
            return (await honest(message))._replace(answers=answers)

        server.send = confused  # type: ignore[method-assign]  # the network of this test
        assert await worker.ask(longest=1) is not None
        await asyncio.sleep(5)
        assert worker.events == ["away"]
        server.send = honest  # type: ignore[method-assign]  # as it was
        await asyncio.sleep(1)
        assert worker.events == ["away", "back"]
        await worker.end()

    run(story())
