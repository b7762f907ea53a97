"""`shared.single_flight`: identical requests on several machines at the same time make one call."""

from __future__ import annotations

import asyncio

import pytest

from providers import ErrorCode
from providers.fake import Fail, Hang, Reply
from router import RouteExhausted
from tests.router.shared.test_answers import Shop, file, raw, shops
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.waiting import until

pytestmark = needs_redis

ON = ", single_flight: on"
SLOW = Reply("answer", delay=0.3)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lookup is late, however busy this machine is."""
    monkeypatch.setattr("router.shared.answers.PATIENCE", 30.0)


def together(server: RedisServer, count: int, shared: str = ON) -> list[str]:
    return [file(server.url, shared=shared).replace("2KB", "2MB")] * count


def calls(found: list[Shop]) -> int:
    return sum(shop.calls for shop in found)


@pytest.mark.parametrize("size", [10, 500_000], ids=["small", "large"])
async def test_at_the_same_time_they_make_one_call(server: RedisServer, size: int) -> None:
    async with shops(*together(server, 3)) as found:
        for shop in found:
            shop.fake.script = [Reply("x" * size, delay=0.3)]
        replies = await asyncio.gather(*[shop.ask() for shop in found for _ in range(5)])
        assert calls(found) == 1
        assert {reply.text for reply in replies} == {"x" * size}
        assert sorted({reply.trace.cache for reply in replies}) == ["joined", "stored"]
        assert sum(reply.trace.cache_level == "shared" for reply in replies) == 2
        assert sum(shop.router.snapshot().figures.totals.calls for shop in found) == 15
        with raw(server) as client:
            await until(lambda: not client.keys("*:f:*"))


async def test_without_it_each_machine_makes_its_own(server: RedisServer) -> None:
    async with shops(*together(server, 3, shared="")) as found:
        for shop in found:
            shop.fake.script = [SLOW]
        await asyncio.gather(*[shop.ask() for shop in found])
        assert calls(found) == 3
        with raw(server) as client:
            assert not client.keys("*:f:*")


async def test_whose_maker_fails_the_next_one_makes_it(server: RedisServer) -> None:
    async with shops(*together(server, 3)) as found:
        first = found[0]
        first.fake.script = [Fail(ErrorCode.AUTHENTICATION, delay=0.2)]
        for shop in found[1:]:
            shop.fake.script = [SLOW]
        failing = asyncio.create_task(first.ask())
        await until(lambda: first.calls)
        replies = await asyncio.gather(*[shop.ask() for shop in found[1:]])
        with pytest.raises(RouteExhausted):
            await failing
        assert [reply.text for reply in replies] == ["answer"] * 2
        assert calls(found) == 2


async def test_whose_maker_leaves_the_next_one_makes_it(server: RedisServer) -> None:
    async with shops(*together(server, 2)) as (one, two):
        one.fake.script = [Hang()]
        leaving = asyncio.create_task(one.ask())
        await until(lambda: one.calls)
        waiting = asyncio.create_task(two.ask())
        leaving.cancel()
        assert (await waiting).text == "answer of 1"
        assert two.calls == 1


async def test_whose_maker_was_killed_the_next_one_goes_on_when_its_right_ends(server: RedisServer) -> None:
    async with shops(*together(server, 2)) as (one, two):
        one.fake.script = [Hang()]
        making = asyncio.create_task(one.ask())
        await until(lambda: one.calls)
        waiting = asyncio.create_task(two.ask())
        with raw(server) as client:
            (name,) = client.keys("*:f:*")
            assert 0 < client.pttl(name) <= 10_000
            client.delete(name)  # as it ends by itself, 10 s after its maker has renewed it last
        assert (await waiting).text == "answer of 1"
        making.cancel()


async def test_nobody_waits_longer_than_the_route_usually_takes(server: RedisServer) -> None:
    async with shops(*together(server, 2)) as (one, two):
        for number in range(20):  # so many are enough for a quantile
            await two.ask(f"prompt {number}")
        one.fake.script = [Hang()]
        making = asyncio.create_task(one.ask())
        await until(lambda: one.calls)
        assert (await two.ask()).text == "answer of 1"
        with raw(server) as client:
            assert client.keys("*:f:*"), "the maker goes on"
        making.cancel()


async def test_a_request_s_own_time_bounds_the_wait(server: RedisServer) -> None:
    async with shops(*together(server, 2)) as (one, two):
        one.fake.script = [Hang()]
        making = asyncio.create_task(one.ask())
        await until(lambda: one.calls)
        two.fake.script = [Hang()]
        with pytest.raises(RouteExhausted):
            await two.router.complete("planted-route", "planted-prompt", timeout={"total": 1.0})
        assert two.calls == 1
        timeouts = two.fake.requests[0].timeout or {}
        assert timeouts["total"] <= 0.5  # type: ignore[operator]  # it is no "off"
        making.cancel()


async def test_streams_and_who_wants_it_anew_wait_for_nobody(server: RedisServer) -> None:
    async with shops(*together(server, 2)) as (one, two):
        one.fake.script = [Hang()]
        making = asyncio.create_task(one.ask())
        await until(lambda: one.calls)
        assert (await two.ask(stream=True)).text == "answer of 1"
        assert (await two.router.complete("planted-route", "planted-prompt", cache="refresh")).text == "answer of 1"
        assert two.calls == 2
        making.cancel()


async def test_without_a_server_each_machine_makes_its_own(server: RedisServer) -> None:
    async with shops(*together(server, 2)) as found:
        server.kill()
        for _ in range(4):
            for shop in found:
                shop.router.cache.forget_memory()
                await shop.ask()
        assert calls(found) == 8
