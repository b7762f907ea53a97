"""A fleet is watched as one router, and says of whom its figures are."""

from __future__ import annotations

import asyncio
import re
import zlib
from contextlib import aclosing

import msgspec
from msgspec.structs import replace

from router.monitor.fleet.brief import Brief
from router.monitor.fleet.feed import SharedFeed
from router.monitor.fleet.tallies import Tally
from router.shared.exchange import Message
from router.shared.fleet import BriefEntry, ReadEntry, SnapshotEntry, snapshot_key
from router.shared.sealing import Sealer
from router.views.commands import Prompt
from tests.support.fleet import Server
from tests.support.fleet_view import SECRET, Process, fleet, seen, watching
from tests.support.world import now, story


async def told(feed: SharedFeed, count: int) -> list[str]:
    """Return the sentences of the first events."""
    async with aclosing(feed.events()) as events:
        return [(await anext(events)).sentence for _ in range(count)]


@story
async def test_figures_of_all_processes_are_added_up() -> None:
    server = Server()
    async with fleet(server) as processes, watching(server) as feed:
        for number, process in enumerate(processes, 1):
            await process.ask(10 * number)
        await asyncio.sleep(2)
        snapshot = await seen(feed)
        assert snapshot.name == "shop"
        assert snapshot.fleet is not None
        assert snapshot.fleet.counted == "3 processes on 3 machines"
        assert snapshot.figures.totals.calls == snapshot.figures.window.calls == 60
        assert snapshot.figures.latency.count == 60
        assert {route.name: route.figures.totals.calls for route in snapshot.routes} == {"chat": 60}
        assert sum(provider.figures.totals.calls for provider in snapshot.providers) == 60
        assert [process.host for process in snapshot.by_process] == ["web-0", "web-1", "web-2"]
        assert [process.totals.calls for process in snapshot.by_process] == [10, 20, 30]


@story
async def test_a_process_that_is_killed_disappears_in_five_to_ten_seconds() -> None:
    server = Server()
    async with fleet(server) as processes, watching(server) as feed:
        await seen(feed)
        began = now()
        await processes[1].kill()
        await seen(feed, lambda snapshot: len(snapshot.by_process) == 2)
        assert 4 <= now() - began <= 10
        [sentence] = await told(feed, 1)
        assert re.fullmatch(r"process \d+ on web-1 is gone", sentence)


@story
async def test_one_that_ends_disappears_at_once() -> None:
    server = Server()
    async with fleet(server, 2) as processes, watching(server) as feed:
        await seen(feed)
        began = now()
        await processes.pop().end()
        await seen(feed, lambda snapshot: len(snapshot.by_process) == 1)
        assert now() - began <= 2


@story
async def test_snapshots_are_made_only_while_somebody_watches() -> None:
    server = Server()

    async def is_kept() -> bool:
        entry = ReadEntry((snapshot_key(processes[0].link.label),))
        reply = await server.send(Message("test", round(now() * 1000), "", (entry,), leaving=True))
        return reply.answers != ("-",)

    async with fleet(server, 1) as processes:
        await asyncio.sleep(5)
        assert not await is_kept()
        async with watching(server) as feed:
            await seen(feed)
            assert await is_kept()
        await asyncio.sleep(10 + 5 + 2)
        assert not await is_kept()


@story
async def test_while_the_server_is_away_the_last_picture_says_so_and_it_heals() -> None:
    server = Server()
    async with fleet(server) as processes, watching(server) as feed:
        await processes[0].ask(10)
        await asyncio.sleep(2)
        await seen(feed, lambda snapshot: snapshot.figures.totals.calls == 10)
        for harm, mend, why in (
            (server.thawed.clear, server.thawed.set, "no reply within 2 s"),
            (lambda: setattr(server, "is_gone", True), lambda: setattr(server, "is_gone", False), "nobody listens"),
        ):
            harm()
            gone = await seen(feed, lambda snapshot: not snapshot.connected)
            assert gone.fleet is not None
            assert gone.fleet.away == why
            assert gone.figures.totals.calls == 10, "what was known last"
            await asyncio.sleep(30)
            mend()
            back = await seen(feed, lambda snapshot: snapshot.connected)
            assert back.fleet is not None
            assert back.fleet.processes >= 1
            await seen(feed, lambda snapshot: len(snapshot.by_process) == 3)
        sentences = await told(feed, 4)
    assert "the fleet is not seen: no reply within 2 s" in sentences
    assert "the fleet is seen again" in sentences


@story
async def test_a_server_that_is_away_from_the_start_and_a_fleet_without_a_process_are_told_apart() -> None:
    server = Server()
    async with watching(server) as feed:
        empty = await seen(feed)
        assert (empty.connected, empty.fleet and empty.fleet.away) == (False, "")
        assert empty.name == "shop"
    server.is_gone = True
    async with watching(server) as feed:
        away = await seen(feed)
        assert (away.connected, away.fleet and away.fleet.away) == (False, "nobody listens")


