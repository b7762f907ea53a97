"""`make shared-soak`: processes share a limit over a real redis-server, which is frozen, killed and emptied.

Each process asks for twice its part of the limit. In the end it is told how many were let in within the fullest minute,
what part of the limit was used, and how long a request waited; beyond the bounds of docs/shared.md it fails.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from router import RouteExhausted, Router
from tests.support.fleet import most_in
from tests.support.redis_server import RedisServer

LIMIT = 1200
MINUTE = 60.0
FAULTS = ("none", "freeze", "none", "kill", "script flush", "none", "flushall")


def file(url: str) -> str:
    return f"""
providers: {{a: {{kind: fake, api_key: k, limits: {{requests: {LIMIT}/min}}}}}}
routes: {{chat: a/m}}
defaults: {{retry: {{max_wait: 250ms}}}}
shared: {{url: "{url}"}}
"""


async def ask(url: str, per_second: float, until: float) -> None:
    """Be one process: print when each request was let in (the machine's clock), and how long it waited."""
    async with Router.from_text(file(url), env={}, monitor=False) as router, asyncio.TaskGroup() as group:

        async def call() -> None:
            began = time.monotonic()
            try:
                await router.complete("chat", "hi")
            except RouteExhausted:
                return
            print(time.monotonic(), time.monotonic() - began)

        while time.monotonic() < until:
            await asyncio.sleep(random.expovariate(per_second))
            group.create_task(call())


def fault(server: RedisServer, name: str) -> None:
    """Let one thing happen to the server; it takes 8 seconds at most."""
    if name == "freeze":
        server.freeze()
        time.sleep(6)
        server.thaw()
    elif name == "kill":
        server.kill()
        time.sleep(3)
        server.start()
    elif name != "none":
        with server.client() as client:
            client.execute_command(*name.split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--child", nargs=3)
    options = parser.parse_args()
    if options.child:
        url, per_second, until = options.child
        asyncio.run(ask(url, float(per_second), float(until)))
        return
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        began = time.monotonic()
        until = began + options.seconds
        child = [sys.executable, "-m", "tests.support.shared_soak", "--child", server.url]
        rate = 2 * LIMIT / MINUTE / options.processes
        children = [
            subprocess.Popen([*child, str(rate), str(until)], stdout=subprocess.PIPE, text=True)
            for _ in range(options.processes)
        ]
        for name in FAULTS:
            time.sleep(max(0.0, options.seconds / len(FAULTS) - 6))
            fault(server, name)
        calls = [tuple(map(float, line.split())) for each in children for line in each.communicate()[0].splitlines()]
        server.kill()
    moments, waits = sorted(at for at, _ in calls), sorted(waited for _, waited in calls)
    fullest = most_in(MINUTE, moments) / LIMIT
    served = len(moments) / (LIMIT / MINUTE * (until - moments[0]))
    print(f"most in a minute {fullest:.3f} L, used {served:.3f} of L, longest wait {waits[-1] * 1000:.0f} ms")
    if fullest > 1.15 or served < 0.95 or any(each.returncode for each in children):
        sys.exit(1)


if __name__ == "__main__":
    main()
