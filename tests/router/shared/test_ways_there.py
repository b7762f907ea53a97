"""The ways to a shared server: by Sentinels, to a cluster, over TLS and a socket; and what happens on them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.crc import key_slot

from router import Router
from tests.router.shared.test_real_server import events_of, file, routers, served, states_of
from tests.support.certificates import Certificates, make_certificates
from tests.support.proxy import Proxy
from tests.support.redis_groups import NAME, Cluster, Sentinels, wait_for
from tests.support.redis_server import RedisServer, free_port, needs_redis
from tests.support.waiting import until

pytestmark = needs_redis
SLOT = key_slot(b"shop/0")


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    sentinels = Sentinels(tmp_path)
    yield sentinels
    sentinels.kill()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), SLOT)
    yield cluster
    cluster.kill()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def calling(url: str, more: str = "") -> AsyncIterator[list[Router]]:
    async with routers(file(url, "6000/min", wait="1s", more=more)) as both:
        assert all([await served(router) for router in both for _ in range(5)])
        assert not any(map(states_of, both))
        yield both


async def go_on(both: list[Router], *, away: bool) -> None:
    """Wait until they are back, where they have to have been away, and call."""
    if away:
        await until(lambda: all(states_of(router)[-1:] == ["back"] for router in both))
    assert all([await served(router) for router in both for _ in range(5)])
    assert all("down" not in str(event.fields.get("why")) or away for event in events_of(both[0]))


# --- Sentinels


async def test_sentinels_say_where_the_server_is_and_one_of_them_is_enough(sentinels: Sentinels) -> None:
    sentinels.sentinels[1].kill()
    sentinels.sentinels[2].freeze()  # takes all the time of whoever asks it
    async with routers(file(sentinels.url, "60/h", wait="1s")) as both:
        await until(lambda: all(router.states for router in both))
        got = [await served(both[number % 2]) for number in range(80)]
    assert 58 <= sum(got) <= 64


@pytest.mark.parametrize("way", ["in order", "killed"])
async def test_a_limit_outlives_a_failover(sentinels: Sentinels, way: str) -> None:
    async with routers(file(sentinels.url, "30/h", wait="1s")) as both:
        assert all([await served(both[number % 2]) for number in range(30)])
        sentinels.fail_over() if way == "in order" else sentinels.master.kill()
        with sentinels.replica.client() as client:
            wait_for(lambda: client.role()[0] == "master")
        await until(lambda: not any(states_of(router)[-1:] == ["away"] for router in both))
        assert not any([await served(router) for router in both])


async def test_a_name_that_the_sentinels_do_not_know(sentinels: Sentinels) -> None:
    async with routers(file(sentinels.url.replace(NAME, "other"), "60/min", wait="1s"), 1) as (router,):
        assert await served(router)
        assert states_of(router) == ["away"]
        assert "No master found for 'other'" in events_of(router)[0].sentence


# --- a cluster


async def test_routers_have_one_limit_over_a_cluster(cluster: Cluster) -> None:
    async with routers(file(cluster.url, "60/h", wait="1s")) as both:
        got = [await served(both[number % 2]) for number in range(80)]
    assert 60 <= sum(got) <= 62
    with cluster.owner.client() as client:
        assert list(client.scan_iter("sb:{shop/0}:l:*"))


async def test_a_replica_of_the_cluster_takes_over(cluster: Cluster) -> None:
    async with calling(cluster.url) as both:
        cluster.fail_over()
        with cluster.replica.client() as client:
            wait_for(lambda: client.role()[0] == "master")
        await until(lambda: not any(states_of(router)[-1:] == ["away"] for router in both))
        await go_on(both, away=False)
