"""`shared.single_flight`: identical requests on several machines at the same time make one call."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from random import Random
from typing import Any, cast

import pytest

from providers import ErrorCode, FakeProvider, ProviderSettings
from providers.fake import Fail, Hang, Reply, Step
from providers.types import CompletionRequest
from router import RouteExhausted
from router.cache.codec import Entry, encode
from router.cache.shared_level import SharedAnswers
from router.cache.store import ResponseCache
from router.cache.turns import Turns
from router.config import load_text
from router.engine.engine import Engine
from router.engine.request import build_request
from router.plan.compile import compile_plan
from router.testing import run
from tests.support.answer_shops import Shop, file, raw, shops
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.waiting import until

pytestmark = [needs_redis, pytest.mark.usefixtures("patient")]

ON = ", single_flight: on"
SLOW = Reply("answer", delay=0.3)


def together(server: RedisServer, count: int, shared: str = ON) -> list[str]:
    return [file(server.url, shared=shared).replace("2KB", "2MB")] * count


def calls(found: list[Shop]) -> int:
    return sum(shop.calls for shop in found)


async def ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])


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


async def test_the_others_wait_until_a_large_answer_is_written(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()

    def slow(entry: Entry) -> bytes:
        written.wait(30)
        return encode(entry)

    async with shops(*together(server, 2)) as (one, two):
        monkeypatch.setattr("router.cache.store.encode", slow)
        one.fake.script = [Reply("x" * 500_000)]
        await one.ask()
        waiting = asyncio.create_task(two.ask())
        await asyncio.wait([waiting], timeout=0.3)
        written.set()
        assert (await waiting).trace.cache == "joined"
        assert two.calls == 0


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
        await ended(making)


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
        await ended(making)


class Busy:
    """Shared answers where another machine makes every call, and never comes to its end."""

    async def turn(self, text: str, most: float, read: object) -> None:
        await asyncio.sleep(most)


@pytest.mark.parametrize(("total", "waits"), [("8s", 4.0), ("1h", 10.0), ("off", 10.0)])
def test_waiting_is_bounded_and_is_part_of_the_request_s_time(total: str, waits: float) -> None:
    text = file("redis://nowhere").replace("cache: {ttl", f"timeout: {{total: {total}}}, cache: {{ttl", 1)
    called: list[float] = []

    def answer(_: CompletionRequest) -> Step:
        called.append(asyncio.get_running_loop().time())
        return Hang() if total == "8s" else Reply("answer")

    fake = FakeProvider(ProviderSettings(name="a", kind="fake", options={"script": answer}))
    engine = Engine(compile_plan(load_text(text, env={})), rng=Random(0), providers={"a": fake})

    async def story() -> float:
        clock = engine.enter_loop().time
        began = clock()
        chain, request, trace = engine.begin("planted-route", build_request, "planted-route", "hi", {})
        turns = Turns(engine, ResponseCache(None, 0, clock))
        with suppress(RouteExhausted):
            await turns.complete(cast(SharedAnswers, Busy()), "key", chain, request, trace)
        assert called == pytest.approx([began + waits])
        return clock() - began

    assert run(story()) == pytest.approx(8.0 if total == "8s" else waits)


async def test_streams_and_who_wants_it_anew_wait_for_nobody(server: RedisServer) -> None:
    async with shops(*together(server, 2)) as (one, two):
        one.fake.script = [Hang()]
        making = asyncio.create_task(one.ask())
        await until(lambda: one.calls)
        assert (await two.ask(stream=True)).text == "answer of 1"
        assert (await two.router.complete("planted-route", "planted-prompt", cache="refresh")).text == "answer of 1"
        assert two.calls == 2
        await ended(making)


async def test_without_a_server_each_machine_makes_its_own(server: RedisServer) -> None:
    async with shops(*together(server, 2)) as found:
        server.kill()
        for _ in range(4):
            for shop in found:
                shop.router.cache.forget_memory()
                await shop.ask()
        assert calls(found) == 8
