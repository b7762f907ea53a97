"""What happens in single processes, as who watches a fleet sees it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec
import pytest

from router.monitor.fleet.brief import Brief, read_brief
from router.monitor.fleet.feed import SharedFeed
from router.testing import run
from router.views.events import Event
from tests.support.fleet import Server
from tests.support.fleet_view import fleet, seen, watching


async def told(feed: SharedFeed, seconds: float) -> list[Event]:
    """Return what is told within so many seconds, of breakers, holds and budgets."""
    found: list[Event] = []
    try:
        async with asyncio.timeout(seconds), aclosing(feed.events()) as events:
            async for event in events:
                found.append(event)  # noqa: PERF401  # a comprehension would lose what came before the end
    except TimeoutError:
        pass
    return [event for event in found if event.kind in ("breaker", "hold", "budget")]


def test_a_breaker_that_opens_and_closes_in_one_process_is_told_once_with_whose_it_is() -> None:
    async def story() -> None:
        server = Server()
        async with fleet(server) as processes, watching(server) as feed:
            await seen(feed, lambda snapshot: len(snapshot.by_process) == 3)
            listening = asyncio.ensure_future(told(feed, 30.0))
            await asyncio.sleep(2)
            target = processes[1].router.plan.targets[0]
            breaker = processes[1].router.engine.states.target(target).breaker
            breaker.force("open")
            await asyncio.sleep(5)
            breaker.reset()
            own = [event for event in await listening if event.pid is not None]
            assert [event.level for event in own] == ["warning", "info"]
            assert all(event.sentence.startswith("a/m was ") for event in own)
            assert all(event.sentence.endswith("on web-1)") for event in own)
            assert own[1].time - own[0].time == pytest.approx(5, abs=0.1)

    run(story())


def test_a_storm_in_one_process_takes_no_more_room_than_a_few_events() -> None:
    async def story() -> None:
        server = Server()
        async with fleet(server, 1) as (process,), watching(server) as feed:
            await seen(feed)
            listening = asyncio.ensure_future(told(feed, 20.0))
            await asyncio.sleep(2)
            breaker = process.router.engine.states.target(process.router.plan.targets[0]).breaker
            for _ in range(500):
                breaker.force("open")
                breaker.reset()
            await asyncio.sleep(1.5)
            sealed = [kept for name, (_, kept) in server.allocator._tables["brief"]._kept.items() if "br:" in name]  # type: ignore[attr-defined]  # what the server has
            assert len(sealed[0]) < 4000
            own = [event for event in await listening if event.pid is not None]
            assert 1 <= len(own) <= 20

    run(story())


def test_what_is_told_can_do_nothing_to_a_terminal_and_is_bounded() -> None:
    events = [[1.0, "breaker", "dire", "\x1b[2Jgone\n" + "x" * 10_000, "p", "t"] for _ in range(100)]
    brief = [1.0, 2, "host", "1", "r", 1.0, *msgspec.to_builtins(Brief(1.0, 2, "", "", "", 1.0))[6:-1], events]
    found = read_brief(msgspec.json.encode(brief)).events
    assert len(found) == 8
    assert all(len(event.sentence) <= 255 and event.level == "info" for event in found)
    assert "\x1b" not in found[0].sentence
    assert "\n" not in found[0].sentence
