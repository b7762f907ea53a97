"""Many processes that share one limit, in virtual time: each a link with its leases, over one allocator."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from math import inf

from router.config.units import Allowance
from router.plan.rules import Limits, SharedRules
from router.shared.allocator import Allocator
from router.shared.exchange import Message, Reply
from router.shared.limits import SharedLimits
from router.shared.link import Link
from router.state.limits import RateLimits

ROUND_TRIP = 0.001


class Server:
    """The allocator behind a network: every message takes a round trip, and may find nobody.

    `is_frozen`: messages wait until it thaws; `is_gone`: they are refused; `is_mute`: they are read, and the
    replies get lost. A round trip takes longer or shorter by a part of it, `jitter` at most.
    """

    def __init__(self) -> None:
        self.allocator = Allocator()
        self.is_gone = self.is_mute = False
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.exchanges = 0
        self.sizes: list[int] = []  # how much was told in each
        self.round_trip = ROUND_TRIP
        self.jitter = 0.0
        self._rng = random.Random(7)

    def allocator_time(self) -> float:
        """The time of day at the server."""
        return 1_700_000_000 + asyncio.get_running_loop().time()

    async def open(self, message: Message) -> None:
        """There is no connection."""

    async def send(self, message: Message) -> Reply:
        """Answer, after a round trip."""
        there = back = self.round_trip / 2
        if self.jitter:
            there, back = (way * (1 + self.jitter * self._rng.uniform(-1, 1)) for way in (there, back))
        await asyncio.sleep(there)
        if self.is_gone:
            raise ConnectionRefusedError("nobody listens")
        if not self.thawed.is_set():
            asyncio.get_running_loop().create_task(self._later(message))  # what was sent is read, whoever waits for it
            await self.thawed.wait()
        self.exchanges += 1
        self.sizes.append(len(message.entries))
        reply = self.allocator.exchange(message, self.allocator_time())
        await asyncio.sleep(back)
        if self.is_mute:
            raise ConnectionResetError("the reply got lost")
        return reply

    async def _later(self, message: Message) -> None:
        await self.thawed.wait()
        self.allocator.exchange(message, self.allocator_time())

    async def aclose(self) -> None:
        """There is no connection."""


class Worker:
    """One process: `ask` is a call that wants to be let in."""

    def __init__(self, server: Server, limits: Limits, **rules: object) -> None:
        self.events: list[str] = []
        told = lambda what, why, seconds: self.events.append(what)  # noqa: E731  # it is one word
        self.link = Link(server, SharedRules(url="redis://x", app="app", **rules), told)  # type: ignore[arg-type]  # of a test
        self.limits = RateLimits(limits)
        shared = SharedLimits(self.link)
        self.link.parties.append(shared)
        self.limits.share(shared, "key")
        self.task = asyncio.get_running_loop().create_task(self.link.run())

    async def ask(self, tokens: float = 0.0, longest: float = 0.0) -> float | None:
        """Wait for the limits as the engine does; returns how long that took, None when it was refused.

        Args:
            longest: seconds that are waited.
        """
        loop, limits = asyncio.get_running_loop(), self.limits
        began = now = loop.time()
        wait = limits.wait(tokens, now)
        if wait > longest:
            return None
        reserved = limits.take(tokens, now, now + wait)
        while wait > 0:
            coming = limits.coming(reserved)
            await (asyncio.wait(coming, timeout=wait) if coming else asyncio.sleep(wait))
            now = loop.time()
            wait = limits.early(reserved, now)
            if wait > longest - (now - began):
                limits.give_back(reserved, now)
                return None
        return now - began

    async def end(self) -> None:
        """End it, and give all back."""
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.link.leave()


class Fleet:
    """Processes under a demand of chance. `admitted` has when each request was let in, `waited` how long that took."""

    def __init__(self, count: int, requests: float, *, seed: int = 0, period: float = 60.0, **rules: object) -> None:
        self.server = Server()
        self.rng = random.Random(seed)
        limits = Limits(requests=(Allowance(requests, period),))
        self.workers = [Worker(self.server, limits, **rules) for _ in range(count)]
        self.admitted: list[float] = []
        self.waited: list[float] = []
        self.refused = 0

    async def demand(self, per_second: float, seconds: float, *, longest: float = 0.3) -> None:
        """Have all processes ask for so long, for so many requests a second altogether."""
        loop, calls = asyncio.get_running_loop(), set()
        end = loop.time() + seconds
        while (now := loop.time()) < end - 1e-6:
            await asyncio.sleep(min(self.rng.expovariate(per_second), end - now))
            calls.add(loop.create_task(self._call(self.rng.choice(self.workers), longest)))
        await asyncio.gather(*calls)

    async def _call(self, worker: Worker, longest: float) -> None:
        waited = await worker.ask(longest=longest)
        if waited is None:
            self.refused += 1
        else:
            self.admitted.append(asyncio.get_running_loop().time())
            self.waited.append(waited)

    async def end(self) -> None:
        """End all processes."""
        for worker in self.workers:
            await worker.end()


def most_in(seconds: float, moments: list[float], since: float = -inf) -> int:
    """Count the moments in the fullest window of so many seconds that begins after `since`."""
    moments = sorted(moment for moment in moments if moment >= since)
    return max((bisect_right(moments, moment + seconds - 1e-9) - at for at, moment in enumerate(moments)), default=0)
