"""A peer as a process of its own: it reads a job from each line of its standard input and answers with a line of JSON.

    {"case": "plain", "setup": {"base": "http://127.0.0.1:4242", "vendor": "openai"}, "times": 200}
    {"times": 200, "cpu": 0.0412, "wall": 0.0455}           seconds, of all of them
    {"gap": "it has no streams"}                            the peer cannot do this
    {"error": "ConnectionError: …"}                         it should, and did not

Runs of several peers can so take turns, and none of them pays for an import while it is measured. CPU time is that of
the process with all its threads, user and system.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from benchmarks.answers import wanted

AT_ONCE = 64
PROMPT = "Why is the sky blue, and red at dusk? Answer in one short sentence."  # of 70 characters, about
LONG_PROMPT = f"{PROMPT} " * 14  # of 1 KB


@dataclass(frozen=True)
class Setup:
    """How a peer is to be set up.

    `base` is the upstream's root, without a path. `fallbacks` are targets beside the first; with `dead` the first
    target's port refuses connections. `targets` are as many in one balanced group. `cache`: "", "memory" or "disk".
    `mode` is the upstream's (see `benchmarks.upstream`). `bare` leaves the router out, where it can be. `prompt`
    is what is asked.
    """

    base: str
    vendor: str = "openai"
    mode: str = "ok"
    fallbacks: int = 0
    dead: str = ""
    targets: int = 1
    cache: str = ""
    bare: bool = False
    prompt: str = PROMPT

    @property
    def messages(self) -> list[dict[str, str]]:
        return [{"role": "user", "content": self.prompt}]

    def url(self, target: int = 0) -> str:
        """The base URL of a target, as the vendor's own SDK would be given it."""
        root = self.dead if self.dead and target == 0 else f"{self.base}/{self.mode}"
        return f"{root}/v1" if self.vendor == "openai" else root


class Gap(Exception):
    """The peer cannot do this, and why."""


class Peer(Protocol):
    """One peer, set up."""

    async def call(self) -> str:
        """One plain call; gives the answer's text."""

    async def stream(self) -> str:
        """One streamed call, read chunk by chunk; gives their joined text. One that can gives with a method `tools` the
        joined arguments of a tool's call instead."""


Open = Callable[[Setup], Awaitable[Peer]]
Special = Callable[[Setup, int], Awaitable[dict[str, Any]]]


def serve(
    open_peer: Open, *, run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run, **special: Special
) -> None:
    """Answer jobs until the standard input ends.

    Args:
        open_peer: sets the peer up; raises Gap when it cannot be.
        run: makes the loop, and runs a coroutine on it.
        special: cases of the peer's own, by name; each gets the setup and how many times.
    """
    run(_serve(open_peer, special))


async def _serve(open_peer: Open, special: dict[str, Special]) -> None:
    # What a peer prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    loop = asyncio.get_running_loop()
    held: tuple[Setup, Peer, set[int]] | None = None  # what is set up, and how many calls at once it was warmed with
    print(json.dumps({"ready": True}), file=answers, flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        job = json.loads(line)
        try:
            setup = Setup(**job["setup"])
            case = special.get(job["case"])
            if case is not None:
                told = await case(setup, job["times"])
            else:
                if held is None or held[0] != setup:
                    # One at a time: what else is alive would be work for the garbage collector.
                    await _close(held)
                    held = None
                    held = setup, await open_peer(setup), set()
                told = await measure(held[1], job["case"], job["times"], held[2], setup.targets, setup.mode)
        except Gap as gap:
            told = {"gap": str(gap)}
        except Exception as error:  # told to the parent, who names it
            told = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(told), file=answers, flush=True)
    os._exit(0)  # whatever threads, sessions and last words the peer has left


async def _close(held: tuple[Setup, Peer, set[int]] | None) -> None:
    close = getattr(held[1], "aclose", None) if held is not None else None
    if close is not None:
        await close()


async def measure(
    peer: Peer, case: str, times: int, warmed: set[int], targets: int = 1, mode: str = "ok"
) -> dict[str, Any]:
    """One run of a case: `plain`, `stream` or `tools`, with `_64` for 64 at once, or `gather` (all streams at once).

    Args:
        warmed: for how many calls at once there are connections.
        targets: each was called about once before the clock runs, as were all connections.
        mode: the upstream's, which decides what the peer has to give.
    """
    kind, _, width = case.partition("_")
    one = getattr(peer, {"plain": "call", "tools": "tools"}.get(kind, "stream"), None)
    if one is None:
        raise Gap("not measured")
    expected = wanted(mode, kind)
    at_once = times if kind == "gather" else int(width or 1)

    async def some(number: int) -> None:
        for _ in range(number):
            text = await one()
            if text != expected:
                raise ValueError(f"the answer is not the upstream's: {text[:80]!r}")

    if kind == "gather":
        await peer.call()
    elif at_once not in warmed:
        await asyncio.gather(*(some(1) for _ in range(at_once)))
        await some(targets - 1)
        warmed.add(at_once)
    gc.collect()
    idle = _memory_from_now()
    cpu, wall = time.process_time(), time.perf_counter()
    if at_once == 1:
        await some(times)
    else:
        await asyncio.gather(*(some(times // at_once) for _ in range(at_once)))
    told = {"times": times // at_once * at_once, "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    if kind == "gather":
        told["memory"] = _peak() - idle
    return told


def _memory_from_now() -> int:
    """Bytes of this process that are in memory; its peak begins anew here (proc(5), clear_refs)."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return _peak()


def _peak() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


def job(case: str, setup: Setup, times: int) -> str:
    """The line that asks for a run."""
    return json.dumps({"case": case, "setup": asdict(setup), "times": times}) + "\n"
