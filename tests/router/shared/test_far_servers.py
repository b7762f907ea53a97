"""A server that is far away, over real sockets: what is shared works wherever a reply comes in time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from router.plan.rules import SharedRules
from router.shared.sharing import attempt
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.shared_routers import file, routers, served, states_of
from tests.support.waiting import until

pytestmark = needs_redis
FAR = 0.2  # seconds to the server, and as much back: a reply comes within the 2 s, a connection does not


@asynccontextmanager
async def far(server: RedisServer) -> AsyncIterator[str]:
    proxy = await Proxy(server.port).start()
    proxy.delay = FAR
    try:
        yield f"redis://127.0.0.1:{proxy.port}"
    finally:
        await proxy.stop()


@pytest.mark.parametrize("shards", [1, 3])
async def test_one_that_answers_in_time_is_reached_though_connecting_takes_longer(
    server: RedisServer, shards: int
) -> None:
    async with far(server) as url, routers(file(url, "6000/min", wait="1s", more=f", shards: {shards}")) as both:
        with server.client() as client:
            await until(lambda: client.zcard("sb:{shop/0}:p") == 2)
        await until(lambda: all(states_of(router)[-1:] != ["away"] for router in both))
        assert all([await served(router) for router in both])


async def test_the_check_reaches_it_too(server: RedisServer) -> None:
    async with far(server) as url:
        assert await attempt(SharedRules(url=url, app="shop", timeout=2.0)) == ""
