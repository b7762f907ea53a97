"""What a hit costs, from `Router.complete` to its result, and whether the cache ever holds up the event loop.

LiteLLM's in-memory hit is measured beside it where SIGNALBOX_LITELLM names a Python that has LiteLLM.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from providers import CompletionRequest, CompletionResponse, FakeProvider
from providers.fake import Reply
from providers.types import Usage
from router import Router

RUNS = 9
HITS = 500
STORED = 50
ANSWER = "x" * 2048
LARGE = "x" * 1_000_000

_LITELLM = """
import asyncio, time, litellm
from litellm.caching.caching import Cache
litellm.cache = Cache()
async def ask():
    messages = [{"role": "user", "content": "hi"}]
    return await litellm.acompletion("openai/m", messages, mock_response="x" * 2048, caching=True)
async def main():
    await ask(); await asyncio.sleep(1)
    began = time.process_time()
    for _ in range(200): await ask()
    print((time.process_time() - began) / 200)
asyncio.run(main())
"""


class _AtOnce(FakeProvider):
    """Has its answer ready, where the fake provider would be busy with the pieces of a large one."""

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        return CompletionResponse(text=LARGE, model=request.model, finish_reason="stop", usage=Usage(10, 250_000))


def _router(folder: str, fake: FakeProvider | None = None) -> Router:
    fake = fake or FakeProvider.scripted(Reply(ANSWER), name="a")
    file = (
        "providers: {a: {kind: fake}}\n"
        f'routes: {{chat: {{targets: [a/m], cache: {{ttl: 1h, max_entry: 4MB}}}}}}\ncache: {{path: "{folder}"}}\n'
    )
    return Router.from_text(file, env={}, providers={"a": fake})


async def hits(folder: str, *, disk: bool) -> tuple[float, float]:
    """Seconds of (CPU, wall) for one hit, of memory or of disk."""
    async with _router(folder) as router:
        await router.complete("chat", "hi")
        await router.cache.written()
        cpu, wall = [], []
        for _ in range(RUNS):
            began, started = time.process_time(), time.perf_counter()
            for _ in range(HITS):
                if disk:
                    router.cache.forget_memory()
                reply = await router.complete("chat", "hi")
            cpu.append((time.process_time() - began) / HITS)
            wall.append((time.perf_counter() - started) / HITS)
            assert reply.cached
    return statistics.median(cpu), statistics.median(wall)


async def lag(folder: str) -> tuple[float, float]:
    """The longest seconds that the loop was held up while answers of 1 MB are (not stored, stored)."""
    found = []
    for control in ("skip", "refresh"):
        longest, done = 0.0, asyncio.Event()

        async def probe(done: asyncio.Event = done) -> None:
            nonlocal longest
            while not done.is_set():
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                longest = max(longest, time.perf_counter() - before - 0.001)

        async with _router(folder, _AtOnce.scripted(name="a")) as router:
            await router.complete("chat", "warm up", cache=control)
            probing = asyncio.create_task(probe())
            for number in range(STORED):
                await router.complete("chat", f"prompt {number}", cache=control)
                await asyncio.sleep(0.01)
            await router.cache.written()
            done.set()
            await probing
        found.append(longest)
    return found[0], found[1]


def litellm() -> str:
    python = os.environ.get("SIGNALBOX_LITELLM")
    if not python:
        return "not measured: SIGNALBOX_LITELLM names no Python that has it"
    run = subprocess.run([python, "-c", _LITELLM], capture_output=True, text=True)
    return f"{float(run.stdout.split()[-1]) * 1e6:.0f} µs CPU" if run.returncode == 0 else "not measured: it failed"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for disk in (False, True):
            cpu, wall = asyncio.run(hits(str(Path(folder) / "hits"), disk=disk))
            level = "disk" if disk else "memory"
            print(f"a hit of {level:<6} (2 KB): {cpu * 1e6:6.1f} µs CPU, {wall * 1e6:6.1f} µs from call to result")
        without, with_ = asyncio.run(lag(str(Path(folder) / "lag")))
        print(
            f"longest hold-up of the loop, 1 MB answers: {with_ * 1e3:.2f} ms stored, {without * 1e3:.2f} ms not stored"
        )
    print(f"LiteLLM's in-memory hit: {litellm()}")


if __name__ == "__main__":
    sys.exit(main())
