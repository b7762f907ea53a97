"""`python -m benchmarks`: the import's cost, and the engine's own cost per call over the fake provider."""

from __future__ import annotations

import asyncio
import resource
import statistics
import subprocess
import sys
import time

from benchmarks import decode, telemetry
from providers import FakeProvider
from router import Router

RUNS = 7
CALLS = 2_000
FILE = """
providers: {a: {kind: fake}, b: {kind: fake}}
routes: {chat: {targets: [a/x], fallbacks: [b/y]}}
"""


def import_cost(module: str) -> float:
    """Seconds of CPU (user + system) that a fresh interpreter needs to import a module, its own start excluded."""
    return _cpu(f"import {module}") - _cpu("pass")


def _cpu(code: str) -> float:
    spent = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(spent)


async def engine_cost() -> tuple[float, float]:
    """Seconds of CPU per call: through the router, and by the fake provider alone."""
    fakes = {name: FakeProvider.scripted(name=name) for name in ("a", "b")}
    router = Router.from_text(FILE, env={}, providers=fakes)
    request = None
    routed, alone = [], []
    for _ in range(RUNS):
        started = time.process_time()
        for _ in range(CALLS):
            request = await router.complete("chat", "hi")
        routed.append((time.process_time() - started) / CALLS)
        sent = fakes["a"].requests[-1]
        started = time.process_time()
        for _ in range(CALLS):
            await fakes["a"].complete(sent)
        alone.append((time.process_time() - started) / CALLS)
    assert request is not None
    return statistics.median(routed), statistics.median(alone)


def main() -> None:
    for module in ("router", "providers", "router.core"):
        print(f"import {module:<12} {import_cost(module) * 1000:7.1f} ms CPU (median of {RUNS})")
    routed, alone = asyncio.run(engine_cost())
    print(f"one call over the fake provider: {routed * 1e6:.1f} µs CPU, of which the provider {alone * 1e6:.1f} µs")
    telemetry.main()
    decode.main()


main()
