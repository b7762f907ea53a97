"""A budget that machines share, in virtual time: what is spent at most; nothing counts twice or is forgotten."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.shared.allocator import Allocator
from router.testing import run
from tests.support.cells import crossed
from tests.support.fleet import Server
from tests.support.purses import START, Machine, Process, Shop

DAY = 86_400.0
TICK = 1.1  # seconds in which every process has exchanged


def test_machines_have_one_budget_and_can_use_all_of_it() -> None:
    async def story() -> None:
        shop = Shop("$300/d")
        await asyncio.sleep(TICK)
        await shop.demand(40, 20)
        assert 299 <= shop.charged <= 300
        assert shop.paid == shop.charged
        await asyncio.sleep(3)
        assert shop.sum() == shop.charged
        assert all(process.spent == shop.charged for process in shop.processes if process.waited)
        await shop.end()

    run(story())


def test_with_a_lease_at_hand_nobody_waits_and_without_one_not_for_long() -> None:
    async def story() -> None:
        shop = Shop("$100000/d")
        await asyncio.sleep(TICK)
        await shop.demand(60, 30)
        waited = [waited for process in shop.processes for waited in process.waited]
        assert shop.paid == len(waited)
        assert sum(each > 0 for each in waited) <= 0.05 * len(waited)
        assert max(waited) <= 0.05
        await shop.end()

    run(story())


@pytest.mark.parametrize("reserved", [1, 3])
def test_many_at_once_overspend_by_what_their_answers_cost_more_than_was_reserved(reserved: int) -> None:
    async def story() -> None:
        shop = Shop("$60/d")
        await asyncio.gather(*(process.call(reserved, reserved=reserved) for process in shop.processes))
        before = shop.charged
        calls = [process.call(3, reserved=reserved, seconds=2.0) for process in shop.processes for _ in range(30)]
        under_way = sum(await asyncio.gather(*calls))
        assert before + under_way * reserved <= 60 + reserved, "what is reserved is no more than the budget"
        assert shop.charged <= 60 + reserved + under_way * (3 - reserved)
        assert max(waited for process in shop.processes for waited in process.waited) <= 0.31
        await shop.end()

    run(story())


def test_what_idle_processes_have_leased_is_had_by_others() -> None:
    async def story() -> None:
        shop = Shop("$60/d")
        await asyncio.gather(*(process.call() for process in shop.processes))
        await asyncio.sleep(5)
        busy = shop.processes[0]
        assert sum([await busy.call() for _ in range(70)]) == 54
        await shop.end()

    run(story())


@pytest.mark.parametrize("seed", range(4))
def test_what_reaches_the_disk_while_a_reply_is_under_way_is_not_had_again(seed: int) -> None:
    async def story() -> None:
        shop = Shop("$200/d", seed=seed)
        shop.server.round_trip = 0.2
        await asyncio.sleep(TICK)
        await shop.demand(40, 12)
        assert 190 <= shop.charged <= 200
        await shop.end()

    run(story())


def test_an_answer_dearer_than_the_budget_is_paid_once() -> None:
    async def story() -> None:
        shop = Shop("$1/d")
        assert await shop.processes[0].call(2)
        await asyncio.sleep(TICK)
        assert not await shop.processes[1].call(2)
        await shop.end()

    run(story())


# --- what nobody may count twice, or forget

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 5), st.integers(1, 50)),
        st.tuples(st.just("kill"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("lose the data"), st.just(0), st.just(0)),
        st.tuples(st.just("lose replies"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 40), st.just(0)),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(steps=STEPS)
def test_the_sum_is_that_of_all_charges_but_a_killed_second_and_never_more(steps: list[tuple[str, int, int]]) -> None:
    async def story() -> None:
        shop = Shop("$1000000/d")
        for what, number, cost in steps:
            if what == "call":
                await shop.processes[number].call(cost, seconds=0.01)
            elif what == "kill":
                await shop.kill(number)
            elif what == "lose the data":
                shop.server.allocator = Allocator()
            elif what == "lose replies":
                shop.server.is_mute = True
                await asyncio.sleep(number / 4)
                shop.server.is_mute = False
            else:
                await asyncio.sleep(number / 10)
            assert shop.sum() <= shop.charged - shop.lost + 1e-9
        await asyncio.sleep(5)
        assert shop.sum() == pytest.approx(shop.charged - shop.lost)
        for process in shop.processes:
            assert process.spent <= shop.charged + 1e-9
        await shop.end()
        assert shop.sum() == pytest.approx(shop.charged - shop.lost)

    run(story())


def test_all_totals_are_back_a_tick_after_the_data_was_lost() -> None:
    async def story() -> None:
        shop = Shop("$100/d")
        await shop.demand(20, 3)
        await asyncio.sleep(10)
        assert shop.sum() == shop.charged > 30
        shop.server.allocator = Allocator()
        await asyncio.sleep(TICK)
        assert shop.sum() == shop.charged
        await shop.demand(40, 10)
        assert 99 <= shop.charged <= 100
        await shop.end()

    run(story())


@pytest.mark.parametrize(("fault", "seconds"), crossed(["lost", "gone", "frozen"], [0.2, 3.0, 20.0]))
def test_through_an_outage_no_more_is_spent_than_the_budget_and_a_second_s_calls(fault: str, seconds: float) -> None:
    """Each takes its part of what was left when it heard of it, which is a second ago at most."""

    async def story() -> None:
        shop = Shop("$300/d")
        demand = asyncio.ensure_future(shop.demand(12, 60))
        await asyncio.sleep(5)
        if fault == "frozen":
            shop.server.thawed.clear()
            await asyncio.sleep(seconds)
            shop.server.thawed.set()
        else:
            shop.server.is_gone = True
            await asyncio.sleep(seconds)
            if fault == "lost":
                shop.server.allocator = Allocator()
            shop.server.is_gone = False
        await demand
        assert 299 <= shop.charged <= 300 + 12 * 1.1
        assert max(waited for process in shop.processes for waited in process.waited) <= 0.31
        await shop.end()

    run(story())


def test_of_a_thousand_budgets_an_exchange_tells_some_and_soon_all_are_told() -> None:
    """None of those that nobody spends costs the loop anything to speak of, and a loss is mended in a second."""

    async def story() -> None:
        server = Server()
        process = Process(server, Machine(), "$5/d", clients=1000)
        sizes = server.sizes
        await asyncio.sleep(TICK)
        assert sum(sizes) == 1001
        assert max(sizes) <= 102
        assert await process.call()
        await asyncio.sleep(20)
        sizes.clear()
        server.allocator = Allocator()
        await asyncio.sleep(2)
        assert sum(sizes) >= 1001
        assert max(sizes) <= 102
        await process.end()

    run(story())


# --- away


def test_share_spends_a_part_of_what_was_left_each() -> None:
    async def story() -> None:
        shop = Shop("$120/d")
        await asyncio.gather(*(process.call() for process in shop.processes))
        await asyncio.sleep(5)
        shop.server.is_gone = True
        await asyncio.sleep(1)
        paid = [sum([await process.call() for _ in range(30)]) for process in shop.processes[:2]]
        assert paid == [19, 19], "114 are left for six"
        shop.server.is_gone = False
        await asyncio.sleep(2)
        assert sum([await shop.processes[5].call() for _ in range(90)]) == 120 - 6 - 38
        await shop.end()

    run(story())


def test_refuse_spends_nothing_but_what_was_leased() -> None:
    async def story() -> None:
        shop = Shop("$120/d", budgets_away="refuse")
        process = shop.processes[0]
        assert await process.call()
        shop.server.is_gone = True
        await asyncio.sleep(1)
        assert sum([await process.call() for _ in range(30)]) <= 2
        over = process.spending.over((process.budget,), process.target)
        assert over is not None
        assert "budgets_away: refuse" in over[0].period.why
        shop.server.is_gone = False
        await asyncio.sleep(1)
        assert await process.call()
        await shop.end()

    run(story())


def test_without_a_server_from_the_start_it_spends_as_if_it_were_alone() -> None:
    async def story() -> None:
        server = Server()
        server.is_gone = True
        process = Process(server, None, "$5/d")
        assert sum([await process.call() for _ in range(9)]) == 5
        assert process.events == ["away"]
        assert max(process.waited) <= 0.31
        server.is_gone = False
        await asyncio.sleep(2)
        other = Process(server, None, "$5/d")
        assert not await other.call()
        assert other.spent == 5
        for each in (process, other):
            await each.end()

    run(story())


# --- clocks


@pytest.mark.parametrize("skews", [(3600.0, -3600.0, 0.0), (-86_400.0 * 400, 5.0, 86_400.0)])
def test_wrong_clocks_agree_on_the_day(skews: tuple[float, ...]) -> None:
    """The server's clock says when a period begins: half an hour before midnight, and after it."""

    async def story() -> None:
        shop = Shop("$50/d", skews=skews)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(DAY - (START + loop.time()) % DAY - 1800)
        await shop.demand(20, 10)
        assert 49 <= shop.charged <= 50
        await asyncio.sleep(1700)
        await shop.demand(5, 5)
        assert shop.charged <= 50
        await asyncio.sleep(120)
        await shop.demand(20, 10)
        assert 99 <= shop.charged <= 100
        await asyncio.sleep(2)
        assert shop.sum() == shop.charged - 50
        await shop.end()

    run(story())


# --- several amounts, and none on disk


def test_while_two_files_say_different_amounts_the_lower_holds() -> None:
    async def story() -> None:
        server = Server()
        old, new = Process(server, Machine(), "$20/d"), Process(server, Machine(), "$40/d")
        await asyncio.sleep(TICK)
        assert sum([await new.call() for _ in range(50)]) == 20
        (spent,) = new.spending.report()
        assert (spent.usd, spent.limit) == (20, 20)
        await old.end()
        await asyncio.sleep(30)
        assert sum([await new.call() for _ in range(50)]) == 20
        await new.end()

    run(story())


def test_processes_without_a_disk_count_each_for_itself() -> None:
    async def story() -> None:
        server = Server()
        both = [Process(server, None, "$20/d") for _ in "ab"]
        assert sum([await both[number % 2].call() for number in range(50)]) == 20
        await asyncio.sleep(2)
        for process in both:
            assert process.spent == 20
            await process.end()

    run(story())
