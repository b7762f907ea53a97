"""`python -m tests.support.soak --minutes 20`: a router under everything at once, for long.

64 workers ask for answers whose text is known, plain and streamed, from cached, hedged and plain routes, over real
sockets; some leave their streams, some are cancelled. Two of the three simulated vendors break at random, the file is
saved anew each second, and dashboards come and go. In the end no answer was wrong, no request was lost, and memory,
descriptors and tasks were flat. The simulator and the dashboards are processes of their own, so that the figures are
the router's.

Memory is looked at twice (`tests.support.memory`). What is allocated tells leaks, to the byte: it stays within 2 %, and
within 8 bytes a request, from the third quarter to the last, when the five minutes of history are full. What is in
memory tells what the heap makes of it, and stays within 2 % as well: private pages alone, since those of mapped files
(libraries, the cache's database) go whenever the system needs them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from providers.errors import ErrorCode, ProviderError
from providers.simulator import text
from router import RouteExhausted, Router
from router.monitor.socket.client import SocketFeed, discover
from router.monitor.socket.paths import FOLDER
from tests.support.memory import in_use, private

WORKERS = 64
PATIENCE = 60.0  # seconds after which a request counts as lost
EVERY = 5.0  # seconds between two looks at the process
MINUTE = 12  # looks
ALLOWED = {"allocated": 0.02, "private": 0.02, "descriptors": 0.1, "tasks": 0.1}  # growth from the third quarter on
LEAK = 8.0  # bytes of a request that may be left of it

FAULTS: tuple[dict[str, object], ...] = (
    *({"error_rate": 1.0, "error": kind} for kind in ("server_error", "overloaded", "rate_limited", "quota")),
    *({"error_rate": 0.3, "error": kind} for kind in ("bad_gateway", "timeout504", "authentication", "permission")),
    {"reset": True},
    {"refuse": True},
    {"hang": True},
    {"html": True},
    {"truncated": True},
    {"empty": True},
    {"cut_after": 2},
    {"error_after": 3, "error": "overloaded"},
    {"hang_after": 1},
    {"fast": False, "first_token": 0.2},
)
FILE = """
providers:
  openai:    {{kind: openai,    base_url: "{openai}",    api_key: sk-0123456789abcdef}}
  anthropic: {{kind: anthropic, base_url: "{anthropic}", api_key: sk-0123456789abcdef}}
  ollama:    {{kind: ollama,    base_url: "{ollama}"}}
defaults:
  timeout: {{connect: 2s, first_token: 2s, idle: 2s, answer: 4s}}
  breaker: {{open_for: 1s, max_open_for: 4s}}
  on_stream_break: restart
cache: {{path: "{folder}", max_size: 20MB}}
routes:
  plain:  {{targets: {{openai/gpt-4o: {weight}, anthropic/claude-haiku-4-5: 50}}, fallbacks: [ollama/qwen]}}
  hedged: {{targets: [openai/gpt-4o, ollama/qwen], hedge: {{after: 100ms}}, fallbacks: [anthropic/claude-haiku-4-5]}}
  cached: {{targets: [anthropic/claude-haiku-4-5, openai/gpt-4o], cache: {{ttl: 3s}}, fallbacks: [ollama/qwen]}}
