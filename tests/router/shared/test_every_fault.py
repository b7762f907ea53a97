"""All that can be shared at once, through each fault of the server and of the network, over real sockets: every request
is answered, rightly and without a long wait, all counts, and all is well after it.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.cells import each
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.sharing_process import CENT, FILE, Outcome, Program
from tests.support.waiting import until

pytestmark = needs_redis
PATIENT = 10.0  # seconds, half of what `paid` may take: it waits for no server, however busy this machine is
ROUTES = ("limited", "paid", "cached")


class World:
    """Two routers, and a network between them and their server."""

    def __init__(self, server: RedisServer, proxy: Proxy) -> None:
        self.server = server
        self.proxy = proxy
        self.programs: list[Program] = []
        self.found: list[tuple[str, Outcome]] = []
        self._asked = 0

    async def ask(self) -> None:
        """Have both ask by each route at once."""
        self._asked += 1

        async def one(program: Program, route: str, prompt: str) -> None:
            self.found.append((route, await program.ask(route, prompt)))

        await asyncio.gather(
            *(
                one(program, route, f"{route} {self._asked if route == 'cached' else f'{self._asked} {number}'}")
                for number, program in enumerate(self.programs)
                for route in ROUTES
            )
        )

    async def ask_for(self, seconds: float) -> None:
        """Have them ask for so long, six times at least."""
        end = asyncio.get_running_loop().time() + seconds
        for number in range(1000):
            if number >= 6 and asyncio.get_running_loop().time() > end:
                return
            await self.ask()
            await asyncio.sleep(0.1)

    def are_back(self) -> bool:
        """Say whether none of them is away, as far as it has told."""
        return all(program.states[-1:] != ["away"] for program in self.programs)

    def spent(self) -> float:
        """What the server has as spent, in cents."""
        with self.server.client() as client:
            names = [name for name in client.scan_iter("*:b:*") if not name.endswith(":l")]
            return sum(int(client.hget(name, "spent") or 0) for name in names) / CENT


@asynccontextmanager
async def world_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    (folder / "server").mkdir()
    monkeypatch.setenv("SIGNALBOX_STATE_DIR", str(folder))
    server = RedisServer(folder / "server", keeps=True)
    proxy = await Proxy(server.port).start()
    path = folder / "routes.yaml"
    path.write_text(FILE.format(url=f"redis://127.0.0.1:{proxy.port}", limit=60_000))
    world, watching = World(server, proxy), []
    try:
        world.programs = programs = [Program(path, {}) for _ in range(2)]
        watching = [asyncio.ensure_future(program.stalls.watch()) for program in programs]
        async with AsyncExitStack() as stack:
            for program in programs:
                await stack.enter_async_context(program.router)
            yield world
    finally:
        for task in watching:
            task.cancel()
        await proxy.stop()
        for each in (server, world.server):
            each.kill()


def command(*words: object) -> Callable[[World], Awaitable[None]]:
    async def fault(world: World) -> None:
        with world.server.client() as client:
            client.execute_command(*words)

    return fault


def network(**trouble: object) -> Callable[[World], Awaitable[None]]:
    async def fault(world: World) -> None:
        for name, value in trouble.items():
            setattr(world.proxy, name, value)
        await world.ask_for(0.5)
        world.proxy.heal()

    return fault


async def frozen(world: World) -> None:
    world.server.freeze()
    await world.ask_for(0.5)
    world.server.thaw()


async def restarted(world: World) -> None:
    world.server.kill()
    await world.ask_for(0.5)
    world.server.start()


async def restarted_empty(world: World) -> None:
    world.server.kill()
    for kept in world.server.folder.glob("appendonly*"):
        shutil.rmtree(kept)
    await world.ask_for(0.5)
    world.server.start()


async def out_of_memory(world: World) -> None:
    with world.server.client() as client:
        client.config_set("maxmemory", 1)
        await world.ask_for(0.5)
        client.config_set("maxmemory", 0)


async def replica_takes_over(world: World) -> None:
    (world.server.folder / "replica").mkdir()
    replica = RedisServer(
        world.server.folder / "replica", "--replicaof", "127.0.0.1", str(world.server.port), keeps=True
    )
    with replica.client() as client:
        await until(lambda: client.info("replication")["master_link_status"] == "up")
        world.server.kill()
        world.server = replica
        await world.ask_for(0.3)
        client.replicaof("NO", "ONE")
    world.proxy.to = replica.port


FAULTS: dict[str, Callable[[World], Awaitable[None]]] = {
    "frozen": frozen,
    "restarted": restarted,
    "restarted, its data lost": restarted_empty,
    "FLUSHALL": command("FLUSHALL"),
    "SCRIPT FLUSH": command("SCRIPT", "FLUSH"),
    "CLIENT KILL": command("CLIENT", "KILL", "TYPE", "normal"),
    "CLIENT PAUSE": command("CLIENT", "PAUSE", 700),
    "maxmemory": out_of_memory,
    "slow": network(delay=0.1),
    "too slow": network(delay=0.2),
    "jitter": network(delay=0.01, jitter=0.2),
    "a third is lost": network(drops=0.3),
    "cut": network(cuts=1500),
    "half open": network(deaf=True),
    "black hole": network(swallows=True),
    "replica takes over": replica_takes_over,
}


@pytest.mark.parametrize("fault", each(2, FAULTS))
async def test_all_goes_on_and_all_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    async with world_of(tmp_path, monkeypatch) as world:
        for _ in range(5):
            await world.ask()
        await FAULTS[fault](world)
        await world.ask_for(0.3)
        await until(world.are_back)
        await world.ask()
        assert {outcome.what for _, outcome in world.found} == {"right"}
        waits = [(outcome.waited - outcome.stalled, route) for route, outcome in world.found]
        assert max(waits) <= (PATIENT, "")
        paid = sum(route == "paid" for route, _ in world.found)
        await until(lambda: world.spent() == paid)


async def test_nobody_there_from_the_beginning_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world_of(tmp_path, monkeypatch) as world:
        await world.proxy.stop()
        await world.ask_for(0.5)
        assert {outcome.what for _, outcome in world.found} == {"right"}
        await world.proxy.start()
        await until(world.are_back)
        paid = sum(route == "paid" for route, _ in world.found)
        await until(lambda: world.spent() == paid)
