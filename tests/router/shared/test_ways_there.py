"""The ways to a shared server: by Sentinels, to a cluster, over TLS and a socket; and what happens on them."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.crc import key_slot

from router import Router
from router.shared.exchange import Message
from router.shared.redis import RedisExchange
from tests.support.certificates import Certificates
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.proxy import Proxy
from tests.support.redis_groups import NAME, Cluster, Sentinels, wait_for
from tests.support.redis_server import RedisServer, needs_redis, with_tls
from tests.support.shared_routers import events_of, file, routers, served, states_of
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


@asynccontextmanager
async def calling(url: str, server: RedisServer, more: str = "") -> AsyncIterator[list[Router]]:
    """Two routers that share over `url`, as `server` has heard."""
    async with routers(file(url, "6000/min", wait="1s", more=more)) as both:
        with server.client() as client:
            await until(lambda: client.zcard("sb:{shop/0}:p") >= 2)
        await calls_go_on(both)
        yield both


async def calls_go_on(both: list[Router]) -> None:
    """Wait until none of them is away, and call."""
    await until(lambda: not any(is_away(router) for router in both))
    assert all([await served(router) for router in both for _ in range(5)])


def is_away(router: Router) -> bool:
    return states_of(router)[-1:] == ["away"]


def why(router: Router) -> str:
    """Return what was said the last time that it was away."""
    return [event.sentence for event in events_of(router) if event.fields["state"] == "away"][-1]


# --- what a server says


REFUSALS = (
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "MOVED 3999 127.0.0.1:1",
    "ASK 3999 127.0.0.1:1",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "CLUSTERDOWN The cluster is down",
    "MASTERDOWN Link with MASTER is down",
    "NOREPLICAS Not enough good replicas to write.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF Errors writing to the AOF file",
    "BUSY Redis is busy running a script.",
    "NOAUTH Authentication required.",
    "ERR max number of clients reached",
)


async def test_whatever_it_says_it_is_away_and_then_back(server: RedisServer) -> None:
    async def one(words: str) -> str:
        proxy = await Proxy(server.port).start()
        try:
            async with calling(f"redis://127.0.0.1:{proxy.port}", server) as both:
                proxy.refuses = words
                await until(lambda: all(map(is_away, both)))
                assert all([await served(router) for router in both for _ in range(5)])
                said = why(both[0])
                proxy.refuses = ""
                await calls_go_on(both)
                return said
        finally:
            await proxy.stop()

    async with asyncio.TaskGroup() as group:
        heard = [group.create_task(one(words)) for words in REFUSALS]
    for words, said in zip(REFUSALS, [task.result() for task in heard], strict=True):
        assert words.partition(" ")[2] in said
        assert ("redis+cluster://" in said) is words.startswith(("MOVED", "ASK"))


async def test_a_server_that_becomes_a_replica(server: RedisServer) -> None:
    async with calling(server.url, server) as both:
        with server.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", free_port())
            await until(lambda: all(map(is_away, both)))
            assert "replica" in why(both[0])
            client.execute_command("REPLICAOF", "NO", "ONE")
        await calls_go_on(both)


# --- Sentinels


async def test_sentinels_say_where_the_server_is_and_one_of_them_is_enough(sentinels: Sentinels) -> None:
    sentinels.sentinels[1].kill()
    sentinels.sentinels[2].freeze()  # takes all the time of whoever asks it
    async with routers(file(sentinels.url, "60/h", wait="1s")) as both:
        with sentinels.master.client() as client:
            await until(lambda: client.zcard("sb:{shop/0}:p") == 2)
        got = [await served(both[number % 2]) for number in range(80)]
    assert 58 <= sum(got) <= 64


@pytest.mark.parametrize("way", ["in order", "killed"])
async def test_a_limit_outlives_a_failover(sentinels: Sentinels, way: str) -> None:
    async with routers(file(sentinels.url, "30/h", wait="1s")) as both:
        assert 30 <= sum([await served(both[number % 2]) for number in range(36)]) <= 32
        with sentinels.master.client() as client:
            assert client.wait(1, 5000) == 1, "the replica has it too"
        sentinels.fail_over() if way == "in order" else sentinels.master.kill()
        with sentinels.replica.client() as client:
            wait_for(lambda: client.role()[0] == "master")
        await until(lambda: not any(map(is_away, both)))
        assert not any([await served(router) for router in both])


async def test_a_name_that_the_sentinels_do_not_know(sentinels: Sentinels) -> None:
    async with routers(file(sentinels.url.replace(NAME, "other"), "6000/min", wait="1s"), 1) as (router,):
        await until(lambda: is_away(router))
        assert await served(router)
        assert "No master found for 'other'" in why(router)


@pytest.mark.parametrize("turns", range(1, 8))
async def test_closing_that_is_cancelled_closes_all(sentinels: Sentinels, turns: int) -> None:
    """The connections by which the way was found as well; what is left open would be warned of."""
    exchange = RedisExchange(sentinels.url, "shop/0", 10.0)
    await exchange.open(Message("process", 1, "", ()))
    closing = asyncio.ensure_future(exchange.aclose())
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await asyncio.sleep(0)
    del exchange, closing
    gc.collect()


# --- a cluster


async def test_routers_have_one_limit_over_a_cluster(cluster: Cluster) -> None:
    async with routers(file(cluster.url, "60/h", wait="1s")) as both:
        got = [await served(both[number % 2]) for number in range(80)]
    assert 60 <= sum(got) <= 62
    with cluster.owner.client() as client:
        assert list(client.scan_iter("sb:{shop/0}:l:*"))


async def test_shards_lie_on_all_nodes(cluster: Cluster) -> None:
    text = """
