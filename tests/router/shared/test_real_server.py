"""Routers that share limits over a real server, and what happens to that."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from router import RouteExhausted
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.shared_routers import events_of, file, routers, served, states_of
from tests.support.waiting import until

pytestmark = needs_redis


async def test_two_routers_have_one_limit(server: RedisServer) -> None:
    async with routers(file(server.url, "60/h", wait="1s")) as both:
        got = [await served(both[number % 2]) for number in range(80)]
    assert 60 <= sum(got) <= 62
    assert all(got[:50])


async def test_a_provider_may_keep_its_limit_to_itself(server: RedisServer) -> None:
    text = file(server.url, "20/h").replace("kind: fake", "kind: fake, shared: false")
    async with routers(text) as both:
        assert sum([await served(both[number % 2]) for number in range(60)]) == 40


async def test_those_of_another_app_or_secret_share_nothing(server: RedisServer) -> None:
    texts = [file(server.url, "20/h", wait="1s", more=more) for more in ("", ", secret: one", ", secret: two")]
    for text in texts:
        async with routers(text, 1) as (router,):
            assert all([await served(router) for _ in range(20)])


FAULTS: dict[str, Callable[[RedisServer], object]] = {
    "frozen": RedisServer.freeze,
    "killed": RedisServer.kill,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_requests_go_on_while_it_is_away_and_all_is_well_after_it(server: RedisServer, fault: str) -> None:
    async with routers(file(server.url, "6000/min", wait="1s")) as both:
        assert all([await served(router) for router in both for _ in range(5)])
        FAULTS[fault](server)
        await until(lambda: all(states_of(router) == ["away"] for router in both))
        assert all([await served(router) for router in both for _ in range(5)])
        server.thaw() if fault == "frozen" else server.start()
        await until(lambda: all(states_of(router) == ["away", "back"] for router in both))
        assert all([await served(router) for router in both for _ in range(5)])
    assert [event.level for event in events_of(both[0])] == ["warning", "good"]
    assert events_of(both[0])[1].fields["seconds"] > 0


async def test_a_network_that_swallows_everything(server: RedisServer) -> None:
    proxy = await Proxy(server.port).start()
    try:
        async with routers(file(f"redis://127.0.0.1:{proxy.port}/0", "6000/min", wait="1s"), 1) as (router,):
            assert await served(router)
            proxy.swallows = True
            await until(lambda: states_of(router) == ["away"])
            assert await served(router)
            proxy.swallows = False
            await until(lambda: states_of(router) == ["away", "back"])
            assert await served(router)
            proxy.delay = 5.0
            await until(lambda: states_of(router) == ["away", "back", "away"])
            assert await served(router)
            proxy.delay = 0.0
    finally:
        await proxy.stop()


async def test_a_limit_outlives_a_restart_of_a_server_that_keeps_its_data(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, keeps=True)
    try:
        async with routers(file(server.url, "30/h", wait="1s"), 1) as (router,):
            assert all([await served(router) for _ in range(30)])
            await until(lambda: sum(_used(server)) >= 29.5)
            server.kill()
            await until(lambda: states_of(router) == ["away"])
            server.start()
            await until(lambda: states_of(router) == ["away", "back"])
            assert not await served(router)
    finally:
        server.kill()


def _used(server: RedisServer) -> list[float]:
    """Return what the server has counted as used of the limit, in each slot."""
    import struct

    with server.client() as client:
        client.connection_pool.connection_kwargs["decode_responses"] = False
        packed = [client.get(name) for name in client.scan_iter("*:l:*")]
    return list(struct.unpack(">dd31f", packed[0])[2:]) if packed else []


@pytest.mark.parametrize("command", ["SCRIPT FLUSH", "FLUSHALL", "CLIENT KILL TYPE normal"])
async def test_what_an_operator_may_do_to_it(server: RedisServer, command: str) -> None:
    async with routers(file(server.url, "6000/min", wait="1s")) as both:
        assert all([await served(router) for router in both for _ in range(5)])
        with server.client() as client:
            client.execute_command(*command.split())
        assert all([await served(router) for router in both for _ in range(40)])
        assert not any(map(states_of, both))


async def test_an_unreachable_server_is_a_warning_and_no_error() -> None:
    async with routers(file("redis://127.0.0.1:9/0", "6000/min", wait="1s"), 1) as (router,):
        assert await served(router)
        await until(lambda: states_of(router) == ["away"])
        assert "127.0.0.1:9" in events_of(router)[0].sentence


async def test_refuse_says_why(server: RedisServer) -> None:
    async with routers(file(server.url, "60/min", more=", away: refuse"), 1) as (router,):
        server.kill()
        await until(lambda: states_of(router) == ["away"])
        with pytest.raises(RouteExhausted, match="shared state is away"):
            await router.complete("chat", "hi")
        server.start()


async def test_no_key_url_or_name_is_on_the_server(server: RedisServer) -> None:
    async with routers(file(server.url, "60/min", more=", secret: also-planted")) as both:
        assert all([await served(router) for router in both])
        await until(lambda: _used(server))
        with server.client() as client:
            client.connection_pool.connection_kwargs["decode_responses"] = False
            names = list(client.scan_iter())
            values = [client.get(name) for name in names if client.type(name) == b"string"]
    kept = b" ".join([*names, *values])
    assert b"sb:{shop/0}:l:" in kept
    assert b"planted" not in kept


async def test_the_rights_of_the_docs_are_enough_and_fewer_are_told(server: RedisServer) -> None:
    page = (Path(__file__).parents[3] / "docs/shared.md").read_text()
    (rights,) = re.findall(r"^ACL SETUSER signalbox on >\S+ (.*)$", page, re.MULTILINE)
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "signalbox", "on", ">word", *rights.split())
        client.execute_command("ACL", "SETUSER", "less", "on", ">word", "~sb:*", "+ping", "+hello", "+client")
    for user, states in (("signalbox", []), ("less", ["away"])):
        url = server.url.replace("//", f"//{user}:word@")
        async with routers(file(url, "6000/min", wait="1s"), 1) as (router,):
            assert await served(router)
            await until(lambda states=states: states_of(router) == states)
            assert all("docs/shared.md" in event.sentence for event in events_of(router))
            assert "word" not in str(events_of(router))