@story
async def test_processes_of_another_secret_are_counted_and_not_read() -> None:
    server = Server()
    async with fleet(server, 2) as processes, watching(server) as feed:
        processes.append(Process(server, secret="another long secret"))
        snapshot = await seen(feed, lambda snapshot: snapshot.fleet and snapshot.fleet.processes == 3)
        assert snapshot.fleet is not None
        assert (snapshot.fleet.silent, len(snapshot.by_process)) == (1, 2)


@story
async def test_the_worst_lamp_of_each_process_is_told() -> None:
    server = Server()
    async with fleet(server) as processes, watching(server) as feed:
        await seen(feed)
        processes[0].router.breaker("a/m", "open")
        processes[1].router.drain("b")
        snapshot = await seen(feed, lambda snapshot: snapshot.fleet and len(snapshot.fleet.states) == 3)
        assert snapshot.fleet is not None
        assert snapshot.fleet.states == {"open": 1, "drained": 1, "closed": 1}
        [a, b] = snapshot.providers
        assert a.targets[0].health.why.endswith("(in 1 of 3 processes)")
        assert b.health.state == "drained"
        assert "a/m is open in 1 of 3 processes" in await told(feed, 2)


@story
async def test_no_prompt_and_no_request_goes_through_it() -> None:
    server = Server()
    async with fleet(server, 1) as processes, watching(server) as feed:
        await processes[0].ask()
        await seen(feed)
        [end] = [event async for event in feed.prompt(Prompt("chat", "hi"))]
        assert "no prompt goes to a fleet" in end.error
        assert await feed.requests() == ()
        assert await feed.trace("1-1") is None
        assert [chain.route for chain in (await feed.chains()).routes] == ["chat"]
        assert SECRET not in (await feed.config()).text


@story
async def test_plots_have_the_seconds_since_it_is_watched() -> None:
    server = Server()
    async with fleet(server) as processes, watching(server) as feed:
        await seen(feed)
        for _ in range(30):
            for process in processes:
                await process.ask()
            await asyncio.sleep(1)
        history = await feed.history()
        assert len(history.total.calls) == history.seconds == 300
        assert sum(history.routes["chat"].calls) in range(80, 91)
        assert set(history.providers) == {"a", "b"}


HOSTS, MANY = 120, 9812


async def crowd(server: Server) -> None:
    """Has many processes tell that they are there: each made 100 calls, of which it failed 1."""
    sealer = Sealer(SECRET, "shop")
    counted = Tally(succeeded=99, failed=1, output_tokens=500, cost=0.25)
    like = Brief(
        server.allocator_time(), 7, "", "0.1.0", "abc", 1.7e9, 10.0, 2, 50.0, 0.25, counted, counted, obeys=True
    )
    encoder = msgspec.json.Encoder()
    for number in range(MANY):
        label = f"{number:05}"
        brief = replace(like, pid=number, host=f"web-{number % HOSTS}", revision="new" if number % 10 else "old")
        told = BriefEntry(label, sealer.seal(f"brief {label}", encoder.encode(brief)))
        server.allocator.exchange(Message(label, 1, "", (told,)), like.time)


@story
async def test_of_thousands_some_are_sampled_and_all_are_counted() -> None:
    server = Server()
    async with fleet(server, 1) as processes:
        await processes[0].ask(10)
        await asyncio.sleep(2)
        snapshot = processes[0].router.snapshot(with_sketches=True)
    await crowd(server)
    sealer, packed = Sealer(SECRET, "shop"), zlib.compress(msgspec.json.encode(snapshot))
    for number in range(50):
        label = f"{number:05}"
        told = SnapshotEntry(label, sealer.seal(f"snapshot {label}", packed))
        server.allocator.exchange(Message(label, 2, "", (told,)), server.allocator_time())
    async with watching(server) as feed:
        whole = await seen(feed)
        assert (await wanted(server)) == {f"{number:05}" for number in range(50)}
    assert whole.fleet is not None
    assert whole.fleet.counted == "50 of 9,812 processes on 120 machines"
    assert dict(whole.fleet.revisions) == {"new": 8830, "old": 982}
    assert len(whole.by_process) == MANY
    others = MANY - 50
    assert whole.figures.totals.calls == others * 100 + 50 * 10
    assert whole.figures.window.failed == others
    assert round(whole.figures.rate) == others * 10 + round(50 * snapshot.figures.rate)
    assert whole.figures.cost_per_minute is not None
    assert abs(whole.figures.cost_per_minute - others * 0.25) < 1e-3
    assert whole.figures.latency.count == 500, "quantiles are of the sampled"


async def wanted(server: Server) -> set[str]:
    """Return those of a hundred who are asked for snapshots."""
    found = set()
    for number in range(100):
        label = f"{number:05}"
        reply = server.allocator.exchange(Message(label, 3, "", (BriefEntry(label, "x"),)), server.allocator_time())
        found |= {label} if reply.answers[0].startswith("1") else set()
    return found
