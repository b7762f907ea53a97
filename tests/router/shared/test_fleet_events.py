"""What happens in single processes, as who watches a fleet sees it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import msgspec

from router import Router
from router.monitor.fleet.brief import Brief, read_brief
from router.monitor.fleet.feed import SharedFeed
from router.state.breaker import Breaker
from router.views.events import Event
from tests.router.shared.test_fleet import routers, seen
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.waiting import until


def breaker_of(router: Router) -> Breaker:
    return router.report.states.target(router.plan.targets[0]).breaker


class Watched:
    """Three routers, and what is told of single ones of them."""

    def __init__(self, feed: SharedFeed) -> None:
        self.feed = feed
        self.events: list[Event] = []

    async def listen(self) -> None:
        async with aclosing(self.feed.events()) as events:
            async for event in events:
                if event.kind == "breaker" and event.pid is not None:
                    self.events.append(event)


@needs_redis
async def test_a_breaker_that_opens_and_closes_in_one_process_is_told_once_with_whose_it_is(
    server: RedisServer, tmp_path: Path
) -> None:
    path = tmp_path / "routes.yaml"
    async with routers(path, server) as three:
        watched = Watched(SharedFeed(three[0].plan, path))
        listening = asyncio.ensure_future(watched.listen())
        try:
            await seen(watched.feed, lambda snapshot: len(snapshot.by_process) == 3)
            breaker_of(three[1]).force("open")
            await until(lambda: len(watched.events) == 1)
            breaker_of(three[1]).reset()
            await until(lambda: len(watched.events) == 2)
            for _ in range(300):
                breaker_of(three[2]).force("open")
                breaker_of(three[2]).reset()
            await seen(watched.feed, lambda snapshot: len(watched.events) > 2)
            await seen(watched.feed, lambda snapshot: True)
            assert len(watched.events) <= 2 + 16, "a storm is told in part"
            first, second = watched.events[:2]
            assert (first.level, second.level) == ("warning", "info")
            assert first.sentence.startswith("planted-model was opened by hand (process ")
            assert first.sentence.endswith(" on planted-host)")
            assert first.target == "planted-model"
            with server.client() as client:
                briefs = [client.strlen(name) for name in client.scan_iter("*:br:*")]
            assert max(briefs) < 4000
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            await watched.feed.aclose()


def test_what_is_told_can_do_nothing_to_a_terminal_and_is_bounded() -> None:
    events = [[1.0, "strange", "dire", "\x1b[2Jgone\n" + "x" * 10_000, "p", "t"] for _ in range(100)]
    brief = [*msgspec.to_builtins(Brief(1.0, 2, "", "", "", 1.0))[:-1], events]
    found = read_brief(msgspec.json.encode(brief)).events
    assert len(found) == 8
    assert {(event.kind, event.level) for event in found} == {("shared", "info")}
    assert all(len(event.sentence) <= 255 for event in found)
    assert not any(character in found[0].sentence for character in "\x1b\n")