providers:
  a: {kind: fake, limits: {requests: 60/h}}
models:
  m0: {provider: a, id: m0, limits: {requests: 20/h}}
  m1: {provider: a, id: m1, limits: {requests: 20/h}}
  m2: {provider: a, id: m2, limits: {requests: 20/h}}
routes: {r0: m0, r1: m1, r2: m2}
defaults: {retry: {max_wait: 1s}}
shared: {url: "%s", app: parts, shards: 16, timeout: 2s}
"""
    async with routers(text % cluster.url) as both:
        for route in ("r0", "r1", "r2"):
            got = [await served(both[number % 2], route) for number in range(30)]
            assert 14 <= sum(got) <= 22  # each may have some in hand
        kept = []
        for node in cluster.nodes[:3]:
            with node.client() as client:
                kept.append({name.split("}")[0] for name in client.scan_iter("sb:{parts/*:l:*")})
        assert sum(map(len, kept)) >= 2, "not all in one"
        assert not set.intersection(*kept)


async def test_the_rights_of_the_docs_are_enough_for_a_cluster(cluster: Cluster) -> None:
    page = (ROOT / "docs/shared.md").read_text()
    (rights,) = re.findall(r"^ACL SETUSER signalbox on >\S+ (.*)$", page, re.MULTILINE)
    (more,) = re.findall(r"every node needs that user, with `(.*)` besides", page)
    for node in cluster.nodes:
        with node.client() as client:
            client.execute_command("ACL", "SETUSER", "signalbox", "on", ">word", *rights.split(), *more.split())
    async with calling(cluster.url.replace("//", "//signalbox:word@"), cluster.owner):
        pass


async def test_a_replica_of_the_cluster_takes_over_in_order(cluster: Cluster) -> None:
    async with calling(cluster.url, cluster.owner) as both:
        cluster.fail_over()
        with cluster.replica.client() as client:
            wait_for(lambda: client.role()[0] == "master")
        await calls_go_on(both)
        cluster.owner, cluster.replica = cluster.replica, cluster.owner


async def test_a_slot_moves_to_another_node(cluster: Cluster) -> None:
    here, there = cluster.id_of(cluster.owner), cluster.id_of(cluster.other)
    with cluster.owner.client() as source, cluster.other.client() as target:
        async with calling(cluster.url, cluster.owner) as both:
            target.execute_command("CLUSTER", "SETSLOT", SLOT, "IMPORTING", here)
            source.execute_command("CLUSTER", "SETSLOT", SLOT, "MIGRATING", there)
            source.execute_command("MIGRATE", "127.0.0.1", cluster.other.port, "sb:{shop/0}:e", 0, 1000)
            await until(lambda: all(map(is_away, both)))  # it says TRYAGAIN
            while names := source.execute_command("CLUSTER", "GETKEYSINSLOT", SLOT, 100):
                source.execute_command("MIGRATE", "127.0.0.1", cluster.other.port, "", 0, 1000, "KEYS", *names)
            await calls_go_on(both)  # the one that had the slot says ASK
            for client in (target, source):
                client.execute_command("CLUSTER", "SETSLOT", SLOT, "NODE", there)
            await calls_go_on(both)  # it says MOVED
    cluster.owner, cluster.other = cluster.other, cluster.owner


async def test_a_replica_takes_over_from_a_killed_node(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, SLOT)
    try:
        async with calling(cluster.url, cluster.owner) as both:
            cluster.owner.kill()
            with cluster.replica.client() as client:
                wait_for(lambda: client.role()[0] == "master")
                await until(lambda: "cmdstat_evalsha" in client.info("commandstats"))
            await calls_go_on(both)
    finally:
        cluster.kill()


async def test_a_plain_server_is_no_cluster_and_a_node_is_no_plain_server(
    cluster: Cluster, server: RedisServer
) -> None:
    plain, node = server.url.replace("redis:", "redis+cluster:"), f"redis://127.0.0.1:{cluster.nodes[0].port}"
    for url, advice in ((plain, "shared.url has to be redis://"), (node, "shared.url has to be redis+cluster://")):
        async with routers(file(url, "6000/min", wait="1s"), 1) as (router,):
            await until(lambda: is_away(router))
            assert advice in why(router)


# --- TLS, and a socket


async def test_by_tls(tmp_path: Path, certificates: Certificates) -> None:
    more = with_tls(certificates)
    server = RedisServer(tmp_path, *more)
    try:
        url = f"rediss://127.0.0.1:{more[1]}"
        async with calling(f"{url}?ssl_ca_certs={certificates.ca}", server):
            pass
        async with routers(file(url, "6000/min", wait="1s"), 1) as (router,):
            await until(lambda: is_away(router))
            assert "certificate" in why(router).lower()
    finally:
        server.kill()


async def test_to_a_cluster_by_tls(tmp_path: Path, certificates: Certificates) -> None:
    more = with_tls(certificates)
    own = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--tls-cluster", "yes")
    server = RedisServer(tmp_path, *more, *own)
    try:
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
            wait_for(lambda: client.cluster("INFO")["cluster_state"] == "ok")
        async with calling(f"rediss+cluster://127.0.0.1:{more[1]}?ssl_ca_certs={certificates.ca}", server):
            pass
    finally:
        server.kill()


async def test_by_sentinels_with_tls_and_passwords(tmp_path: Path, certificates: Certificates) -> None:
    master, watching = with_tls(certificates), with_tls(certificates)
    folder = tmp_path / "sentinel"
    folder.mkdir()
    (rights,) = re.findall(r"A user at the Sentinels needs\n`(.*)`", (ROOT / "docs/shared.md").read_text())
    lines = [
        f"sentinel monitor {NAME} 127.0.0.1 {master[1]} 1",
        f"sentinel auth-pass {NAME} word",
        "requirepass watcher",
        f"user signalbox on >watched {rights}",
    ]
    (folder / "sentinel.conf").write_text("\n".join(lines))
    server = RedisServer(tmp_path, *master, "--requirepass", "word", password="word")
    sentinel = RedisServer(
        folder, str(folder / "sentinel.conf"), *watching, "--tls-replication", "yes", "--sentinel", password="watcher"
    )
    try:
        there = f"rediss+sentinel://:word@127.0.0.1:{watching[1]}/{NAME}"
        async with calling(
            f"{there}?ssl_ca_certs={certificates.ca}&sentinel_username=signalbox&sentinel_password=watched", server
        ):
            pass
    finally:
        sentinel.kill()
        server.kill()


async def test_by_a_socket(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, "--unixsocket", str(tmp_path / "redis.sock"))
    try:
        text = file(f"unix://{tmp_path}/redis.sock?db=2", "6000/min", wait="1s")
        with server.client() as client:
            async with routers(text) as both:
                await until(lambda: client.info("keyspace").keys() == {"db2"})
                await calls_go_on(both)
    finally:
        server.kill()
