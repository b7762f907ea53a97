"""One connection to one watched process; `SocketFeed` has one for each."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from router.monitor.feed import FeedLost
from router.monitor.socket import protocol
from router.monitor.socket.paths import is_same_user

PATIENCE = 2.0  # seconds in which a process has to say hello
ANSWER = 30.0  # seconds in which it has to answer; a reload of a large file takes a while
_LONGEST_LINE = 256 * 1024 * 1024  # bytes
_KEPT = 64  # answers that may wait for their reader


class Connection:
    """A connection, made by `connect`. What was asked ends with `FeedLost` when the process goes away."""

    def __init__(self, path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.path = path
        self.hello: protocol.Hello
        self.gone = False
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[protocol.RawAnswer | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        self.hello = protocol.hello.decode(await self._reader.readline())
        if self.hello.version != protocol.VERSION:
            raise FeedLost(f"{self.path} speaks version {self.hello.version}, this is {protocol.VERSION}")
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                answer = protocol.answered.decode(line)
                queue = self._waiting.get(answer.id)
                if queue is not None:
                    if queue.full():
                        queue.get_nowait()  # a reader that lags behind misses the oldest
                    queue.put_nowait(answer)
        except (OSError, ValueError, msgspec.MsgspecError):
            pass  # it is gone, or what it says makes no sense: the same to us
        finally:
            self.gone = True
            for queue in self._waiting.values():
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(None)
            self._writer.close()

    async def stream(
        self, ask: Callable[[int], protocol.Asked], type: Any, *, lossless: bool = False
    ) -> AsyncGenerator[Any, None]:
        """Yield the values that come for a question; leaving it tells the process to stop.

        Args:
            ask: makes the question, given its id.
            type: of the values.
            lossless: keep all for a slow reader.

        Raises:
            FeedLost: the process went away, or refused.
        """
        question_id = next(self._numbers)
        queue = self._waiting[question_id] = asyncio.Queue(0 if lossless else _KEPT)
        decoder = msgspec.json.Decoder(type)
        ended = False
        try:
            self._send(ask(question_id))
            while True:
                answer = None if self.gone and queue.empty() else await queue.get()
                if answer is None:
                    raise FeedLost(f"the process {self.hello.pid} is gone")
                ended = answer.end
                if answer.error is not None:
                    raise FeedLost(answer.error)
                if not ended or bytes(answer.value) != b"null":
                    yield decoder.decode(answer.value)
                if ended:
                    return
        finally:
            del self._waiting[question_id]
            if not ended and not self.gone:
                self._send(protocol.Stop(question_id))

    async def once(self, ask: Callable[[int], protocol.Asked], type: Any) -> Any:
        """Return the one value that comes for a question; None where it has none."""
        question_id = next(self._numbers)
        queue = self._waiting[question_id] = asyncio.Queue(_KEPT)
        try:
            self._send(ask(question_id))
            async with asyncio.timeout(ANSWER):
                answer = None if self.gone else await queue.get()
        except TimeoutError:
            answer = None
        finally:
            del self._waiting[question_id]
        if answer is None:
            raise FeedLost(f"the process {self.hello.pid} does not answer")
        if answer.error is not None:
            raise FeedLost(answer.error)
        return msgspec.json.decode(answer.value, type=type)

    def _send(self, ask: protocol.Asked) -> None:
        if not self.gone:
            self._writer.write(protocol.encoder.encode(ask) + b"\n")

    async def aclose(self) -> None:
        self._writer.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])


async def connect(path: Path) -> Connection:
    """Connect to the router behind a socket.

    Raises:
        ConnectionRefusedError: nobody listens there any more.
        FeedLost: it belongs to another user, says no hello in time, or speaks another version.
        OSError
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.connect(os.fspath(path))  # on this kind of socket it is at once
        if not is_same_user(sock):
            raise FeedLost(f"{path} belongs to another user")
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=_LONGEST_LINE)
    except BaseException:
        sock.close()
        raise
    connection = Connection(path, reader, writer)
    try:
        await _in_time(connection.begin(), f"{path} says no hello")
    except BaseException:
        writer.close()
        raise
    return connection


async def _in_time(work: Awaitable[None], otherwise: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            await work
    except (TimeoutError, msgspec.MsgspecError, ValueError):
        raise FeedLost(otherwise) from None
