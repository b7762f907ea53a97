"""A proxy before a server, on loopback: it delays, swallows, cuts or refuses what goes through."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import suppress

_COMMAND = re.compile(rb"(?:^|\r\n)\*[0-9]+\r\n")  # the beginning of one, in the protocol of a Redis

_AGAIN = 0.25  # seconds after which what was lost is sent again


class Proxy:
    """Carries bytes both ways.

    `delay` is in seconds, and up to `jitter` more; of the pieces, `drops` is the part that is lost and sent again.
    `swallows` lets nothing through, though all seems connected; `deaf` does so with what comes back. `cuts` is the
    number of bytes after which a connection is closed. `refuses` is what every command of a Redis gets in place of its
    reply. `to` is the port of the server that new connections lead to.
    """

    def __init__(self, port: int) -> None:
        self.to = port
        self.port = 0
        self.heal()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def heal(self) -> None:
        """Carry all as it comes."""
        self.delay = self.jitter = self.drops = 0.0
        self.swallows = self.deaf = False
        self.cuts: int | None = None
        self.refuses = ""

    async def start(self) -> Proxy:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.close()
            return
        for source, sink, back in ((reader, there[1], writer), (there[0], writer, None)):
            self._writers.add(sink)
            task = asyncio.get_running_loop().create_task(self._carry(source, sink, back))
            self._tasks.add(task)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: asyncio.StreamWriter | None
    ) -> None:
        carried = 0
        with suppress(OSError):
            while data := await source.read(65_536):
                lost = random.random() < self.drops
                await asyncio.sleep(self.delay + random.uniform(0.0, self.jitter) + lost * _AGAIN)
                carried += len(data)
                if self.cuts is not None and carried > self.cuts:
                    sink.write(data[: self.cuts - carried])
                    break
                if self.refuses and back is not None:
                    back.write(f"-{self.refuses}\r\n".encode() * len(_COMMAND.findall(data)))
                elif not self.swallows and not (self.deaf and back is None):
                    sink.write(data)
        sink.close()

    async def stop(self) -> None:
        """Close all, and listen no longer."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._writers, self._tasks = set(), set()
