"""`python -m benchmarks.load`: an app of several processes under load, watched, not watched, and by stopped clients.

Each worker asks the fake provider at a steady rate. The three take turns; clients are stopped (SIGSTOP) for the whole
round, and all are killed (SIGKILL) at its end. Printed are the throughput and the CPU time per request of each, the
client's own CPU time, and whether the figures agree with the app's own counts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from providers import FakeProvider
from router import Router
from router.monitor.socket.client import SocketFeed, discover
from router.monitor.socket.paths import FOLDER
from router.views.figures import Snapshot

FILE = """
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}}
models: {x: {provider: a, id: x, price: {input: 1, output: 2}}}
routes:
  chat: {targets: {x: 5, b/y: 3, c/z: 2}}
  spare: {targets: [b/y], fallbacks: [x]}
"""


async def work(path: str, rate: float) -> None:
    """A worker: told by lines on stdin (`run SECONDS`, `end`), it answers with a line of JSON."""
    fakes = {name: FakeProvider.scripted(name=name) for name in "abc"}
    async with Router.from_yaml(path, providers=fakes, watch=False) as router:
        loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        done = 0
        await router.complete("chat", "hi")
        done += 1
        _say(done=done)
        while (line := (await lines.readline()).split()) and line[0] == b"run":
            spent, began, before = time.process_time(), loop.time(), done
            end, due = began + float(line[1]), began
            while (now := loop.time()) < end:
                while due <= now:
                    await router.complete("spare" if done % 5 == 0 else "chat", "hi")
                    done, due = done + 1, due + 1 / rate
                    for fake in fakes.values():
                        fake.requests.clear()
                await asyncio.sleep(max(0.0, due - loop.time()))
            _say(done=done, made=done - before, cpu=time.process_time() - spent, seconds=loop.time() - began)


def _say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


async def watch() -> None:
    """A client as a dashboard is one: four snapshots a second, events, and the plots once a second."""
    [running] = await discover()
    feed = SocketFeed(running)
    number = 0
    print("ready", flush=True)
    async for _ in feed.snapshots():
        number += 1
        if number % 4 == 0:
            await feed.history()


class App:
    """Its workers, from outside."""

    def __init__(self, path: Path, processes: int, rate: float) -> None:
        self.workers = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.load", "--work", str(path), "--rate", str(rate / processes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(processes)
        ]
        self.hear()

    def hear(self) -> list[dict[str, float]]:
        return [json.loads(worker.stdout.readline()) for worker in self.workers if worker.stdout]

    def run(self, seconds: float) -> list[dict[str, float]]:
        """So long under load; what each worker tells of it."""
        for worker in self.workers:
            assert worker.stdin is not None
            worker.stdin.write(f"run {seconds}\n")
            worker.stdin.flush()
        return self.hear()

    def close(self) -> None:
        for worker in self.workers:
            worker.communicate("end\n")


async def counted() -> Snapshot:
    """What the figures say now."""
    [running] = await discover()
    feed = SocketFeed(running)
    async with contextlib.aclosing(feed.snapshots()) as snapshots:
        async for snapshot in snapshots:
            if len(snapshot.by_process) == len(running.pids):
                break
    await feed.aclose()
    return snapshot


def _watcher() -> subprocess.Popen[str]:
    client = subprocess.Popen([sys.executable, "-m", "benchmarks.load", "--watch"], stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    client.stdout.readline()
    return client


def measure(processes: int, rate: float, seconds: float, rounds: int, clients: int) -> None:
    """Print it all."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER] = f"{folder}/run"
        path = Path(folder) / "routes.yaml"
        path.write_text(FILE)
        app = App(path, processes, rate)
        modes = ("not watched", f"watched by {clients}", f"watched by {clients} stopped ones")
        told: dict[str, list[dict[str, float]]] = {mode: [] for mode in modes}
        done, cpu_of_clients = 0.0, []
        try:
            app.run(1.0)
            for number in range(len(modes) * rounds):
                mode = modes[number % len(modes)]
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                watchers = [] if mode == modes[0] else [_watcher() for _ in range(clients)]
                if mode == modes[2]:
                    for watcher in watchers:
                        watcher.send_signal(signal.SIGSTOP)  # the sockets stay open, and nobody reads
                found = app.run(seconds)
                for watcher in watchers:
                    watcher.kill()
                    watcher.communicate()
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                if mode == modes[1]:
                    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                    cpu_of_clients.append(used / clients / seconds)
                told[mode] += found
                done = sum(each["done"] for each in found)
            snapshot = asyncio.run(counted())
        finally:
            app.close()
    agree = snapshot.figures.totals.calls == snapshot.figures.totals.succeeded == done
    for mode, found in told.items():
        made, cpu = sum(each["made"] for each in found), sum(each["cpu"] for each in found)
        throughput = sum(each["made"] / each["seconds"] for each in found) / rounds
        print(f"{processes} processes, {mode:<26} {throughput:8.1f} requests/s, {cpu / made * 1e6:6.1f} µs CPU each")
    print(f"a client's own CPU time, its start included: {sum(cpu_of_clients) / len(cpu_of_clients):.1%} of a core")
    print(f"figures {'agree' if agree else 'DISAGREE'}: {snapshot.figures.totals.calls} counted, {done:.0f} made")


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.load")
    options.add_argument("--processes", type=int, default=8)
    options.add_argument("--rate", type=float, default=2000.0, help="requests a second of all processes")
    options.add_argument("--seconds", type=float, default=5.0, help="of a round")
    options.add_argument("--rounds", type=int, default=3, help="of each")
    options.add_argument("--clients", type=int, default=1)
    options.add_argument("--work", metavar="FILE", help=argparse.SUPPRESS)
    options.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    told = options.parse_args()
    if told.work:
        asyncio.run(work(told.work, told.rate))
    elif told.watch:
        asyncio.run(watch())
    else:
        measure(told.processes, told.rate, told.seconds, told.rounds, told.clients)


if __name__ == "__main__":
    main()
