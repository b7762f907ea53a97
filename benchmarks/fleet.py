"""`python -m benchmarks.fleet [--pages]`: what a fleet asks of a shared server, and what it gets of a limit.

Three parts, in some minutes: what exchanges and the limits in them cost a real redis-server, its memory and the network
(its own figures, so that a slow machine only makes them larger); from that, on paper, 10,000 processes that call 1,000
targets; and fleets in virtual time over the server's twin in Python. With --pages the tables go into docs/shared.md.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import astuple, dataclass
from math import ceil
from pathlib import Path

from benchmarks.pages import ROOT, put
from router.shared.allocator import Allocator
from router.shared.exchange import Message, Reply
from router.shared.limit import LimitEntry
from router.shared.redis import RedisExchange
from router.testing import run
from tests.support.fleet import Fleet, most_in
from tests.support.redis_server import RedisServer

PROCESSES, TARGETS = 10_000, 1_000
FULLEST = 0.6  # of a core that one shard may take
RUNS, ROUNDS = 20, 100  # of which the least counts, since others may use the machine; and the exchanges of each
FEW, MANY = 1, 33  # limits in an exchange
SECONDS = 90.0
DENSE, SPARSE = (40, 6000, 0.5), (2000, 6000, 0.5)  # processes, limit a minute, demand as a part of it
FLEETS = ((40, 600, 0.5), (40, 600, 0.9), (40, 600, 1.5), DENSE, (400, 6000, 0.5), (400, 6000, 1.5), SPARSE)
BEGIN, END = "<!-- fleet -->\n", "<!-- end of fleet -->\n"


@dataclass(frozen=True)
class Cost:
    """Seconds of the script, of the server's CPU with all else and of the process's; bytes on the network."""

    script: float
    server: float
    process: float
    network: float

    def minus(self, other: Cost, parts: float) -> Cost:
        """Return a part of the difference."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Cost(*((mine - its) / parts for mine, its in pairs))


def message(number: int, limits: int) -> Message:
    """Return one that asks for something of so many limits."""
    names = [f"{place:012}r60" for place in range(limits)]
    used = ((0.2, 1.0), (0.1, 2.0))
    return Message("x" * 12, number, "", tuple(LimitEntry(name, 1e9, 60.0, 1e8, 3, 0.0, None, used) for name in names))


async def exchanges(server: RedisServer, limits: int) -> Cost:
    """Return what one exchange costs with so many limits."""

    def spent() -> Cost:
        cpu, network = client.info("cpu"), client.info("stats")
        script = client.info("commandstats")["cmdstat_evalsha"]["usec"] / 1e6
        its = cpu["used_cpu_user_main_thread"] + cpu["used_cpu_sys_main_thread"]
        return Cost(
            script, its, time.process_time(), network["total_net_input_bytes"] + network["total_net_output_bytes"]
        )

    exchange = RedisExchange(server.url, "bench/0", 5.0)
    await exchange.open(message(0, limits))
    with server.client() as client:
        for number in range(100):
            await exchange.send(message(number, limits))
        found = []
        for each in range(RUNS):
            before = spent()
            for number in range(ROUNDS):
                await exchange.send(message(1000 * (each + 1) + number, limits))
            found.append(astuple(spent().minus(before, ROUNDS)))
    await exchange.aclose()
    return Cost(*map(min, zip(*found, strict=True)))


@dataclass(frozen=True)
class Measured:
    """What one exchange costs, each limit in it, and the bytes of memory of a limit and of a process."""

    exchange: Cost
    entry: Cost
    of_limit: int
    of_process: int

    def text(self) -> str:
        """Say it in a sentence."""
        exchange, entry = self.exchange, self.entry
        return (
            f"The script takes {exchange.script * 1e6:.0f} µs for an exchange and {entry.script * 1e6:.1f} µs for each "
            f"limit in it (with reading and writing, which `io-threads` can take over, "
            f"{exchange.server * 1e6:.0f} and {entry.server * 1e6:.1f} µs of the server's CPU), the process "
            f"{exchange.process * 1e6:.0f} and {entry.process * 1e6:.1f} µs. On the network they are "
            f"{exchange.network:.0f} and {entry.network:.0f} bytes; in the server's memory a limit is {self.of_limit} "
            f"bytes and a process {self.of_process}.\n"
        )


