"""A router that is dropped without being closed leaves nothing behind, whatever it shares."""

from __future__ import annotations

import gc
import weakref

import pytest

from providers.fake import FakeProvider
from router import Router
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.waiting import until

pytestmark = needs_redis


@pytest.mark.parametrize("share", ["limits", "holds, breakers", "budgets", "fleet", "cache"])
async def test_it_is_collected_and_its_connections_end(server: RedisServer, share: str) -> None:
    text = (
        "providers: {a: {kind: fake, limits: {requests: 100/min, in_flight: 5}, budget: $5/d}}\n"
        "routes: {chat: {targets: [a/x], cache: 1h}}\n"
        f"shared: {{url: '{server.url}', secret: a-secret, timeout: 2s, share: [{share}]}}\n"
    )

    async def use() -> weakref.ref[Router]:
        router = Router.from_text(text, providers={"a": FakeProvider.scripted()}, monitor=False)
        await router.complete("chat", "hi")
        await until(lambda: clients(server) > 0)
        return weakref.ref(router)

    router = await use()
    await until(lambda: is_gone(router))
    await until(lambda: clients(server) == 0)


def is_gone(router: weakref.ref[Router]) -> bool:
    gc.collect()
    return router() is None


def clients(server: RedisServer) -> int:
    """The connections of routers."""
    with server.client() as client:
        return sum(each["name"] == "signalbox" for each in client.client_list())
