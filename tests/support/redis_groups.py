"""Several redis-servers that belong together, on loopback: under Sentinels, and as a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from redis.exceptions import RedisError

from tests.support.ports import free_port
from tests.support.redis_server import RedisServer

NAME = "the-state"
_SLOTS = 16_384
_THIRD = _SLOTS // 3


class Sentinels:
    """A server and its replica, and three Sentinels that watch them under `NAME`."""

    def __init__(self, folder: Path) -> None:
        self.master = RedisServer(_folder(folder, "master"))
        self.replica = RedisServer(_folder(folder, "replica"), "--replicaof", "127.0.0.1", str(self.master.port))
        with self.replica.client() as client:
            wait_for(lambda: client.info("replication")["master_link_status"] == "up")
        self.sentinels = [self._sentinel(_folder(folder, f"sentinel{number}")) for number in range(3)]
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        self.url = f"redis+sentinel://{hosts}/{NAME}"
        with self.sentinels[0].client() as client:
            wait_for(lambda: client.sentinel_master(NAME)["num-slaves"] == 1)

    def _sentinel(self, folder: Path) -> RedisServer:
        config = folder / "sentinel.conf"
        config.write_text(
            f"sentinel monitor {NAME} 127.0.0.1 {self.master.port} 1\n"
            f"sentinel down-after-milliseconds {NAME} 500\n"
            f"sentinel failover-timeout {NAME} 3000\n"
        )
        return RedisServer(folder, str(config), "--sentinel")

    def fail_over(self) -> None:
        """Have the replica take over, in order, as soon as the Sentinel has heard well of it."""
        with self.sentinels[0].client() as client:
            wait_for(lambda: client.execute_command("SENTINEL", "FAILOVER", NAME))

    def kill(self) -> None:
        """End all of them."""
        for server in (*self.sentinels, self.replica, self.master):
            server.kill()


class Cluster:
    """Three nodes with a third of the slots each, and `replica`, which is the replica of the one that has `slot`."""

    def __init__(self, folder: Path, slot: int) -> None:
        buses = [free_port() for _ in range(4)]
        self.nodes = []
        for number, bus in enumerate(buses):
            own = ("--cluster-enabled", "yes", "--cluster-node-timeout", "500", "--cluster-port", str(bus))
            self.nodes.append(RedisServer(_folder(folder, f"node{number}"), *own))
        *masters, self.replica = self.nodes
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in masters)
        self.owner, self.other = (masters[(min(2, slot // _THIRD) + more) % 3] for more in (0, 1))
        for number, node in enumerate(self.nodes):
            with node.client() as client:
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                if node in masters:
                    last = _SLOTS - 1 if number == 2 else (number + 1) * _THIRD - 1
                    client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * _THIRD, last)
                for other, its in zip(self.nodes[:number], buses, strict=False):
                    client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, its)
        with self.replica.client() as client:
            owner = self.id_of(self.owner)
            wait_for(lambda: client.execute_command("CLUSTER", "REPLICATE", owner))
            wait_for(lambda: client.info("replication")["master_link_status"] == "up")
        for node in self.nodes:
            with node.client() as client:
                wait_for(lambda: client.cluster("INFO")["cluster_state"] == "ok")
                wait_for(lambda: len(client.cluster("NODES")) == 4)

    def id_of(self, node: RedisServer) -> str:
        """Return the name that a node has in the cluster."""
        with node.client() as client:
            return str(client.cluster("MYID"))

    def fail_over(self) -> None:
        """Have the replica take over, in order."""
        with self.replica.client() as client:
            client.execute_command("CLUSTER", "FAILOVER")

    def kill(self) -> None:
        """End all of them."""
        for node in self.nodes:
            node.kill()


def wait_for(is_so: Callable[[], object]) -> None:
    """Wait until something is so; a server that refuses meanwhile is asked again."""
    end = time.monotonic() + 120
    while True:
        try:
            if is_so():
                return
        except RedisError:
            pass
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.02)


def _folder(folder: Path, name: str) -> Path:
    own = folder / name
    own.mkdir()
    return own
