"""Commands reach those of a fleet that take them, once, and nobody without the secret can give one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from router.monitor.fleet.orders import Order, seal
from router.shared.exchange import Message
from router.shared.fact import Fact, NewsEntry
from router.shared.sealing import Sealer
from router.testing import run
from router.views.commands import ClearCache, Drain, SetBreaker, Undrain
from router.views.events import Event
from tests.support.fleet import Server
from tests.support.fleet_view import SECRET, Process, fleet, seen, watching
from tests.support.world import now, story


def events_of(process: Process) -> list[Event]:
    return [event for event in process.router.telemetry.events if event.kind == "shared"]


async def tell(server: Server, number: str, payload: str, seconds: float = 60.0) -> None:
    """Tell a command as somebody would who can write to the server."""
    news = NewsEntry(0, (Fact("command", number, seconds, payload),))
    await server.send(Message("someone", round(now() * 1000), "", (news,), leaving=True))


def ordered(number: str, at: float, to: str = "*", secret: str = SECRET, app: str = "shop") -> str:
    return seal(Sealer(secret, app), number, Order(to, at, Drain("a")))


def draining(process: Process) -> bool:
    [target] = [target for target in process.router.snapshot().targets if target.name == "a/m"]
    return process.router.snapshot().providers[0].health.state == "drained" or target.health.state == "drained"


STATES = {
    "drain": (Drain("a/m"), "drained", "a/m gets no new calls"),
    "open": (SetBreaker("a/m", "open"), "open", "the breaker of a/m is opened"),
    "close": (SetBreaker("a/m", "close"), "closed", "the breaker of a/m is closed"),
    "reset": (SetBreaker("a/m", "reset"), "closed", "the breaker of a/m is reset"),
    "undrain": (Undrain("a/m"), "closed", "a/m gets calls again"),
    "clear": (ClearCache(), "closed", "0 answers were forgotten"),
}


@pytest.mark.parametrize("what", STATES)
def test_all_processes_do_what_they_are_told_and_say_so(what: str) -> None:
    command, state, sentence = STATES[what]

    async def main() -> None:
        server = Server()
        async with fleet(server) as processes, watching(server) as feed:
            await seen(feed)
            done = await feed.command(command)
            assert done.ok
            assert done.message == f"done in 3 of 3 processes; {sentence}"
            for process in processes:
                assert process.router.snapshot().targets[0].health.state == state
                assert [event.sentence for event in events_of(process)] == [f"told by the fleet: {sentence}"]

    run(main())


@story
async def test_a_command_may_be_the_first_that_one_who_watches_does() -> None:
    server = Server()
    async with fleet(server):
        await asyncio.sleep(2)
        async with watching(server) as feed:
            assert (await feed.command(Drain("a"))).message == "done in 3 of 3 processes; a gets no new calls"


@story
async def test_one_process_may_be_meant() -> None:
    server = Server()
    async with fleet(server) as processes, watching(server) as feed:
        await seen(feed)
        done = await feed.command(Drain("a"), processes[1].link.label)
        assert done.message == "done in 1 of 1 process; a gets no new calls"
        assert [draining(process) for process in processes] == [False, True, False]


@story
async def test_who_takes_no_commands_does_nothing_and_is_counted() -> None:
    server = Server()
    async with fleet(server, 2) as processes, watching(server) as feed:
        processes.append(Process(server, commands=False))
        await seen(feed, lambda snapshot: len(snapshot.by_process) == 3)
        done = await feed.command(Drain("a"))
        assert done.message == "done in 2 of 2 processes; a gets no new calls; 1 takes no commands"
        assert [draining(process) for process in processes] == [True, True, False]


@story
async def test_where_nobody_takes_commands_it_is_said() -> None:
    server = Server()
    async with fleet(server, 0) as processes, watching(server) as feed:
        processes.append(Process(server, commands=False))
        await seen(feed, lambda snapshot: snapshot.connected)
        done = await feed.command(Drain("a"))
        assert not done.ok
        assert "no process of shop takes commands" in done.message


@story
async def test_what_can_not_be_done_is_said_by_all() -> None:
    server = Server()
    async with fleet(server) as processes, watching(server) as feed:
        await seen(feed)
        done = await feed.command(Drain("nobody"))
        assert not done.ok
        assert done.message.startswith(
            'done in 0 of 3 processes; no route, model or provider/model-id is named "nobody"'
        )
        assert all(events_of(process)[0].level == "warning" for process in processes)


@story
async def test_a_process_that_is_silent_is_told_apart() -> None:
    server = Server()
    async with fleet(server) as processes, watching(server) as feed:
        await seen(feed)
        await processes[2].kill()
        done = await feed.command(Drain("a"))
        assert not done.ok
        assert done.message == "done in 2 of 3 processes; a gets no new calls; 1 has not said what became of it"


FORGED: dict[str, Callable[[float], str]] = {
    "of another secret": lambda at: ordered("x1", at, secret="another secret of somebody"),
    "of another app": lambda at: ordered("x1", at, app="other"),
    "under another number": lambda at: ordered("x2", at),
    "not sealed": lambda at: '{"to":"*"}',
    "nothing": lambda at: "",
    "a brief": lambda at: Sealer(SECRET, "shop").seal("brief x1", b"[]"),
    "sealed nonsense": lambda at: Sealer(SECRET, "shop").seal("command x1", b"[]"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_command_is_refused_and_told(what: str) -> None:
    async def main() -> None:
        server = Server()
        async with fleet(server) as processes:
            await asyncio.sleep(3)
            await tell(server, "x1", FORGED[what](server.allocator_time()))
            await asyncio.sleep(3)
            for process in processes:
                assert not draining(process)
                [event] = events_of(process)
                assert event.level == "warning"
                assert event.sentence.endswith("refused: it was not sealed with the secret of this file")

    run(main())


@pytest.mark.parametrize(("age", "is_done"), [(-75.0, False), (-50.0, True), (0.0, True), (50.0, True), (75.0, False)])
def test_a_command_that_is_not_of_the_last_minute_is_refused_and_told(age: float, is_done: bool) -> None:
    async def main() -> None:
        server = Server()
        async with fleet(server) as processes:
            await asyncio.sleep(100)
            await tell(server, "x1", ordered("x1", server.allocator_time() - age))
            await asyncio.sleep(3)
            for process in processes:
                assert draining(process) is is_done
                assert ("refused: it is not of the last 60 s" in events_of(process)[0].sentence) is not is_done

    run(main())


@story
async def test_a_replayed_command_is_done_once_and_told() -> None:
    server = Server()
    async with fleet(server) as processes:
        await asyncio.sleep(3)
        payload = ordered("x1", server.allocator_time())
        await tell(server, "x1", payload, seconds=5)
        await asyncio.sleep(8)
        for process in processes:
            assert draining(process)
            process.router.undrain("a")
        await tell(server, "x1", payload)
        await asyncio.sleep(3)
        for process in processes:
            assert not draining(process)
            assert events_of(process)[-1].sentence == "a command to the fleet was refused: it was told before"


@story
async def test_a_process_does_nothing_that_was_told_before_it_came() -> None:
    """So a replay at a process that began anew has no effect either."""
    server = Server()
    async with fleet(server, 1) as processes:
        await asyncio.sleep(3)
        await tell(server, "x1", ordered("x1", server.allocator_time()))
        await asyncio.sleep(3)
        processes.append(Process(server))
        await asyncio.sleep(3)
        assert [draining(process) for process in processes] == [True, False]
        assert events_of(processes[1]) == []


@story
async def test_refusals_do_not_fill_the_log() -> None:
    server = Server()
    async with fleet(server, 1) as processes:
        await asyncio.sleep(3)
        for number in range(50):
            await tell(server, f"x{number}", "nonsense")
            await asyncio.sleep(0.3)
        assert len(events_of(processes[0])) == 1


@story
async def test_a_clock_that_is_wrong_does_not_matter() -> None:
    """The server's time of day counts; here it is 50 years from the loops'."""
    server = Server()
    async with fleet(server, 1), watching(server) as feed:
        snapshot = await seen(feed)
        assert abs(snapshot.time - server.allocator_time()) < 3
        assert (await feed.command(Drain("a"))).ok
