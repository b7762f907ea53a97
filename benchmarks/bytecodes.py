"""What Python executes for one plain call over HTTP, by part: a figure that no machine and no load changes.

`python -m benchmarks.bytecodes` counts the bytecodes of a call of a route with two targets and a fallback, all of which
have been called before. What runs in C (the parser of HTTP, JSON, sockets, the collector) has none.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

from benchmarks import upstream
from benchmarks.beside import beside
from benchmarks.moves import FILE, ROOT
from router import Router

_WARM, _CALLS = 64, 16  # calls before, and counted ones: what is due now and then is counted as often as it is due

# What the path of a file begins with, of each part; the first that fits is its own.
PARTS = {
    "what is asked: route, request, context": (
        *("router/router.py", "router/parts.py", "router/engine/engine.py", "router/engine/request.py"),
        "providers/coerce.py",
    ),
    "choice of a target: balance, limits, breakers": (
        *("router/balance/", "router/engine/eligibility.py", "router/state/states.py", "router/state/limits.py"),
    ),
    "attempt, trace, failover": ("router/engine/",),
    "what came of it: breakers, budgets, latencies": ("router/state/",),
    "telemetry": ("router/telemetry/",),
    "prices": ("router/",),
    "our transport": ("providers/transport/",),
    "time limits": ("providers/timeouts.py",),
    "the vendor's protocol": ("providers/",),
}


def part_of(file: str) -> str:
    """The part of a call that a file belongs to; "" for none."""
    if "site-packages" in file:
        return "aiohttp"
    if not file.startswith(f"{ROOT}/"):
        return "asyncio"
    own = file.removeprefix(f"{ROOT}/")
    return next((name for name, begins in PARTS.items() if own.startswith(begins)), "")


@asynccontextmanager
async def _vendor() -> AsyncIterator[str]:
    server = await upstream.serve()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ok/v1"
    server.close()


async def counted(url: str) -> Counter[str]:
    """Bytecodes of one call by part, the mean of some; without the caller's own."""
    found: Counter[str] = Counter()
    parts: dict[str, str] = {}

    def on_bytecode(frame: FrameType, event: str, _: Any) -> Any:
        if event == "opcode":
            file = frame.f_code.co_filename
            found[parts.get(file) or parts.setdefault(file, part_of(file))] += 1
        return on_bytecode

    def on_call(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes = True
        return on_bytecode

    async def traced(router: Router) -> None:
        sys._getframe().f_trace_opcodes = True  # else Python 3.12 tells of none
        sys.settrace(on_call)
        for _ in range(_CALLS):
            await router.complete("chat", "the one that is looked at")
        sys.settrace(None)

    async with Router.from_text(FILE.format(url=url), env={}, seed=1, monitor=False) as router:
        for number in range(_WARM):
            await router.complete("chat", f"number {number}")
        await asyncio.create_task(traced(router))  # whose frames all begin within
    return Counter({name: round(count / _CALLS) for name, count in found.items() if name})


def main() -> None:
    with beside(_vendor()) as url:
        found = asyncio.run(counted(url))
    print(f"a plain call: {found.total()} bytecodes")
    for name, count in found.most_common():
        print(f"{count:6} {count / found.total():4.0%}  {name}")


if __name__ == "__main__":
    main()
