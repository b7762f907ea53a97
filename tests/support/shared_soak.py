"""`make shared-soak`: processes share all that can be shared over a real redis-server, through every fault of it, of
the network and of themselves.

After each fault there is a pause in which all has to be well again. The table says, of each: the most requests that
were let in within a minute (of the limit), the part of the limit that was used in the last minute, the longest wait of
a request for the server (but for the time that its loop did not run), answers that were wrong, and how long it took
until all were back.
In the end the sum of the budget is held against what was charged. Beyond the bounds of docs/shared.md it fails.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from redis import Redis

from tests.support.paths import ROOT
from tests.support.proxy import Proxy
from tests.support.redis_groups import wait_for
from tests.support.redis_server import RedisServer
from tests.support.sharing_process import CENT, FILE

LIMIT, MINUTE = 1200, 60.0
DEMAND = 1.6  # of the limit
PAID, CACHED = 8.0, 10.0  # requests a second of each process
MOST, LEAST, LONGEST, RECOVERY = 1.15, 0.9, 0.35, 2.5  # of the limit; the same; seconds; the same
OUTAGE = 5.0  # seconds


class Call(NamedTuple):
    """What became of a request: when it ended, `right`, `wrong` or `refused`; its wait, and how long its loop did not
    run meanwhile.
    """

    at: float
    outcome: str
    waited: float
    stalled: float


@dataclass
class World:
    """The processes, their server, and the network between them."""

    folder: Path
    server: RedisServer
    proxy: Proxy
    seconds: float
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    reading: list[asyncio.Task[None]] = field(default_factory=list)
    calls: dict[str, list[Call]] = field(default_factory=lambda: {"limited": [], "paid": [], "cached": []})
    heard: list[list[tuple[float, str]]] = field(default_factory=list)  # when each process was away, or back
    began: float = 0.0  # when they asked for the limit
    killed: int = 0
    servers: int = 1

    async def start(self, number: int, count: int) -> None:
        """Start a process, on a machine of its own."""
        machine = self.folder / f"machine{number}"
        machine.mkdir(exist_ok=True)
        path = machine / "routes.yaml"
        path.write_text(FILE.format(url=f"redis://127.0.0.1:{self.proxy.port}", limit=LIMIT))
        rates = map(str, (DEMAND * LIMIT / MINUTE / count, PAID, CACHED))
        command = [sys.executable, "-m", "tests.support.sharing_process", str(path), str(self.seconds), *rates]
        env = {**os.environ, "SIGNALBOX_STATE_DIR": str(machine)}
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE)
        self.processes[number : number + 1] = [process]
        self.heard.append([])
        self.reading.append(asyncio.ensure_future(self._read(process, self.heard[-1])))

    async def _read(self, process: asyncio.subprocess.Process, heard: list[tuple[float, str]]) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            words = line.decode().split()  # who is killed says half of its last line
            if len(words) == 5:
                at, route, outcome, waited, stalled = words
                self.calls[route].append(Call(float(at), outcome, float(waited), float(stalled)))
            elif len(words) == 2 and words[1] in ("away", "back"):
                heard.append((float(words[0]), words[1]))

    def client(self) -> Redis:
        """Return a client of the server."""
        return self.server.client()

    async def do(self, *command: object) -> None:
        """Have the server do something."""
        with self.client() as client:
            await asyncio.to_thread(client.execute_command, *command)

    async def another(self) -> RedisServer:
        """Start a replica that has all that the server has."""
        folder = self.folder / f"server{self.servers}"
        folder.mkdir()
        self.servers += 1
        replica = await asyncio.to_thread(
            RedisServer, folder, "--replicaof", "127.0.0.1", str(self.server.port), keeps=True
        )
        with replica.client() as client:
            await asyncio.to_thread(wait_for, lambda: client.info("replication")["master_link_status"] == "up")
        return replica


# --- faults: each ends when nothing is wrong any more

Fault = Callable[[World], Awaitable[None]]


async def nothing(world: World) -> None:
    """All is well."""


async def server_frozen(world: World) -> None:
    world.server.freeze()
    await asyncio.sleep(OUTAGE)
    world.server.thaw()


async def server_restarted(world: World) -> None:
    world.server.kill()
    await asyncio.sleep(OUTAGE)
    await asyncio.to_thread(world.server.start)


async def server_restarted_empty(world: World) -> None:
    world.server.kill()
    for kept in world.server.folder.glob("appendonly*"):
        shutil.rmtree(kept)
    await asyncio.sleep(1)
    await asyncio.to_thread(world.server.start)


async def out_of_memory(world: World) -> None:
    await world.do("CONFIG", "SET", "maxmemory", 1)
    await asyncio.sleep(OUTAGE)
    await world.do("CONFIG", "SET", "maxmemory", 0)


async def paused(world: World) -> None:
    await world.do("CLIENT", "PAUSE", 4000)
    await asyncio.sleep(4)


async def replica_takes_over(world: World) -> None:
    """It is killed, and the address leads to its replica."""
    replica = await world.another()
    world.server.kill()
    await asyncio.sleep(1)
    world.server, world.proxy.to = replica, replica.port
    await world.do("REPLICAOF", "NO", "ONE")


async def demoted(world: World) -> None:
    """It takes no writes any more for a while, until the address leads to the one that does."""
    replica, old = await world.another(), world.server
    await asyncio.to_thread(_promote, replica, old)
    await asyncio.sleep(2)
    world.server, world.proxy.to = replica, replica.port
    await asyncio.sleep(1)
    old.kill()


def _promote(replica: RedisServer, old: RedisServer) -> None:
    with replica.client() as new, old.client() as before:
        new.execute_command("REPLICAOF", "NO", "ONE")
        before.execute_command("REPLICAOF", "127.0.0.1", replica.port)


async def process_killed(world: World) -> None:
    world.processes[0].kill()
    world.killed += 1
    await world.processes[0].wait()
    await world.start(0, len(world.processes))


def process_stopped(seconds: float) -> Fault:
    async def fault(world: World) -> None:
        world.processes[1].send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        world.processes[1].send_signal(signal.SIGCONT)

    return fault


def network(**trouble: object) -> Fault:
    async def fault(world: World) -> None:
        for name, value in trouble.items():
            setattr(world.proxy, name, value)
        await asyncio.sleep(OUTAGE)
        world.proxy.heal()

    return fault


async def unreachable(world: World) -> None:
    """Nobody listens there."""
    await world.proxy.stop()
    await asyncio.sleep(OUTAGE)
    await world.proxy.start()


def command(*words: object) -> Fault:
    return lambda world: world.do(*words)


FAULTS: dict[str, Fault] = {  # those that lose data have no other outage in the minute before
    "none": nothing,
    "SCRIPT FLUSH": command("SCRIPT", "FLUSH"),
    "CLIENT KILL": command("CLIENT", "KILL", "TYPE", "normal"),
    "server restarted, data lost": server_restarted_empty,
    "process killed": process_killed,
    "process stopped, 3 s": process_stopped(3),
    "process stopped, 7 s": process_stopped(7),
    "network: 100 ms": network(delay=0.05),
    "FLUSHALL": command("FLUSHALL"),
    "network: a tenth lost": network(drops=0.1),
    "network: cut after 3,000 bytes": network(cuts=3000),
    "network: half open": network(deaf=True),
    "network: black hole": network(swallows=True),
    "network: unreachable": unreachable,
    "network: 200 ms": network(delay=0.1),
    "network: 400 ms": network(delay=0.2),
    "network: jitter": network(delay=0.01, jitter=0.2),
    "server frozen": server_frozen,
    "server restarted, data kept": server_restarted,
    "CLIENT PAUSE": paused,
    "maxmemory": out_of_memory,
    "replica takes over": replica_takes_over,
    "demoted": demoted,
}


# --- the verdict


@dataclass
class Row:
    """What was seen from the beginning of a fault to that of the next."""

    name: str
    most: float
    served: float
    longest: float
    wrong: int
    recovery: float

    @property
    def trouble(self) -> list[str]:
        """What is beyond the bounds."""
        bounds = {
            f"{self.most:.2f} L in a minute": self.most > MOST,
            f"{self.served:.2f} L used": self.served < LEAST,
            f"waited {self.longest:.2f} s": self.longest > LONGEST,
            f"{self.wrong} wrong answers": self.wrong > 0,
            f"{self.recovery:.1f} s to recover": self.recovery > RECOVERY,
        }
        return [what for what, is_so in bounds.items() if is_so]

    def text(self) -> str:
        """Return it as a line of a table."""
        verdict = ", ".join(self.trouble) or "ok"
        return (
            f"| {self.name} | {self.most:.2f} L | {self.served:.2f} L | {self.longest * 1000:.0f} ms | {self.wrong} "
            f"| {self.recovery:.1f} s | {verdict} |"
        )


def row(world: World, name: str, began: float, healed: float, ended: float) -> Row:
    """Say what became of the requests of one fault."""
    moments = sorted(call.at for call in world.calls["limited"] if call.outcome != "refused")
    here = [at for at in moments if began <= at < ended]
    most = max((bisect_right(moments, at) - bisect_right(moments, at - MINUTE) for at in here), default=0)
    paid = [call for call in world.calls["paid"] if began <= call.at < ended]
    longest = max((call.waited - call.stalled for call in paid if call.outcome != "refused"), default=0.0)
    wrong = sum(call.outcome == "wrong" for calls in world.calls.values() for call in calls if began <= call.at < ended)
    wrong += sum(call.outcome == "refused" for call in paid)  # there was enough of everything
    minute = min(MINUTE, ended - world.began)
    served = sum(ended - minute <= at < ended for at in moments) / (LIMIT / MINUTE * minute)
    back = max((_back(heard, healed, ended) for heard in world.heard), default=healed)
    return Row(name, most / LIMIT, served, longest, wrong, back - healed)


def _back(heard: list[tuple[float, str]], healed: float, ended: float) -> float:
    """Return when a process was back that was away when all was well again, or was so a moment later."""
    before = [what for at, what in heard if at < healed + 0.5]
    if before[-1:] != ["away"]:
        return healed
    return next((at for at, what in heard if at >= healed and what == "back"), ended)


def sum_of_budgets(world: World) -> int:
    """Return what the server has as spent, in nano-dollars."""
    with world.client() as client:
        names = [name for name in client.scan_iter("*:b:*") if not name.endswith(":l")]
        return sum(int(client.hget(name, "spent") or 0) for name in names)


def money(world: World) -> tuple[str, bool]:
    """Hold the sum of the budgets against the charges; a process that is killed may lose a second of them."""
    charged = sum(call.outcome != "refused" for call in world.calls["paid"])
    counted, lost = sum_of_budgets(world) / CENT, world.killed * (2 * PAID + 10)
    is_well = charged - lost <= counted <= charged + world.killed  # one was paid as it was killed, and not told
    return f"charged {charged}, counted {counted:.0f} cents, {world.killed} processes killed", is_well


async def soak(world: World, count: int, pause: float, faults: dict[str, Fault]) -> bool:
    """Go through all faults; says whether all was well."""
    for number in range(count):
        await world.start(number, count)
    while not world.calls["paid"]:
        await asyncio.sleep(0.1)
    world.began = time.monotonic()
    print("| fault | most in a minute | used | longest wait | wrong | back after | verdict |")
    print("|---|---|---|---|---|---|---|", flush=True)
    is_well = True
    for name, fault in faults.items():
        began = time.monotonic()
        await fault(world)
        healed = time.monotonic()
        await asyncio.sleep(pause)
        seen = row(world, name, began, healed, time.monotonic())
        is_well = is_well and not seen.trouble
        print(seen.text(), flush=True)
    for process in world.processes:
        process.send_signal(signal.SIGTERM)
    codes = [await process.wait() for process in world.processes]
    await asyncio.gather(*world.reading)
    told, is_counted = money(world)
    print(told, "" if is_counted else "(wrong)", "" if not any(codes) else f"exit codes {codes}")
    return is_well and is_counted and not any(codes)


async def whole(count: int, pause: float, faults: dict[str, Fault]) -> bool:
    """Have a server, a network and processes, for as long as it takes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        (Path(folder) / "server0").mkdir()
        server = RedisServer(Path(folder) / "server0", keeps=True)
        longest = (pause + OUTAGE + 10) * len(faults) + 60  # whatever happens to this one, they end
        world = World(Path(folder), server, await Proxy(server.port).start(), longest)
        try:
            return await soak(world, count, pause, faults)
        finally:
            for process in world.processes:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            await world.proxy.stop()
            world.server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--pause", type=float, default=15, help="seconds after each fault")
    parser.add_argument("--only", default="", help="faults whose name has this word")
    options = parser.parse_args()
    faults = {name: fault for name, fault in FAULTS.items() if options.only in name}
    if not asyncio.run(whole(options.processes, options.pause, faults)):
        sys.exit(1)


if __name__ == "__main__":
    main()
