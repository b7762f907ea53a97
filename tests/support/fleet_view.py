"""Processes of a fleet in virtual time, over an allocator in place of a server, and what watches them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from router.config.loader import load_text
from router.monitor.fleet.feed import SharedFeed
from router.monitor.fleet.publisher import Publisher
from router.plan.compile import compile_plan
from router.plan.plan import Plan
from router.plan.rules import SharedRules
from router.shared.link import Link
from router.shared.news import News
from router.views.figures import Snapshot
from tests.support.fleet import Server
from tests.support.world import World, well

SECRET = "a long secret of the file"
FILE = """
routes: {chat: {targets: [a/m, b/m]}}
defaults: {retry: {same_target: 0, max_wait: 0s}}
cache: {path: memory}
"""
SHARED = f"shared: {{url: redis://nowhere, app: shop, secret: {SECRET}, share: [fleet], commands: true}}"


def plan(secret: str = SECRET) -> Plan:
    """Return the file of those who watch."""
    text = f"providers: {{a: {{kind: fake}}, b: {{kind: fake}}}}\n{FILE}{SHARED.replace(SECRET, secret)}"
    return compile_plan(load_text(text, env={}))


class Process:
    """A router that tells how it is."""

    def __init__(self, server: Server, *, host: str = "web-1", secret: str = SECRET, commands: bool = True) -> None:
        self.world = World(FILE, a=well, b=well)
        self.router = self.world.router
        rules = SharedRules(url="redis://x", app="shop", secret=secret, share=("fleet",), host=host, commands=commands)
        self.link = Link(server, rules, lambda what, why, seconds: None)
        news = News(self.link)
        self.publisher = Publisher(self.link, self.router, news)
        self.link.parties += [news, self.publisher]
        self.task = asyncio.get_running_loop().create_task(self.link.run())

    async def ask(self, times: int = 1) -> None:
        """Make some calls."""
        for _ in range(times):
            await self.router.complete("chat", "hi")

    async def kill(self) -> None:
        """End it without a word."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def end(self) -> None:
        """End it."""
        await self.kill()
        await self.link.leave()
        await self.router.aclose()


@asynccontextmanager
async def fleet(server: Server, count: int = 3) -> AsyncIterator[list[Process]]:
    """Run so many processes, each on a machine of its own."""
    processes = [Process(server, host=f"web-{number}") for number in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            await process.end()


@asynccontextmanager
async def watching(server: Server, secret: str = SECRET) -> AsyncIterator[SharedFeed]:
    """Watch a fleet."""
    feed = SharedFeed(plan(secret), exchange=server)
    try:
        yield feed
    finally:
        await feed.aclose()


async def seen(feed: SharedFeed, condition: Callable[[Snapshot], object] = lambda snapshot: True) -> Snapshot:
    """Return the first snapshot of which this is true, within a virtual minute."""
    async with asyncio.timeout(60), aclosing(feed.snapshots()) as snapshots:
        async for snapshot in snapshots:
            if condition(snapshot):
                return snapshot
    raise AssertionError("the feed has ended")
