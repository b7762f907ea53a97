"""What stands among the clearings on a server though nobody here has made it."""

from __future__ import annotations

import asyncio

from tests.support.answer_shops import file, raw, shops
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = needs_redis
PREFIX = "sb:{shop/0}:"


async def test_bytes_that_are_no_text_clear_nothing_and_fail_nothing(server: RedisServer, patient: None) -> None:
    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    async with shops(*[file(server.url)] * 2) as (first, second):
        await first.store()
        with raw(server) as client:
            client.hset(PREFIX + "cg", b"\xff\xfe", b"\xff")
            client.set(PREFIX + "ct", b"\x80")
        assert await second.level() == "shared"
        assert await first.level() == "shared"
        await first.router.cache.clear()
        assert await second.level() == ""
    assert not failed
