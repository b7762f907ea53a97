"""What an outage costs a fleet, who is believed, and how many probe, in virtual time."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from providers.errors import ErrorCode
from providers.fake import Fail, Reply, Step
from router.testing import run
from tests.support.engine_fleet import EngineFleet

FILE = """
providers:
  a: {kind: fake, api_key: one}
  b: {kind: fake, api_key: two}
routes: {chat: {targets: [a/m], fallbacks: [b/m]}}
shared: {url: "redis://x", app: shop, share: [breakers]}
"""
BEGINS, ENDS = 20.0, 140.0


def well(number: int, now: float) -> Step:
    return Reply("fine")


def out(number: int, now: float) -> Step:
    """Answer but for two minutes."""
    return Fail(ErrorCode.SERVER_ERROR) if BEGINS <= now < ENDS else Reply("fine")


class Seen:
    """What a vendor was asked, and how many probes it had at a time."""

    def __init__(self, seconds: float = 0.0, code: ErrorCode = ErrorCode.SERVER_ERROR, ends: float = ENDS) -> None:
        self.asked: list[tuple[float, int]] = []
        self._seconds, self._code, self._ends = seconds, code, ends

    def __call__(self, number: int, now: float) -> Step:
        self.asked.append((now, number))
        if BEGINS <= now < self._ends:
            return Fail(self._code, delay=self._seconds)
        return Reply("fine", delay=self._seconds)

    def failed(self, until: float = ENDS) -> int:
        return sum(BEGINS <= at < until for at, _ in self.asked)


@pytest.mark.parametrize("count", [4, 10, 40])
def test_an_outage_that_one_has_met_costs_each_other_a_failure_at_most(count: int) -> None:
    async def story() -> None:
        vendor = Seen()
        fleet = EngineFleet(count, FILE, a=vendor, b=well)
        for process in fleet:
            await process.ask()
        await asyncio.sleep(BEGINS)
        for _ in range(5):
            await fleet[0].ask()
        for _ in range(4):
            for process in fleet.processes[1:]:
                await asyncio.sleep(4 / count)
                assert (await process.ask()).provider == "b"
        assert vendor.failed() <= 5 + count - 1
        await fleet.end()

    run(story())


@pytest.mark.parametrize(("count", "each"), [(2, 0.5), (10, 0.5), (40, 0.3), (40, 1.0), (8, 0.1)])
def test_once_one_has_opened_it_each_other_fails_once_at_most(count: int, each: float) -> None:
    async def story() -> None:
        vendor, rng = Seen(), random.Random(count)
        fleet = EngineFleet(count, FILE, a=vendor, b=well)
        await fleet.demand(count * each, BEGINS, rng)
        while all(process.state().breaker.state == "closed" for process in fleet):
            await fleet.demand(count * each, 0.1, rng)
        await fleet.demand(count * each, 1.0, rng)
        before = vendor.failed()
        answers = await fleet.demand(count * each, 8, rng)
        assert vendor.failed() - before <= count - 1
        assert not any(isinstance(answer, Exception) for _, _, answer in answers)
        assert vendor.failed() <= 3 * count + 4, "two failures in a row are enough by then"
        await fleet.end()

    run(story())


def test_without_sharing_it_costs_five_each() -> None:
    async def story() -> None:
        vendor = Seen()
        fleet = EngineFleet(10, FILE.replace("[breakers]", "[holds]"), a=vendor, b=well)
        await fleet.demand(20, 28, random.Random(1))
        assert vendor.failed() >= 45
        await fleet.end()

    run(story())


def test_it_opens_at_once_where_half_of_those_who_call_have_opened_it() -> None:
    async def story() -> None:
        bad = lambda number, now: Fail(ErrorCode.SERVER_ERROR) if number < 3 and now > 10 else Reply("fine")  # noqa: E731
        fleet = EngineFleet(6, FILE, a=bad, b=well)
        for _ in range(20):
            await asyncio.gather(*(process.ask() for process in fleet))
            await asyncio.sleep(1)
        for number in range(3):
            assert fleet[number].state().breaker.state != "closed"
        for number in range(3, 6):
            breaker = fleet[number].state().breaker
            assert breaker.state == "open"
            assert breaker.why == "3 of 6 processes have opened it"
            [event] = [event for event in fleet[number].events("breaker") if event.fields["state"] == "open"]
            assert event.sentence.startswith("a/m opened: 3 of 6 processes have opened it; retry in ")
        new = fleet.more()
        await asyncio.sleep(0.5)
        assert (await new.ask()).provider == "b", "one that starts learns it"
        assert new.calls("a") == 0
        await fleet.end()

    run(story())


def test_fewer_than_half_convince_nobody() -> None:
    async def story() -> None:
        bad = lambda number, now: Fail(ErrorCode.SERVER_ERROR) if number < 2 and now > 10 else Reply("fine")  # noqa: E731
        fleet = EngineFleet(6, FILE, a=bad, b=well)
        for _ in range(60):
            await asyncio.gather(*(process.ask() for process in fleet))
            await asyncio.sleep(1)
        for number in range(2, 6):
            assert fleet[number].state().breaker.state == "closed"
            assert fleet[number].calls("b") == 0
        await fleet.end()

    run(story())


def test_one_machine_convinces_nobody_however_many_processes_it_has() -> None:
    async def story() -> None:
        bad = lambda number, now: Fail(ErrorCode.SERVER_ERROR) if number < 6 and now > 10 else Reply("fine")  # noqa: E731
        fleet = EngineFleet(9, FILE, a_machine=6, a=bad, b=well)
        for _ in range(60):
            await asyncio.gather(*(process.ask() for process in fleet))
            await asyncio.sleep(1)
        assert all(fleet[number].state().breaker.state != "closed" for number in range(6))
        assert all(fleet[number].state().breaker.state == "closed" for number in range(6, 9))
        await fleet.end()

    run(story())


def test_an_answer_of_ones_own_outweighs_what_one_other_says() -> None:
    """After it five failures in a row are needed again."""

    async def story() -> None:
        fails = {1: 0}

        def bad(number: int, now: float) -> Step:
            if number == 0 and now > 5:
                return Fail(ErrorCode.SERVER_ERROR)
            fails[1] += number == 1
            return Fail(ErrorCode.SERVER_ERROR) if number == 1 and now >= 12 else Reply("fine")

        fleet = EngineFleet(3, FILE, a=bad, b=well)
        while asyncio.get_running_loop().time() < 12:
            await asyncio.gather(*(process.ask() for process in fleet))
            await asyncio.sleep(1)
        assert fleet[0].state().breaker.state == "open"
        before = fails[1]
        for _ in range(10):
            await fleet[1].ask()
        assert fails[1] - before == 5
        await fleet.end()

    run(story())


@pytest.mark.parametrize("seconds", [0.0, 3.0])
@pytest.mark.parametrize("probes", [1, 3])
def test_no_more_probes_at_a_time_than_the_fleet_has(seconds: float, probes: int) -> None:
    async def story() -> None:
        vendor = Seen(seconds)
        text = FILE + f"defaults: {{breaker: {{probes: {probes}}}}}\n"
        fleet = EngineFleet(20, text, a=vendor, b=well)
        await fleet.demand(20, ENDS - 1, random.Random(3))
        settled = [at for at, _ in vendor.asked if BEGINS + 12 <= at < ENDS]
        assert settled, "it is probed"
        assert max(sum(at <= other < at + max(seconds, 1e-9) for other in settled) for at in settled) <= probes
        # 10, 20, 40 … seconds apart, by two or three processes each time, where alone each of twenty would.
        assert len(settled) <= 12 * probes
        await fleet.end()

    run(story())


@pytest.mark.parametrize("fallback", [True, False])
@pytest.mark.parametrize("each", [0.1, 1.0])
def test_all_come_back_when_the_vendor_does(fallback: bool, each: float) -> None:
    async def story() -> None:
        vendor = Seen(ends=BEGINS + 30)
        text = FILE if fallback else FILE.replace(", fallbacks: [b/m]", "")
        fleet = EngineFleet(20, text, a=vendor, b=well)
        await fleet.demand(20 * each, BEGINS + 30 + 45, random.Random(4))
        before = vendor.failed(1e9)
        await fleet.demand(20 * each, 20, random.Random(5))
        since = [at for at, _ in vendor.asked if at > BEGINS + 75]
        assert len(since) >= 0.8 * 20 * each * 20, f"{before} before"
        await fleet.end()

    run(story())


def test_a_probe_that_succeeded_lets_others_probe_and_never_opens_the_gates() -> None:
    async def story() -> None:
        vendor = Seen(ends=BEGINS + 8)
        fleet = EngineFleet(10, FILE, a=vendor, b=well)
        await fleet.demand(10, BEGINS + 30, random.Random(6))
        closed = [event.time for process in fleet for event in process.events("breaker") if event.level == "good"]
        assert closed
        for process in fleet:
            states = [event.fields["state"] for event in process.events("breaker")]
            assert ("open", "closed") not in pairwise(states)
        await fleet.end()

    run(story())


def test_a_wrong_key_is_believed_of_two_or_met_oneself() -> None:
    async def story() -> None:
        refused = lambda number, now: Fail(ErrorCode.AUTHENTICATION) if now > 5 else Reply("fine")  # noqa: E731
        fleet = EngineFleet(8, FILE, a=refused, b=well)
        await asyncio.sleep(6)
        await fleet[0].ask()
        await asyncio.sleep(2)
        assert [process.key().breaker.state for process in fleet].count("open") == 1, "one alone is not believed"
        await fleet[1].ask()
        await asyncio.sleep(4)
        assert [process.key().breaker.state for process in fleet].count("open") == 8
        assert fleet.calls("a") == 2
        assert fleet[5].key().breaker.why == "2 processes were refused"
        await fleet.end()

    run(story())


def test_a_refusal_in_unclear_words_needs_one_request_where_another_process_had_two() -> None:
    async def story() -> None:
        unclear = lambda number, now: Fail(ErrorCode.AUTHENTICATION, "no") if now > 5 else Reply("fine")  # noqa: E731
        fleet = EngineFleet(3, FILE, a=unclear, b=well)
        await asyncio.sleep(6)
        await fleet[0].ask("chat")
        await fleet[0].ask("chat", "something else")
        assert fleet[0].key().breaker.state == "open"
        await asyncio.sleep(2)
        await fleet[1].ask()
        assert fleet[1].key().breaker.state == "open"
        await fleet.end()

    run(story())


def test_what_a_person_does_stays_with_that_process() -> None:
    async def story() -> None:
        fleet = EngineFleet(4, FILE, a=well, b=well)
        await asyncio.gather(*(process.ask() for process in fleet))
        for number in range(3):
            fleet[number].state().breaker.force("open")
        await asyncio.sleep(3)
        assert fleet[3].state().breaker.state == "closed"
        fleet[0].state().breaker.reset()
        await asyncio.sleep(3)
        assert fleet[1].state().breaker.manual
        assert fleet[1].state().breaker.state == "open"
        await fleet.end()

    run(story())


def test_closed_by_hand_stays_closed_whatever_others_say() -> None:
    async def story() -> None:
        fleet = EngineFleet(6, FILE, a=Seen(), b=well)
        fleet[0].state().breaker.force("closed")
        await fleet.demand(12, BEGINS + 8, random.Random(7))
        assert fleet[0].state().breaker.state == "closed"
        assert sum(process.state().breaker.state == "open" for process in fleet) == 5
        await fleet.end()

    run(story())


def test_away_each_probes_by_itself() -> None:
    async def story() -> None:
        vendor = Seen(ends=BEGINS + 20)
        fleet = EngineFleet(5, FILE, a=vendor, b=well)
        await fleet.demand(10, BEGINS + 5, random.Random(8))
        fleet.server.is_gone = True
        await fleet.demand(10, 70, random.Random(9))
        assert all(process.state().breaker.state == "closed" for process in fleet)
        await fleet.end()

    run(story())


def test_a_process_that_dies_with_a_place_leaves_it_to_others() -> None:
    async def story() -> None:
        hangs = {"since": 1e9}

        def vendor(number: int, now: float) -> Step:
            if now < 40:
                return Fail(ErrorCode.SERVER_ERROR) if now >= BEGINS else Reply("fine")
            hangs["since"] = min(hangs["since"], now)
            return Reply("fine", delay=100.0 if number == 0 else 0.0)

        fleet = EngineFleet(3, FILE, a=vendor, b=well)
        await fleet.demand(6, 39.9, random.Random(8))
        probing = asyncio.ensure_future(fleet[0].asks())
        while fleet[0].state().breaker.probing(asyncio.get_running_loop().time()) == 0:
            await asyncio.sleep(0.3)
            probing = asyncio.ensure_future(fleet[0].asks())
        await asyncio.sleep(2)
        assert [(await fleet[number].ask()).provider for number in (1, 2)] == ["b", "b"], "it has the only place"
        died = fleet.processes.pop(0)
        died.cut_off()
        await fleet.demand(4, 12, random.Random(9))
        assert all(process.state().breaker.state == "closed" for process in fleet)
        probing.cancel()
        await fleet.end()

    run(story())


def test_a_flaky_vendor_that_one_process_gave_up_is_not_given_up_by_all() -> None:
    """What one process says is weighed once: an answer of one's own clears it, however often it is said again."""

    async def story() -> None:
        rng = random.Random(11)

        def flaky(number: int, now: float) -> Step:
            bad = now > 5 and (number == 0 or rng.random() < 0.2)
            return Fail(ErrorCode.SERVER_ERROR) if bad else Reply("fine")

        fleet = EngineFleet(30, FILE, a=flaky, b=well)
        await fleet.demand(60, 60, random.Random(12))
        answered = sum(process.calls("a") for process in fleet.processes[1:])
        assert answered >= 0.7 * 58 * 60
        await fleet.end()

    run(story())
