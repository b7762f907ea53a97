"""Vectors that routers share over a real server: each is made once, whoever asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from providers import EmbeddingResponse, ErrorCode, FakeProvider, ProviderError
from providers.fake import Fail, Hang, Reply
from providers.made_up import vector_of
from router import Router
from tests.support.answer_shops import raw
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.waiting import until

pytestmark = [needs_redis, pytest.mark.usefixtures("patient")]

FILE = """
providers: {{a: {{kind: fake, api_key: sk-planted-0123456789}}}}
models: {{small: {{provider: a, id: emb, embeds: {{dimensions: {size}}}, price: {{input: 1000}}}}}}
routes: {{kept: {{embeds: true, targets: [small], cache: {ttl}, retry: {{max_attempts: 1}}}}}}
cache: {{path: {path}}}
shared: {{url: "{url}", app: shop, share: [cache], secret: {secret}, timeout: 2s{shared}}}
"""
ON = ", single_flight: on"
SLOW = Reply(delay=0.3)


class Machine(NamedTuple):
    router: Router
    fake: FakeProvider

    @property
    def sent(self) -> list[str]:
        return [text for request in self.fake.requests for text in request.inputs]  # type: ignore[attr-defined]  # all are of embeddings

    async def embed(self, *texts: str) -> EmbeddingResponse:
        return await self.router.embed("kept", texts)


@asynccontextmanager
async def machines(
    server: RedisServer,
    count: int,
    *script: Reply | Fail | Hang,
    shared: str = "",
    size: int = 8,
    ttl: str = "1h",
    paths: list[Path] | None = None,
    secrets: list[str] | None = None,
) -> AsyncIterator[list[Machine]]:
    found = []
    for number in range(count):
        fake = FakeProvider.scripted(*(script or (Reply(),)), name="a")
        text = FILE.format(
            url=server.url,
            shared=shared,
            size=size,
            ttl=ttl,
            path="memory" if paths is None else paths[number],
            secret="planted-secret" if secrets is None else secrets[number],
        )
        found.append(Machine(Router.from_text(text, env={}, providers={"a": fake}), fake))
    try:
        for each in found:
            await each.router.__aenter__()
        yield found
    finally:
        for each in found:
            await each.router.aclose()


def expected(*texts: str, size: int = 8) -> bytes:
    return b"".join(vector_of(text, size) for text in texts)


async def test_what_one_has_paid_for_the_other_gets(server: RedisServer) -> None:
    async with machines(server, 2) as (one, two):
        await one.embed("x", "y")
        await one.router.cache.written()
        response = await two.embed("y", "z", "x")
        assert two.sent == ["z"]
        assert response.data == expected("y", "z", "x")
        assert (response.trace.cache, response.trace.cache_level) == ("hit for 2 of 3", "shared")
        again = await two.embed("y", "x")
        assert (again.cached, again.trace.cache_level) == (True, "memory")
        stats = two.router.cache.stats
        assert (stats.hits, stats.from_shared, stats.misses) == (4, 2, 1)
        assert stats.cost_saved > 0


async def test_many_are_looked_up_by_few_commands(server: RedisServer) -> None:
    texts = [f"text {number}" for number in range(1000)]
    async with machines(server, 2, size=1536) as (one, two):
        await one.embed(*texts)
        await one.router.cache.written()
        with raw(server) as client:
            before = client.info("commandstats").get("cmdstat_mget", {}).get("calls", 0)
            found = await two.embed(*texts)
            asked = client.info("commandstats")["cmdstat_mget"]["calls"] - before
        assert found.data == expected(*texts, size=1536)
        assert asked <= 16 + 1
        assert len(two.sent) < 1000, "what came in time was not asked for"


async def test_vectors_of_others_are_kept_on_the_own_disk(server: RedisServer, tmp_path: Path) -> None:
    async with machines(server, 2, paths=[tmp_path / "one", tmp_path / "two"]) as (one, two):
        await one.embed("x")
        await one.router.cache.written()
        await two.embed("x")
        await two.router.cache.written()
        two.router.cache.forget_memory()
        assert (await two.embed("x")).trace.cache_level == "disk"


async def test_they_end_with_their_route_s_time(server: RedisServer) -> None:
    async with machines(server, 1, ttl="2h") as (one,):
        await one.embed("x")
        await one.router.cache.written()
        with raw(server) as client:
            (name,) = client.keys("*:c:*")
            assert 7190 < client.ttl(name) <= 7200


@pytest.mark.parametrize("harm", [b"", b"SBv1" + bytes(44), b"x" * 60])
async def test_what_was_tampered_with_is_a_miss_and_is_told(server: RedisServer, harm: bytes) -> None:
    async with machines(server, 2) as (one, two):
        await one.embed("x")
        await one.router.cache.written()
        with raw(server) as client:
            (name,) = client.keys("*:c:*")
            client.set(name, harm)
        assert (await two.embed("x")).data == expected("x")
        assert two.sent == ["x"]
        events = [event for event in two.router.telemetry.events if event.kind == "shared"]
        assert [event.fields["state"] for event in events] == ["forged"]


async def test_no_text_key_or_name_is_on_the_server(server: RedisServer) -> None:
    async with machines(server, 1) as (one,):
        await one.embed("planted-text")
        await one.router.cache.written()
        with raw(server) as client:
            stored = b"".join(name + client.get(name) for name in client.keys("*:c:*"))
        assert stored
        assert not any(word in stored for word in (b"planted", b"kept", b"emb"))


async def test_who_has_another_secret_shares_nothing(server: RedisServer) -> None:
    async with machines(server, 2, secrets=["one-secret", "two-secret"]) as (one, two):
        await one.embed("x")
        await one.router.cache.written()
        assert (await two.embed("x")).trace.cache == "stored"


async def test_what_one_clears_nobody_finds(server: RedisServer) -> None:
    async with machines(server, 2) as (one, two):
        await one.embed("x")
        await one.router.cache.written()
        await one.router.cache.clear(route="kept")
        assert (await two.embed("x")).trace.cache == "stored"


async def test_while_the_server_is_away_each_machine_is_on_its_own(server: RedisServer) -> None:
    async with machines(server, 2, shared=ON) as (one, two):
        await one.embed("x")
        await one.router.cache.written()
        server.kill()
        assert (await two.embed("x")).data == expected("x")
        assert (await one.embed("x", "y")).data == expected("x", "y")
        assert two.sent == ["x"]


async def test_at_the_same_time_all_machines_ask_once_for_each_input(server: RedisServer) -> None:
    asked = [("x", "y"), ("y", "z"), ("z", "x", "y")]
    async with machines(server, 3, SLOW, shared=ON) as found:
        replies = await asyncio.gather(*[each.embed(*texts) for each, texts in zip(found, asked, strict=True)])
        assert sorted(text for each in found for text in each.sent) == ["x", "y", "z"]
        for texts, reply in zip(asked, replies, strict=True):
            assert reply.data == expected(*texts)
        assert any(reply.trace.cache.startswith("joined") for reply in replies)
        assert sum(each.router.cache.stats.joined for each in found) == 4
        with raw(server) as client:
            await until(lambda: not client.keys("*:f:*"))


async def test_without_single_flight_each_machine_asks(server: RedisServer) -> None:
    async with machines(server, 2, SLOW) as found:
        await asyncio.gather(*[each.embed("x") for each in found])
        assert [each.sent for each in found] == [["x"], ["x"]]


async def test_where_the_first_fails_another_machine_asks(server: RedisServer) -> None:
    async with machines(server, 2, SLOW, shared=ON) as (one, two):
        one.fake.script = [Fail(ErrorCode.INVALID_REQUEST, delay=0.3)]
        failing = asyncio.ensure_future(one.embed("x"))
        await until(lambda: bool(one.fake.requests))
        assert (await two.embed("x")).data == expected("x")
        with pytest.raises(ProviderError):
            await failing
        with raw(server) as client:
            await until(lambda: not client.keys("*:f:*"))


async def test_who_leaves_gives_its_rights_back(server: RedisServer) -> None:
    async with machines(server, 2, shared=ON) as (one, two):
        one.fake.script = [Hang()]
        hanging = asyncio.ensure_future(one.embed("x", "y"))
        await until(lambda: bool(one.fake.requests))
        waiting = asyncio.ensure_future(two.embed("x"))
        hanging.cancel()
        assert (await waiting).data == expected("x")
        assert two.sent == ["x"]
