"""What the engine costs over a bare provider: a call and a chunk, with 3 and with 1,000 targets in the file.

The fake provider answers in process, so that nothing but the router is measured. CPU time, the median of several runs;
router and bare provider take turns.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from providers import CompletionRequest, FakeProvider, Message
from providers.fake import Reply
from router import Router

RUNS = 9
CALLS = 1_000
CHUNKS = 2_000
TARGETS = (3, 1000)


def file_of(targets: int, *, tier: int = 3) -> str:
    """So many targets: the measured route has a tier of three, the others stand elsewhere in the file."""
    models = "".join(f"  m{number}: {{provider: a, id: m{number}}}\n" for number in range(targets))
    names = ", ".join(f"m{number}" for number in range(min(tier, targets)))
    others = "".join(
        f"  r{start}: [{', '.join(f'm{number}' for number in range(start, min(start + 5, targets)))}]\n"
        for start in range(tier, targets, 5)
    )
    return f"providers: {{a: {{kind: fake}}}}\nmodels:\n{models}routes:\n  chat: [{names}]\n{others}"


async def spent(work: Callable[[], Awaitable[None]], times: int) -> float:
    """Seconds of CPU for one of so many."""
    began = time.process_time()
    for _ in range(times):
        await work()
    return (time.process_time() - began) / times


class Bench:
    """A router over one fake, and the fake alone."""

    def __init__(self, targets: int, reply: Reply) -> None:
        self.fake = FakeProvider.scripted(reply, name="a")
        self.router = Router.from_text(file_of(targets), env={}, providers={"a": self.fake})
        self.request = CompletionRequest(model="m0", messages=(Message.user("hi"),))

    async def routed(self) -> None:
        await self.router.complete("chat", "hi")
        self.fake.requests.clear()

    async def bare(self) -> None:
        await self.fake.complete(self.request)
        self.fake.requests.clear()

    async def routed_stream(self) -> None:
        async with self.router.stream("chat", "hi") as stream:
            async for _ in stream:
                pass

    async def bare_stream(self) -> None:
        async with self.fake.stream(self.request) as stream:
            async for _ in stream:
                pass


async def calls(targets: int) -> tuple[float, float]:
    """(through the router, by the provider alone), seconds of CPU a call."""
    bench = Bench(targets, Reply("fine"))
    await spent(bench.routed, 100)
    pairs = [(await spent(bench.routed, CALLS), await spent(bench.bare, CALLS)) for _ in range(RUNS)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


async def chunks(targets: int) -> tuple[float, float]:
    """(through the router, by the provider alone), seconds of CPU a chunk of a long stream."""
    bench = Bench(targets, Reply("abcd" * CHUNKS))
    pairs = [(await spent(bench.routed_stream, 3), await spent(bench.bare_stream, 3)) for _ in range(RUNS)]
    return (
        statistics.median(pair[0] for pair in pairs) / CHUNKS,
        statistics.median(pair[1] for pair in pairs) / CHUNKS,
    )


def main() -> None:
    for targets in TARGETS:
        routed, bare = asyncio.run(calls(targets))
        print(
            f"one call, {targets:>4} targets:  {routed * 1e6:5.1f} µs, bare provider {bare * 1e6:4.1f}, "
            f"the router's own {(routed - bare) * 1e6:5.1f} µs"
        )
    for targets in TARGETS:
        routed, bare = asyncio.run(chunks(targets))
        print(
            f"one chunk, {targets:>4} targets: {routed * 1e6:5.2f} µs, bare provider {bare * 1e6:4.2f}, "
            f"the router's own {(routed - bare) * 1e6:5.2f} µs"
        )


if __name__ == "__main__":
    main()
