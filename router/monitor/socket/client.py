"""The side of the socket that watches: it finds the routers of this user, and adds up the processes of one app."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from providers.threads import in_thread
from router.monitor.feed import FeedLost
from router.monitor.merge import merge
from router.monitor.socket import protocol
from router.monitor.socket.connection import Connection, connect
from router.monitor.socket.paths import folder, remove_if_dead, sockets
from router.telemetry.events import process_changed
from router.telemetry.history import Row, Seconds, Told, add_rows, making_history
from router.turns import in_turns
from router.views.commands import Command, Done, Prompt, PromptEvent
from router.views.events import Event
from router.views.figures import KEPT, Snapshot
from router.views.file import ConfigView
from router.views.history import RANGES, History
from router.views.requests import RequestFilter, RequestRecord, TraceView
from router.views.routes import Chains
from router.views.running import Running

log = logging.getLogger("signalbox.events")

_PATIENCE = 3.0  # seconds that one snapshot may take
SCAN = 1.0  # seconds between two looks for processes that came


async def discover(where: Path | None = None) -> tuple[Running, ...]:
    """List the routers of this user that can be watched now. Sockets of dead processes are removed.

    Args:
        where: the folder of the sockets, or one socket (`telemetry.monitor` of the file); None takes the usual folder.
    """
    apps: dict[tuple[str, str | None, int], list[Connection]] = {}
    connections = await asyncio.gather(*(_try(path) for path in _paths(where)))
    for connection in connections:
        if connection is not None:
            apps.setdefault(_app(connection.hello), []).append(connection)
    running = [
        Running(
            name,
            path,
            tuple(process.hello.pid for process in same),
            tuple(str(process.path) for process in same),
            max(same, key=lambda process: process.hello.started_at).hello.revision,
        )
        for (name, path, _), same in apps.items()
    ]
    for connection in connections:
        if connection is not None:
            await connection.aclose()
    return tuple(running)


async def app_snapshot(name: str, path: str, where: str | None) -> Snapshot | None:
    """Return one snapshot of all processes of a file that can be watched now; None where there is one at most.

    Args:
        where: `telemetry.monitor` of the file.
    """
    paths = _paths(None if where in (None, "auto") else Path(str(where)))
    if len(paths) < 2:
        return None
    found = [each for each in await asyncio.gather(*map(_try, paths)) if each is not None]
    try:
        same = [each for each in found if _app(each.hello)[:2] == (name, path)]
        if len(same) < 2:
            return None
        taken = await asyncio.gather(*map(_taken, same))
        snapshots = [each for each in taken if each is not None]
        return await in_thread(merge, snapshots) if snapshots else None
    finally:
        for connection in found:
            await connection.aclose()


async def _taken(connection: Connection) -> Snapshot | None:
    ask = partial(protocol.Snapshots, every=SCAN, sketches=True)
    try:
        async with asyncio.timeout(_PATIENCE), aclosing(connection.stream(ask, Snapshot)) as snapshots:
            return await anext(snapshots, None)
    except (FeedLost, TimeoutError):
        return None


def _paths(where: Path | None) -> list[Path]:
    if where is None or where.is_dir():
        return sockets(where or folder())
    return [where, *sorted(where.parent.glob(f"{where.name}.*"))]


def _app(hello: protocol.Hello) -> tuple[str, str | None, int]:
    """Return what the processes of one app have in common; a router made from text stands alone."""
    return hello.name, hello.path, 0 if hello.path is not None else hello.pid


async def _try(path: Path) -> Connection | None:
    try:
        return await connect(path)
    except ConnectionRefusedError:
        remove_if_dead(path)
    except (OSError, FeedLost):
        pass
    return None


class SocketFeed:
    """A `Feed` (`router.monitor.feed`) of all processes of one app, those included that come later.

    It belongs to the event loop that it is first used on.

    Args:
        running: from `discover`.
        where: as for `discover`.
    """

    def __init__(self, running: Running, where: Path | None = None) -> None:
        self._running = running
        self._where = where
        self._app = (running.name, running.path, 0 if running.path is not None else running.pids[0])
        self._connections: dict[Path, Connection] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._strangers: set[Path] = set()
        self._past: dict[tuple[Path, int], Told] = {}  # of each process, by the grain
        self._closed = False

    @property
    def name(self) -> str:
        return self._running.name

    # --- connections

    async def _living(self) -> list[Connection]:
        """Return the connections, made on first use. Raises FeedLost when there are none."""
        if self._keeper is None and not self._closed:
            await self._scan()
            self._keeper = asyncio.get_running_loop().create_task(self._keep())
        living = [connection for connection in self._connections.values() if not connection.gone]
        if not living:
            raise FeedLost(f"no process of {self.name} answers")
        return living

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SCAN)
            await self._scan()

    async def _scan(self) -> None:
        before = set(self._connections)
        for path in [path for path, connection in self._connections.items() if connection.gone]:
            await self._connections.pop(path).aclose()
            for grain in RANGES.values():
                self._past.pop((path, grain), None)
        there = _paths(self._where)
        self._strangers &= set(there)
        new = [path for path in there if path not in self._connections and path not in self._strangers]
        for connection in await asyncio.gather(*map(_try, new)):
            if connection is None:
                continue
            if _app(connection.hello) == self._app:
                self._connections[connection.path] = connection
            else:
                self._strangers.add(connection.path)
                await connection.aclose()
        if set(self._connections) != before:
            async with self._changed:
                self._changed.notify_all()

    async def aclose(self) -> None:
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        for connection in self._connections.values():
            await connection.aclose()
        self._connections.clear()

    # --- what comes by itself

    async def snapshots(self, every: float = 0.25) -> AsyncGenerator[Snapshot, None]:
        newest: dict[Path, Snapshot] = {}
        readers: dict[Path, asyncio.Task[None]] = {}
        fresh = asyncio.Event()
        last: Snapshot | None = None
        several = False
        try:
            while True:
                living = {process.path: process for process in await self._living_or_none()}
                alike, several = several == (len(living) > 1), len(living) > 1  # only several need the sketches
                for path in [path for path, task in readers.items() if path not in living or task.done() or not alike]:
                    readers.pop(path).cancel()
                    newest.pop(path, None)
                for path in living.keys() - readers.keys():
                    readers[path] = asyncio.create_task(_keep_newest(living[path], every, several, newest, fresh))
                if newest and len(newest) == len(living):
                    last = merge([newest[path] for path in sorted(newest)])
                    yield last
                elif not living and last is not None and last.connected:
                    last = replace(last, connected=False)
                    yield last
                if len(readers) == 1:  # as they come; else at the pace that was asked for
                    await _wait(fresh, SCAN)
                else:
                    await asyncio.sleep(every if readers else min(every, SCAN))
                fresh.clear()
        finally:
            for task in readers.values():
                task.cancel()
            if readers:
                await asyncio.wait(readers.values())

    async def _living_or_none(self) -> list[Connection]:
        try:
            return await self._living()
        except FeedLost:
            return []

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the events of all processes, in the order in which they arrive, and those of processes that come and
        go.
        """
        queue: asyncio.Queue[Event] = asyncio.Queue(1000)
        readers: dict[Path, asyncio.Task[None]] = {}
        known: dict[Path, int] | None = None
        try:
            while True:
                living = await self._living_or_none()
                now = {connection.path: connection.hello.pid for connection in living}
                for event in [] if known is None else _comings(known, now):
                    log.info("%s", event.sentence)
                    yield event
                known = now
                for connection in living:
                    if connection.path not in readers:
                        readers[connection.path] = asyncio.create_task(_pass_on(connection, queue))
                for path in [path for path, task in readers.items() if task.done()]:
                    del readers[path]
                try:
                    async with asyncio.timeout(SCAN):
                        yield await queue.get()
                except TimeoutError:
                    continue
        finally:
            for task in readers.values():
                task.cancel()
            if readers:
                await asyncio.wait(readers.values())

    # --- what is asked for

    async def history(self, span: int = KEPT) -> History:
        rows: dict[int, Row] = {}
        end, grain = 0, RANGES[span]
        for connection in await self._living():
            past = self._past.setdefault((connection.path, grain), Told(grain))
            ask = partial(protocol.SecondsSince, since=past.over, grain=grain)
            past.add(await connection.once(ask, Seconds))
            end = max(end, past.end)
            add_rows(rows, past.rows)
        return await in_turns(making_history(Seconds(end, rows, grain)))

    async def requests(self, only: RequestFilter | None = None, limit: int = 100) -> tuple[RequestRecord, ...]:
        records: list[RequestRecord] = []
        for connection in await self._living():
            records += await connection.once(partial(protocol.Requests, only=only, limit=limit), list[RequestRecord])
        return tuple(sorted(records, key=lambda record: record.time + record.seconds, reverse=True)[:limit])

    async def trace(self, id: str) -> TraceView | None:
        label = id.rpartition("-")[0]
        for connection in await self._living():
            if connection.hello.label == label:
                trace_view: TraceView | None = await connection.once(
                    partial(protocol.TraceOf, request=id), TraceView | None
                )
                return trace_view
        return None

    async def chains(self) -> Chains:
        view: Chains = await (await self._newest()).once(protocol.ChainsNow, Chains)
        return view

    async def config(self) -> ConfigView:
        view: ConfigView = await (await self._newest()).once(protocol.ConfigNow, ConfigView)
        return view

    async def _newest(self) -> Connection:
        return max(await self._living(), key=lambda connection: connection.hello.started_at)

    async def command(self, command: Command) -> Done:
        living = await self._living()
        answers: list[Done | BaseException] = await asyncio.gather(
            *(connection.once(partial(protocol.Run, command=command), Done) for connection in living),
            return_exceptions=True,
        )
        results = [answer if isinstance(answer, Done) else Done(False, str(answer)) for answer in answers]
        failed = [result for result in results if not result.ok]
        if not failed or len(failed) == len(results):
            return results[0]
        pids = ", ".join(
            str(connection.hello.pid) for connection, result in zip(living, results, strict=True) if not result.ok
        )
        return Done(
            False, f"done in {len(results) - len(failed)} of {len(results)} processes; {pids}: {failed[0].message}"
        )

    async def prompt(self, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
        """Run a prompt in one of the processes; closing the iterator stops the call upstream."""
        connection = await self._newest()
        asking = connection.stream(partial(protocol.RunPrompt, prompt=prompt), PromptEvent, lossless=True)
        async with aclosing(asking) as events:
            async for event in events:
                yield event


def _comings(before: dict[Path, int], after: dict[Path, int]) -> list[Event]:
    """Tell which processes have come, and which are gone."""
    changed = [(before[path], True) for path in before.keys() - after.keys()]
    changed += [(after[path], False) for path in after.keys() - before.keys()]
    return [process_changed(pid, gone=gone, time=time.time()) for pid, gone in sorted(changed)]


async def _keep_newest(
    connection: Connection, every: float, sketches: bool, newest: dict[Path, Snapshot], fresh: asyncio.Event
) -> None:
    ask = partial(protocol.Snapshots, every=every, sketches=sketches)
    try:
        async with aclosing(connection.stream(ask, Snapshot)) as snapshots:
            async for snapshot in snapshots:
                newest[connection.path] = snapshot
                fresh.set()
    except FeedLost:
        newest.pop(connection.path, None)
        fresh.set()


async def _pass_on(connection: Connection, queue: asyncio.Queue[Event]) -> None:
    try:
        async with aclosing(connection.stream(protocol.Events, Event)) as events:
            async for event in events:
                await queue.put(event)
    except FeedLost:
        pass


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
