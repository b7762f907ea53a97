"""What one process tells is known to all others, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from router.plan.rules import SharedRules
from router.shared.allocator import Allocator
from router.shared.link import Link
from router.shared.news import News
from router.testing import run
from tests.support.fleet import Server


class Process:
    """One process that tells and hears: `heard` has when, what and how long it holds still."""

    def __init__(self, server: Server, *, busy: bool = False) -> None:
        self.link = Link(server, SharedRules(url="redis://x", app="app"), lambda what, why, seconds: None)
        self.news = News(self.link, lambda: busy)
        self.link.parties.append(self.news)
        self.heard: list[tuple[float, str, str, float]] = []
        self.news.on("hold", self._hear)
        self._task = asyncio.get_running_loop().create_task(self.link.run())

    def _hear(self, name: str, payload: str, until: float, now: float) -> None:
        self.heard.append((now, name, payload, until - now))

    def publish(self, name: str, payload: str, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        self.news.publish("hold", name, payload, until=now + seconds, now=now)

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        await self.link.leave()


@pytest.mark.parametrize(("busy", "within"), [(False, 1.0), (True, 0.2)])
def test_all_know_it_within_a_second_and_the_busy_ones_sooner(busy: bool, within: float) -> None:
    async def story() -> None:
        server = Server()
        processes = [Process(server, busy=busy) for _ in range(10)]
        await asyncio.sleep(5.43)
        told = asyncio.get_running_loop().time()
        processes[0].publish("key", "rate_limited", 30.0)
        await asyncio.sleep(2)
        for process in processes[1:]:
            [(at, name, payload, left)] = process.heard
            assert (name, payload) == ("key", "rate_limited")
            assert at - told <= within
            assert told + 30 - 0.01 <= at + left <= told + 30 + 0.1, "it ends where it began to be told"
        for process in processes:
            await process.end()

    run(story())


def test_one_that_starts_learns_what_holds_and_nothing_that_has_ended() -> None:
    async def story() -> None:
        server = Server()
        first = Process(server)
        first.publish("short", "x", 3.0)
        first.publish("long", "y", 60.0)
        await asyncio.sleep(10)
        second = Process(server)
        await asyncio.sleep(0.5)
        assert [(name, payload) for _, name, payload, _ in second.heard] == [("long", "y")]
        assert second.heard[0][3] == pytest.approx(50, abs=1)
        await first.end()
        await second.end()

    run(story())


def test_what_was_told_while_the_server_was_away_is_told_when_it_is_back() -> None:
    async def story() -> None:
        server = Server()
        first, second = Process(server), Process(server)
        await asyncio.sleep(1)
        server.is_gone = True
        await asyncio.sleep(1)
        first.publish("key", "x", 30.0)
        first.publish("soon", "x", 2.0)
        await asyncio.sleep(5)
        server.is_gone = False
        await asyncio.sleep(2)
        assert [name for _, name, _, _ in second.heard] == ["key"]
        await first.end()
        await second.end()

    run(story())


def test_a_server_that_lost_its_data_is_told_again_what_holds() -> None:
    async def story() -> None:
        server = Server()
        first = Process(server)
        first.publish("key", "x", 60.0)
        await asyncio.sleep(2)
        server.allocator = Allocator()
        await asyncio.sleep(3)
        second = Process(server)
        await asyncio.sleep(1)
        assert [name for _, name, _, _ in second.heard] == ["key"]
        await first.end()
        await second.end()

    run(story())


def test_a_thousand_facts_reach_one_that_starts() -> None:
    async def story() -> None:
        server = Server()
        first = Process(server)
        for number in range(1000):
            first.publish(f"n{number}", "", 60.0)
        await asyncio.sleep(2)
        second = Process(server)
        await asyncio.sleep(1)
        assert {name for _, name, _, _ in second.heard} == {f"n{number}" for number in range(1000)}
        await first.end()
        await second.end()

    run(story())


def test_an_outage_that_all_see_makes_few_versions() -> None:
    """A fact is news once a second at most, however many tell it."""

    async def story() -> None:
        server = Server()
        processes = [Process(server) for _ in range(30)]
        await asyncio.sleep(2)
        for process in processes:
            process.publish("key", "x", 30.0)
            await asyncio.sleep(0.01)
        await asyncio.sleep(3)
        assert max(len(process.heard) for process in processes) <= 3
        for process in processes:
            await process.end()

    run(story())


@pytest.mark.parametrize("words", [("a b", "k", ""), ("a", "k\n", ""), ("a", "k", "one\ttwo"), ("", "k", "")])
def test_what_would_break_the_line_is_refused(words: tuple[str, str, str]) -> None:
    async def story() -> None:
        process = Process(Server())
        kind, name, payload = words
        with pytest.raises(ValueError, match="a fact has"):
            process.news.publish(kind, name, payload, until=9.0, now=0.0)
        await process.end()

    run(story())