def measured() -> Measured:
    """Measure it, on a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        try:
            few, many = (asyncio.run(exchanges(server, limits)) for limits in (FEW, MANY))
            entry = many.minus(few, MANY - FEW)
            with server.client() as client:
                limit = client.memory_usage(f"sb:{{bench/0}}:l:{0:012}r60")
                asyncio.run(exchanges(server, FEW))
                process = client.memory_usage(f"sb:{{bench/0}}:p:{'x' * 12}")
                client.zadd("living", {f"{place:012}": place for place in range(PROCESSES)})
                process += client.memory_usage("living") // PROCESSES
        finally:
            server.kill()
    return Measured(few.minus(entry, 1), entry, limit, process)


def on_paper(cost: Measured, sparse: float, dense: float) -> str:
    """Return the table of a fleet's load. Each request touches two limits: its key's requests and tokens.

    Args:
        sparse: asks a request where a process seldom calls a target; `dense` where it does so once a second.
    """
    tick = min(1.0, max(0.1, PROCESSES / 10_000))
    beats = PROCESSES / tick  # exchanges a second with a shard
    lines = [
        "| the fleet's traffic | limits in exchanges | cores: limits + exchanges with a shard "
        "| shards (load of each) | network |",
        "|---|---|---|---|---|",
    ]
    for what, requests, asks in (
        ("none, or no limits", 0, 0.0),
        ("100,000 requests/s", 100_000, sparse),
        ("1,000,000 requests/s, each process calls every target", 1_000_000, sparse),
        ("1,000,000 requests/s, each process calls 100 targets (`balance: affinity`)", 1_000_000, dense),
    ):
        entries = requests * 2 * asks
        cores, each = entries * cost.entry.script, beats * cost.exchange.script
        shards = max(1, ceil(cores / (FULLEST - each)))
        network = entries * cost.entry.network + shards * beats * cost.exchange.network
        lines.append(
            f"| {what} | {entries:,.0f}/s | {cores:.1f} + {each:.2f} | {shards} ({cores / shards + each:.0%}) "
            f"| {network / 1e6:,.0f} MB/s |"
        )
    memory = 2 * TARGETS * cost.of_limit + PROCESSES * cost.of_process
    lines += [
        "",
        f"The server's memory: {memory / 1e6:.1f} MB for {2 * TARGETS:,} limits and {PROCESSES:,} processes. More than "
        "64 shards are more than one `app` can have: give each region an `app`, and vendor keys, of its own.",
    ]
    return "\n".join(lines) + "\n"


class _Counted(Allocator):
    """One that counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.entries = self.messages = 0

    def exchange(self, message: Message, now: float) -> Reply:
        self.messages += 1
        self.entries += len(message.entries)
        return super().exchange(message, now)


async def story(count: int, limit: int, demand: float) -> tuple[float, str]:
    """Return the asks a request and the row of one fleet that asks for so much of a limit a minute."""
    fleet = Fleet(count, limit)
    counted = fleet.server.allocator = _Counted()
    await asyncio.sleep(2)  # all are known
    counted.entries = counted.messages = 0
    rate = demand * limit / 60
    await fleet.demand(rate, SECONDS)
    admitted = len(fleet.admitted)
    possible = min(admitted + fleet.refused, limit / 60 * SECONDS)
    asks = counted.entries / admitted
    waited = sum(wait > 0 for wait in fleet.waited) / admitted
    row = (
        f"| {count:,}, {limit:,}, {demand:g} L | {most_in(60.0, fleet.admitted) / limit:.2f} L "
        f"| {admitted / possible:.2f} | {asks:.2f} | {counted.messages / admitted:.2f} | {waited:.0%} |"
    )
    await fleet.end()
    return asks, row


def main() -> None:
    """Print it, and renew the page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", action="store_true", help="renew docs/shared.md")
    options = parser.parse_args()
    cost = measured()
    fleets = {fleet: run(story(*fleet)) for fleet in FLEETS}
    rows = "\n".join(
        (
            "| processes, L, demand | most in a minute | served of what was possible | asks a request "
            "| exchanges a request | waited for a reply |",
            "|---|---|---|---|---|---|",
            *(row for _, row in fleets.values()),
        )
    )
    told = "\n".join((cost.text(), on_paper(cost, fleets[SPARSE][0], fleets[DENSE][0]), rows)) + "\n"
    print(told)
    if options.pages:
        put(ROOT / "docs/shared.md", told, BEGIN, END)


if __name__ == "__main__":
    main()
