"""Shared answers by Sentinels, to a cluster and over a socket; and when another server takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.crc import key_slot

from tests.support.answer_shops import Shop, file, shops
from tests.support.redis_groups import Cluster, Sentinels
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = [needs_redis, pytest.mark.usefixtures("patient")]
ON = ", single_flight: on"


async def share(url: str, then: Callable[[], None] | None = None) -> None:
    """Have two machines share answers; what happens `then` may cost some of them, and no more."""
    async with shops(file(url, shared=ON), file(url, shared=ON)) as (one, two):
        await one.store()
        assert await two.level() == "shared"
        await two.router.cache.clear()
        assert await one.level() == ""
        if then is not None:
            then()
            await again(one, two)


async def again(one: Shop, two: Shop) -> None:
    """Wait until they share again."""
    async with asyncio.timeout(60):
        number = 0
        while await two.level(f"prompt {number}") != "shared":
            number += 1
            await one.store(f"prompt {number}")
            await asyncio.sleep(0.05)


async def test_by_sentinels(tmp_path: Path) -> None:
    sentinels = Sentinels(tmp_path)
    try:
        await share(sentinels.url, sentinels.fail_over)
        await share(sentinels.url)
    finally:
        sentinels.kill()


async def test_to_a_cluster(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, key_slot(b"shop/0"))
    try:
        await share(cluster.url, cluster.fail_over)
        await share(cluster.url)
    finally:
        cluster.kill()


async def test_by_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    server = RedisServer(tmp_path, "--unixsocket", str(path))
    try:
        await share(f"unix://{path}")
    finally:
        server.kill()


async def test_with_a_password(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, password="word")
    try:
        await share(server.url.replace("//", "//:word@"))
    finally:
        server.kill()