"""
BREAKS = ("openai", "anthropic")  # so that the third can always answer


@dataclass
class Tally:
    """What became of the requests."""

    asked: int = 0
    answered: int = 0
    left: int = 0
    hits: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)


@dataclass
class Look:
    """The process at a moment."""

    second: float
    asked: int  # requests so far
    allocated: int  # bytes
    private: int  # bytes in memory that are no file's
    descriptors: int
    tasks: int


async def work(router: Router, tally: Tally, chance: random.Random, end: float) -> None:
    """Ask until the end."""
    loop = asyncio.get_running_loop()
    while loop.time() < end:
        route = chance.choice(("plain", "hedged", "cached"))
        number = chance.randrange(200) if route == "cached" else chance.randrange(10**9)
        prompt = f"question {number}: tell me of it"
        tally.asked += 1
        try:
            async with asyncio.timeout(PATIENCE):
                if chance.random() < 0.5:
                    await _stream(router, route, prompt, tally, chance)
                else:
                    await _plain(router, route, prompt, tally, chance)
        except TimeoutError:
            tally.lost.append(f"{route}: {prompt}")
        except (ProviderError, RouteExhausted) as error:
            tally.failed[str(error.code)] += 1
        except Exception as error:
            tally.wrong.append(f"{type(error).__name__}: {error}")


async def _plain(router: Router, route: str, prompt: str, tally: Tally, chance: random.Random) -> None:
    call = asyncio.ensure_future(router.complete(route, prompt))
    if chance.random() < 0.05:
        await asyncio.wait([call], timeout=chance.random() * 0.05)
        if not call.done():
            call.cancel()
            await asyncio.wait([call])
            tally.left += 1
            return
    reply = await call
    _check(reply.text, prompt, tally)
    tally.hits += reply.trace.cache == "hit"


async def _stream(router: Router, route: str, prompt: str, tally: Tally, chance: random.Random) -> None:
    leaves = chance.randrange(1, 20) if chance.random() < 0.2 else None
    said = ""
    async with router.stream(route, prompt) as stream:
        count = 0
        async for chunk in stream:
            said = chunk.text if chunk.restarted else said + chunk.text
            count += 1
            if leaves is not None and count >= leaves:
                tally.left += 1
                return
    _check(said, prompt, tally)


def _check(said: str, prompt: str, tally: Tally) -> None:
    if said == text.answer(prompt, None):
        tally.answered += 1
    else:
        tally.wrong.append(f"{prompt}: {said[:80]!r}")


async def break_vendors(url: str, chance: random.Random) -> None:
    """Break one of them, and mend it, over and over."""
    async with httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client:
        for vendor in (*BREAKS, "ollama"):
            await client.post(f"/control/{vendor}", json={"fast": True})
        while True:
            await asyncio.sleep(chance.uniform(0.1, 1.0))
            vendor = chance.choice(BREAKS)
            await client.post(f"/control/{vendor}", json=chance.choice(FAULTS))
            await asyncio.sleep(chance.uniform(0.1, 2.0))
            await client.post(f"/control/{vendor}/mend")
            await client.post(f"/control/{vendor}", json={"fast": True})


async def save(path: Path, urls: dict[str, str], chance: random.Random) -> None:
    """Save the file with another weight each second."""
    while True:
        await asyncio.sleep(1.0)
        write(path, urls, chance.randrange(10, 90))


def write(path: Path, urls: dict[str, str], weight: int) -> None:
    """Save by rename, as editors do."""
    new = path.with_suffix(".new")
    new.write_text(FILE.format(**urls, folder=path.parent / "cache", weight=weight))
    new.replace(path)


async def open_dashboards() -> None:
    """A process that watches for some seconds and is killed, one after the other."""
    while True:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", __spec__.name, "--watch")
        try:
            await asyncio.wait_for(process.wait(), 8.0)
        except TimeoutError:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def watch() -> None:
    """A client as a dashboard is one."""
    [running] = await discover()
    feed = SocketFeed(running)
    async for _ in feed.snapshots():
        await feed.requests(None, 100)


def look(began: float, asked: int) -> Look:
    """Measure this process."""
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))
    return Look(time.monotonic() - began, asked, in_use(), private(), descriptors, len(asyncio.all_tasks()))


@asynccontextmanager
async def simulator() -> AsyncIterator[dict[str, str]]:
    """A simulator in a process of its own; gives its URLs by what they are of."""
    command = (sys.executable, "-m", "providers.simulator", "--port", "0")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield dict([(await process.stdout.readline()).decode().split() for _ in range(4)])
    finally:
        process.terminate()
        await process.wait()


async def soak(minutes: float, seed: int) -> bool:
    """Run it, telling how it goes; returns whether all held."""
    tally, looks, chance = Tally(), [], random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        os.environ[FOLDER] = f"{folder}/run"
        path = Path(folder, "routes.yaml")
        async with simulator() as urls:
            root = urls.pop("control").removesuffix("/control")
            write(path, urls, 50)
            async with Router.from_yaml(path, seed=seed) as router:
                began, end = time.monotonic(), asyncio.get_running_loop().time() + minutes * 60
                others = [
                    asyncio.ensure_future(work)
                    for work in (break_vendors(root, chance), save(path, urls, chance), open_dashboards())
                ]
                workers = [
                    asyncio.ensure_future(work(router, tally, random.Random(seed + 1 + number), end))
                    for number in range(WORKERS)
                ]
                while any(not worker.done() for worker in workers):
                    await asyncio.wait(workers, timeout=EVERY, return_when=asyncio.ALL_COMPLETED)
                    looks.append(look(began, tally.asked))
                    _progress(looks, tally, minutes)
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
                revision = router.plan.revision
            print(f"\nthe last of some {int(minutes * 60)} revisions: {revision}")
    return _verdict(tally, looks)


def _progress(looks: list[Look], tally: Tally, minutes: float) -> None:
    now = looks[-1]
    line = (
        f"{now.second / 60:5.1f} of {minutes:g} min  {tally.answered:8} answered  {tally.left:6} left  "
        f"{now.allocated / 1e6:6.1f} MB allocated  {now.private / 1e6:6.1f} MB private  "
        f"{now.descriptors:4} descriptors  {now.tasks:4} tasks"
    )
    if sys.stdout.isatty():
        print(f"\r{line}", end="", flush=True)
    elif len(looks) % MINUTE == 1:
        print(line, flush=True)


def growth(looks: Sequence[Look]) -> dict[str, float]:
    """Return how much each figure grew from the third quarter of the looks to the last, as a share, and as `leak` the
    bytes of each request that are still allocated.

    Of descriptors and tasks it is the least that counts: they go up and down with the faults' connections, and what
    leaks never comes down again.
    """
    half = len(looks) // 2
    middle = half + (len(looks) - half) // 2
    third, last = looks[half:middle], looks[middle:-1]  # at the last one all is over
    shares = {
        name: measure(last, name) / max(1.0, measure(third, name)) - 1
        for measure, names in ((_median, ("allocated", "private")), (_least, ("descriptors", "tasks")))
        for name in names
    }
    return {**shares, "leak": _left_of_a_request(looks[half:-1])}


def _left_of_a_request(looks: Sequence[Look]) -> float:
    """Return by how many bytes each request has raised what is allocated, apart from what goes with the load: a minute
    with many requests fills the rings of events and the sketches of durations more than one with few.
    """
    since = range(MINUTE, len(looks))
    if len(since) < 2:
        return 0.0
    load = [float(looks[number].asked - looks[number - MINUTE].asked) for number in since]

    def apart(values: list[float]) -> list[float]:
        if len(set(load)) == 1:
            return values
        slope, start = statistics.linear_regression(load, values)
        return [value - start - slope * busy for value, busy in zip(values, load, strict=True)]

    asked, allocated = ([float(getattr(looks[number], name)) for number in since] for name in ("asked", "allocated"))
    return statistics.linear_regression(apart(asked), apart(allocated)).slope


def too_much(grown: Mapping[str, float]) -> list[str]:
    """Return the figures that grew more than they may."""
    return [name for name, share in grown.items() if share > ALLOWED.get(name, LEAK)]


def _verdict(tally: Tally, looks: list[Look]) -> bool:
    # A stream that breaks where nobody can begin again is the caller's to know; all else has a healthy target.
    unexpected = {code: count for code, count in tally.failed.items() if code != ErrorCode.STREAM_INTERRUPTED}
    print(f"asked {tally.asked}, answered {tally.answered}, left by the caller {tally.left}, of the cache {tally.hits}")
    print(f"wrong answers or raw errors {len(tally.wrong)}, lost {len(tally.lost)}, failed {dict(tally.failed)}")
    for line in (*tally.wrong[:5], *tally.lost[:5]):
        print(f"  {line}")
    grown = growth(looks)
    for name in ALLOWED:
        values = [getattr(look, name) for look in looks[:-1]]
        print(
            f"{name}: {grown[name]:+.1%} from the third quarter to the last "
            f"(between {min(values, default=0):,} and {max(values, default=0):,})"
        )
    print(f"of each request {grown['leak']:+.1f} bytes are still allocated")
    return not (tally.wrong or tally.lost or unexpected or too_much(grown))


def _median(looks: Sequence[Look], name: str) -> float:
    return statistics.median([getattr(look, name) for look in looks]) if looks else 0.0


def _least(looks: Sequence[Look], name: str) -> float:
    return min((float(getattr(look, name)) for look in looks), default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.soak", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        asyncio.run(watch())
    else:
        sys.exit(0 if asyncio.run(soak(options.minutes, options.seed)) else 1)


if __name__ == "__main__":
    main()
