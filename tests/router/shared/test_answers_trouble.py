"""Shared answers while their server is slow, frozen, killed, empty or full: no request waits for long, soon none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from router.plan.rules import SharedRules
from router.shared.answers import Answers, Command
from router.testing import run
from tests.support.answer_shops import Shop, file, shops
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.waiting import until

RULES = SharedRules(url="redis://nowhere", app="shop", secret="s", share=("cache",))
TEXTS = [f'["chat","[null,null]","{number}"]' for number in range(100)]


class Stub:
    """A server in virtual time that takes a while for each reply, and has nothing."""

    def __init__(self) -> None:
        self.takes = 0.001
        self.sent: list[str | bytes] = []

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        self.sent += [command[0] for command in commands]
        await asyncio.sleep(self.takes)
        return [[None] * (len(command) - 1) if command[0] == "MGET" else b"OK" for command in commands]

    async def aclose(self) -> None:
        """It has nothing to close."""


class World:
    """Answers over a stub, and what was told of it."""

    def __init__(self) -> None:
        self.stub = Stub()
        self.link_is_away = False
        self.told: list[str] = []
        self.answers = Answers(
            self.stub, RULES, lambda what, why, seconds: self.told.append(what), lambda: self.link_is_away
        )

    async def __aenter__(self) -> World:
        self.task = asyncio.create_task(self.answers.run())
        await self.answers.ready()
        self.stub.sent.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    async def lookup(self) -> float:
        """Look up something; returns how long that took."""
        clock = asyncio.get_running_loop().time
        began = clock()
        assert await self.answers.get(TEXTS[0]) is None
        return clock() - began


def test_what_is_looked_up_in_one_turn_is_one_command() -> None:
    async def story() -> None:
        async with World() as world:
            await asyncio.gather(*[world.answers.get(text) for text in TEXTS[:64]])
            assert world.stub.sent == ["MGET"]
            await asyncio.gather(*[world.answers.get(text) for text in TEXTS])
            assert world.stub.sent == ["MGET"] * 3, "a hundred are two"

    run(story())


def test_a_lookup_takes_20_ms_at_most_and_soon_nothing() -> None:
    async def story() -> None:
        async with World() as world:
            assert await world.lookup() == pytest.approx(0.001)
            world.stub.takes = 30.0
            took = [await world.lookup() for _ in range(10)]
            assert took[:3] == pytest.approx([0.02] * 3)
            assert took[3:] == [0.0] * 7
            assert world.told == ["away"]
            for _ in range(50):  # an hour of requests: nobody waits, and one command a second at most is tried
                await asyncio.sleep(72)
                assert await world.lookup() == 0.0
            assert world.told == ["away"]

    run(story())


def test_one_that_is_away_is_tried_once_a_second() -> None:
    async def story() -> None:
        async with World() as world:
            world.stub.takes = 0.1  # slow, but there
            for _ in range(4):
                await world.lookup()
            await asyncio.sleep(1)
            world.stub.sent.clear()
            for _ in range(1000):
                await asyncio.sleep(0.01)
                assert await world.lookup() == 0.0
            assert 8 <= world.stub.sent.count("PING") // 2 <= 11
            assert "MGET" not in world.stub.sent
            world.stub.takes = 0.001
            await asyncio.sleep(1.1)
            await world.lookup()
            await asyncio.sleep(0.1)
            assert world.told == ["away", "back"]
            assert await world.lookup() == pytest.approx(0.001)

    run(story())


def test_one_late_reply_is_forgiven() -> None:
    async def story() -> None:
        async with World() as world:
            for _ in range(20):
                world.stub.takes = 0.1
                assert await world.lookup() == pytest.approx(0.02)
                world.stub.takes = 0.001
                await asyncio.sleep(0.2)
                assert await world.lookup() == pytest.approx(0.001)
            assert world.told == []

    run(story())


def test_nobody_waits_where_the_limits_know_that_it_is_away() -> None:
    async def story() -> None:
        async with World() as world:
            world.stub.takes, world.link_is_away = 30.0, True
            assert await world.lookup() == 0.0
            assert world.stub.sent == []

    run(story())


def test_what_waits_to_be_stored_has_a_bound() -> None:
    async def story() -> None:
        async with World() as world:
            world.stub.takes = 0.2
            for _ in range(100):
                world.answers.put(TEXTS[0], b"x" * 1_000_000, 60.0)
            await world.answers.written()
            assert 8 <= world.stub.sent.count("SET") <= 17

    run(story())


@pytest.mark.parametrize("leaves", range(8))
def test_who_leaves_while_looking_up_disturbs_nobody(leaves: int) -> None:
    async def story() -> None:
        async with World() as world:
            tasks = [asyncio.create_task(world.answers.get(TEXTS[0])) for _ in range(3)]
            for _ in range(leaves):
                await asyncio.sleep(0)
            tasks[0].cancel()
            assert await asyncio.gather(*tasks[1:]) == [None, None]
            assert world.told == []

    run(story())


# --- a real server

FAULTS: dict[str, Callable[[RedisServer], object]] = {"frozen": RedisServer.freeze, "killed": RedisServer.kill}
MENDED: dict[str, Callable[[RedisServer], object]] = {"frozen": RedisServer.thaw, "killed": RedisServer.start}


def states_of(shop: Shop) -> list[str]:
    return [event.fields["state"] for event in shop.router.telemetry.events if event.kind == "shared"]


@needs_redis
@pytest.mark.parametrize("fault", FAULTS)
async def test_requests_go_on_while_it_is_away_and_share_again_after_it(
    server: RedisServer, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shops(file(server.url), file(server.url)) as (one, two):
        await one.store()
        FAULTS[fault](server)
        asked = 0
        while "away" not in states_of(two):
            asked += 1
            assert (await two.ask(f"prompt {asked}")).text == "answer of 1"
        monkeypatch.setattr("router.shared.answers.PATIENCE", 1000.0)
        for number in range(50):  # who waited now would wait for long
            assert (await two.ask(f"another {number}")).text == "answer of 1"
        MENDED[fault](server)

        async def is_back() -> bool:
            await two.level()
            return "back" in states_of(two)

        while not await is_back():
            await asyncio.sleep(0)
        await two.store("after it")
        while await one.level("after it") != "shared":
            await asyncio.sleep(0)
        assert states_of(two) == ["away", "back"]


@needs_redis
async def test_a_server_that_is_not_there_is_an_event_and_no_error(server: RedisServer) -> None:
    server.kill()
    async with shops(file(server.url)) as (one,):
        assert (await one.ask()).text == "answer of 0"
        await until(lambda: states_of(one) == ["away"])
        assert (await one.ask()).trace.cache_level == "memory"


@needs_redis
async def test_a_flushed_server_has_nothing_and_takes_anew(server: RedisServer, patient: None) -> None:
    async with shops(file(server.url), file(server.url)) as (one, two):
        await one.store()
        await one.router.cache.clear()
        await one.store()
        assert await two.level() == "shared"
        with server.client() as client:
            client.flushall()
        assert await two.level() == ""
        await one.store("another")
        assert await two.level("another") == "shared"
        await two.router.cache.clear()
        assert await one.level("another") == ""
        assert states_of(one) + states_of(two) == []


@needs_redis
async def test_a_full_server_serves_what_it_has_and_says_so_once(server: RedisServer, patient: None) -> None:
    async with shops(file(server.url), file(server.url)) as (one, two):
        await one.store()
        with server.client() as client:
            client.config_set("maxmemory", 1)
        for number in range(5):
            await one.store(f"prompt {number}")
        assert states_of(one) == ["refused"]
        assert await two.level() == "shared"
        assert await two.level("prompt 1") == ""
        with server.client() as client:
            client.config_set("maxmemory", 0)
        await one.store("after it")
        assert await two.level("after it") == "shared"


@needs_redis
@pytest.mark.parametrize("command", ["CLIENT KILL TYPE normal", "SCRIPT FLUSH"])
async def test_what_an_operator_may_do_to_it(server: RedisServer, command: str, patient: None) -> None:
    async with shops(file(server.url)) as (one,):
        await one.store()
        with server.client() as client:
            client.execute_command(*command.split(), *(["SKIPME", "yes"] if "KILL" in command else []))
        for _ in range(2):
            await one.level()
        assert await one.level() == "shared"
        assert states_of(one) == []
