"""The side of the socket that is watched: it makes what is asked for, and waits for nobody.

A client that does not read is dropped when more than a bounded amount is unsent, or when it has not read for a while.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import weakref
from collections.abc import Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from providers.printable import one_line
from router.cleanup import end_with
from router.monitor.local_feed import LocalFeed
from router.monitor.socket import protocol
from router.monitor.socket.encoding import SnapshotEncoder
from router.monitor.socket.paths import SocketUnavailable, is_same_user, listen
from router.monitor.subject import Subject
from router.telemetry.history import Seconds
from router.turns import in_turns
from router.views.history import RANGES

log = logging.getLogger("signalbox.monitor")

CLIENTS = 32  # at the same time
QUESTIONS = 64  # of one client that are answered at the same time; a dashboard has about ten
UNSENT = 1024 * 1024  # bytes that may wait for a client to read
PATIENCE = 30.0  # seconds in which a client has to read something
_ROWS = 3  # rows of a plot that are written at once
_SHOWN = 200  # characters of what is wrong with a line, which quotes it
_OFTEN = 0.1  # seconds between two snapshots, at least


def start(subject: Subject) -> asyncio.Task[None] | None:
    """Open the socket of a router on the running loop; None where there are none, or its file wants none."""
    settings = subject.plan.file.telemetry
    where = "auto" if settings is None or settings.monitor is None else settings.monitor
    if where == "off" or not hasattr(socket, "AF_UNIX") or sys.platform == "win32":
        return None
    task = asyncio.get_running_loop().create_task(Monitor(subject, None if where == "auto" else where).serve())
    end_with(subject, task)
    return task


class Monitor:
    """The socket of one router, on its loop. It ends with `aclose`, with the loop, or with the router.

    Args:
        subject: held weakly, so that a dropped router is collected.
        configured: the socket's path; None takes one in the usual folder.
    """

    def __init__(self, subject: Subject, configured: str | None = None) -> None:
        self._subject = weakref.ref(subject)
        self._configured = configured
        self._connections: set[_Connection] = set()
        self._encoded: dict[bool, tuple[float, bytes]] = {}  # the newest snapshot, by whether it has sketches
        self._encoders = {True: SnapshotEncoder(), False: SnapshotEncoder()}
        self._one_at_a_time = asyncio.Lock()
        self.path: Path | None = None
        self.failed = ""

    async def serve(self) -> None:
        """Listen until cancelled."""
        try:
            listening, self.path = listen(self._configured)
        except SocketUnavailable as error:
            self.failed = str(error)
            log.warning("this router can't be watched: %s", error)
            return
        forget = weakref.finalize(self, _remove, self.path, os.getpid())
        try:
            server = await asyncio.start_unix_server(self._on_client, sock=listening, limit=protocol.LONGEST_LINE)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                server.close()
        finally:
            for connection in tuple(self._connections):
                connection.drop("")
            listening.close()
            forget()

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        subject = self._subject()
        connected: socket.socket = writer.get_extra_info("socket")
        if subject is None or not is_same_user(connected):
            writer.transport.abort()
            return
        connection = _Connection(self, reader, writer)
        if len(self._connections) >= CLIENTS and not self._make_room():
            connection.refuse(f"{CLIENTS} clients are connected already")
            return
        self._connections.add(connection)
        try:
            connection.greet(subject)
            del subject
            await connection.run()
        except asyncio.CancelledError:
            pass  # the loop ends; this is the outermost call, and what asyncio 3.11 calls after it can't take it
        finally:
            self._connections.discard(connection)
            connection.drop("")

    def _make_room(self) -> bool:
        """Drop the client that has asked nothing for the longest, so that who only holds a place keeps nobody out."""
        idle = [connection for connection in self._connections if connection.idle_since is not None]
        if not idle:
            return False
        longest = min(idle, key=lambda connection: connection.idle_since or 0.0)
        self._connections.discard(longest)
        longest.drop("others need its place, and it asks nothing")
        return True

    def subject(self) -> Subject:
        """Return the router. Raises LookupError when it is gone."""
        subject = self._subject()
        if subject is None:
            raise LookupError("this router is gone")
        return subject

    def feed(self) -> LocalFeed:
        """Make a feed for one question, so that none of them keeps the router alive."""
        return LocalFeed(self.subject())

    async def snapshot(self, *, sketches: bool, fresh: bool) -> bytes:
        """Return a snapshot as JSON; clients that ask at about the same time share one, unless it has to be `fresh`."""
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        async with self._one_at_a_time:
            made_at, encoded = self._encoded.get(sketches, (-1.0, b""))
            if not encoded or (made_at < asked_at if fresh else asked_at - made_at >= _OFTEN * 0.9):
                made_at = clock()
                snapshot = await self.feed().snapshot(with_sketches=sketches)
                encoded = await in_turns(self._encoders[sketches].encoding(snapshot))
                self._encoded[sketches] = made_at, encoded
        return encoded


async def _written(seconds: Seconds) -> Seconds:
    """The same with its rows as JSON: five minutes of many routes take long to write, so others get their turn."""
    rows: dict[int, Any] = {}
    for number, (second, row) in enumerate(seconds.rows.items()):
        rows[second] = msgspec.Raw(protocol.encoder.encode(row))
        if number % _ROWS == 0:
            await asyncio.sleep(0)
    return replace(seconds, rows=rows)


def _remove(path: Path, made_by: int) -> None:
    if os.getpid() == made_by:  # not in a fork of it
        path.unlink(missing_ok=True)


class _Connection:
    """The connection of one client, and what it has asked."""

    def __init__(self, monitor: Monitor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._monitor = monitor
        self._reader = reader
        self._writer = writer
        self._running: dict[int, asyncio.Task[None]] = {}
        self._clock = asyncio.get_running_loop().time
        self._stuck_since: float | None = None
        self.idle_since: float | None = self._clock()  # None while it has a question open

    # --- the client's lines

    def greet(self, subject: Subject) -> None:
        """Send the first line, which says who serves."""
        telemetry, report = subject.telemetry, subject.report
        path = None if report.path is None else str(report.path)
        hello = protocol.Hello(
            protocol.VERSION,
            os.getpid(),
            telemetry.label,
            report.name,
            path,
            subject.plan.revision,
            telemetry.started_at,
        )
        self._write(protocol.encoder.encode(hello))

    async def run(self) -> None:
        """Serve until the client leaves, or sends what makes no sense."""
        while True:
            try:
                line = await self._reader.readline()
            except OSError:  # the connection broke
                return
            except ValueError:
                self.refuse(f"a line of over {protocol.LONGEST_LINE} bytes")
                return
            if not line.endswith(b"\n"):
                return
            try:
                ask = protocol.asked.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                self.refuse(f"this is no line of the protocol: {one_line(str(error)[:_SHOWN])}")
                return
            self._on_line(ask)
            await asyncio.sleep(0)  # a reader with more in hand would not wait: others have their turn

    def _on_line(self, ask: protocol.Asked) -> None:
        before = self._running.pop(ask.id, None)
        if before is not None:
            before.cancel()
        if isinstance(ask, protocol.Stop):
            self._answer(protocol.Answer(ask.id, end=True))
            return
        if len(self._running) >= QUESTIONS:
            error = f"{QUESTIONS} questions are open already; stop one first"
            self._answer(protocol.Answer(ask.id, error=error, end=True))
            return
        self.idle_since = None
        task = self._running[ask.id] = asyncio.get_running_loop().create_task(self._serve(ask))
        task.add_done_callback(lambda done: self._done(ask.id, done))

    def _done(self, id: int, task: asyncio.Task[None]) -> None:
        if self._running.get(id) is task:
            del self._running[id]
        if not self._running:
            self.idle_since = self._clock()

    async def _serve(self, ask: protocol.Asked) -> None:
        try:
            await self._work(ask)
        except LookupError as error:
            self._answer(protocol.Answer(ask.id, error=str(error), end=True))
        except Exception as error:
            log.exception("a client's request failed")
            self._answer(protocol.Answer(ask.id, error=f"{type(error).__name__}: {error}", end=True))

    def _work(self, ask: protocol.Asked) -> Coroutine[Any, Any, None]:
        if isinstance(ask, protocol.Snapshots):
            return self._snapshots(ask)
        if isinstance(ask, protocol.Events):
            return self._events(ask)
        if isinstance(ask, protocol.RunPrompt):
            return self._prompt(ask)
        return self._once(ask)

    async def _once(self, ask: protocol.Asked) -> None:
        feed = self._monitor.feed()
        value: Any = None
        match ask:
            case protocol.Requests():
                value = await feed.requests(ask.only, min(ask.limit, 1000))
            case protocol.TraceOf():
                value = await feed.trace(ask.request)
            case protocol.SecondsSince():
                grain = ask.grain if ask.grain in RANGES.values() else 1
                value = await _written(await feed.seconds_since(ask.since, grain))
            case protocol.ChainsNow():
                value = await feed.chains()
            case protocol.ConfigNow():
                value = await feed.config()
            case protocol.Run():
                value = await feed.command(ask.command)
        self._answer(protocol.Answer(ask.id, value, end=True))

    async def _snapshots(self, ask: protocol.Snapshots) -> None:
        every, fresh = max(_OFTEN, ask.every), True
        while True:
            if self._can_send():
                raw = msgspec.Raw(await self._monitor.snapshot(sketches=ask.sketches, fresh=fresh))
                self._answer(protocol.Answer(ask.id, raw))
                fresh = False
            await asyncio.sleep(every)

    def _can_send(self) -> bool:
        """Say whether the last snapshot is out; a client that has not read for long is dropped."""
        now = self._clock()
        if not self._writer.transport.get_write_buffer_size():
            self._stuck_since = None
            return True
        if self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since > PATIENCE:
            self.drop(f"it has read nothing for {PATIENCE:.0f} s")
        return False

    async def _events(self, ask: protocol.Events) -> None:
        async with aclosing(self._monitor.feed().events()) as events:
            async for event in events:
                self._answer(protocol.Answer(ask.id, replace(event, pid=os.getpid())))

    async def _prompt(self, ask: protocol.RunPrompt) -> None:
        async with aclosing(self._monitor.feed().prompt(ask.prompt)) as events:
            async for event in events:
                self._answer(protocol.Answer(ask.id, event))
        self._answer(protocol.Answer(ask.id, end=True))

    # --- the server's lines

    def _answer(self, answer: protocol.Answer) -> None:
        self._write(protocol.encoder.encode(answer))

    def _write(self, line: bytes) -> None:
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > UNSENT:
            self.drop(f"it has left over {UNSENT} bytes unread")
            return
        self._writer.writelines((line, b"\n"))

    def refuse(self, why: str) -> None:
        """Say why, as far as it goes out at once, and close."""
        self._answer(protocol.Answer(0, error=why, end=True))
        log.info("a client was refused: %s", why)
        self._writer.close()
        self._stop()

    def drop(self, why: str) -> None:
        """Close at once."""
        if why:
            log.info("a client was dropped: %s", why)
        if not self._writer.transport.is_closing() or self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()
        self._stop()

    def _stop(self) -> None:
        for task in tuple(self._running.values()):
            task.cancel()
        self._running.clear()
