"""The body of a streamed answer: what is ready at a moment goes out together, and silence is broken by signs of life.

A task reads the chunks and writes them down in the client's protocol; the server takes what is there. So the chunks of
one read from the vendor, which are ready together, cost one write. Over sockets that takes half the CPU of a write for
each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from providers.types import StreamChunk
from router.engine.stream import RouterStream

_TOGETHER = 32 * 1024  # bytes that are enough for one write
# Of the loop, in which a stream that is whole has time to end: then its last bytes and its end are one write.
_TURNS = 4
_ROOM = 256 * 1024  # bytes that may wait for a client to read


class Writing(Protocol):
    """Writes chunks down in the client's protocol."""

    def chunk(self, chunk: StreamChunk) -> bytes: ...

    def together(self, data: bytes) -> bytes: ...

    def failed(self, error: Exception) -> bytes: ...


class StreamBody:
    """The bytes of a stream: `first` waits for its beginning, iterating gives the rest, `aclose` ends the call.

    Args:
        stream: is read here, and closed at the end.
        writing: gives the bytes of a chunk, what has to be done to those that go out together, and the bytes that tell
            an error in the stream.
        keepalive: what is sent in silence; nothing where the protocol has no such thing.
        every: seconds of silence after which it is sent.

    Attributes:
        first_at: when its first bytes were there, by the loop's clock.
        error: what it failed with.
        finished: whether all of it was taken.
        ends: whether what was taken last is the end of it.
    """

    def __init__(
        self,
        stream: RouterStream,
        writing: Writing,
        *,
        keepalive: bytes,
        every: float,
    ) -> None:
        self._stream = stream
        self._writing = writing
        self._keepalive = keepalive
        self._every = every
        self._ready: list[bytes] = []
        self._size = 0
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._reader: asyncio.Future[None] | None = None  # the task, where the client reads too slowly
        self._told: Callable[[], None] | None = None
        self.first_at: float | None = None
        self.error: Exception | None = None
        self.finished = False
        self.ends = False
        self._whole = False
        self._gathers = False  # what is ready waits for what the vendor has sent already
        self._task = self._loop.create_task(self._read())

    async def first(self) -> bool:
        """Wait for the first bytes; False when only a sign of life is there after so long.

        Raises:
            What the request failed with before its first content.
        """
        try:
            if await self._wait():
                if self.error is not None and not self._ready:
                    await self.aclose()
                    raise self.error
                return True
        except asyncio.CancelledError:
            await self.aclose()
            raise
        self._ready.append(self._keepalive)
        return False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                if self._ready and not self._gathers:
                    data = self._take()
                    self.ends = self._task.done() and self.error is None
                    yield data
                elif self._task.done():
                    self.finished = True
                    if self.error is not None:
                        yield self._writing.failed(self.error)
                    return
                elif not await self._wait():
                    yield self._keepalive
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """End it: the vendor's connection is closed before this returns."""
        try:
            if not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task])
        finally:
            told, self._told = self._told, None
            if told is not None:
                told()

    def fail(self, error: Exception) -> None:
        """End it early: the client is told this error, as its protocol has it."""
        if not self._task.done():
            self.error = error
            self._task.cancel()

    def when_ended(self, told: Callable[[], None]) -> None:
        """Have this called once, when it has ended."""
        self._told = told

    async def _wait(self) -> bool:
        """Wait until there is something; False when there is nothing after `every` seconds."""
        if self._is_ready():
            return True
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(self._every, _set, waiter) if self._keepalive else None
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
        return self._is_ready()

    def _is_ready(self) -> bool:
        return self._task.done() or (bool(self._ready) and not self._gathers)

    def _gather(self, size: int = 0, turns: int = _TURNS) -> None:
        """Let what the vendor has sent already come along: it is read in small parts, a turn of the loop apart.

        Args:
            size: what was ready a turn before.
            turns: that a stream which is whole still has.
        """
        if (size < self._size < _TOGETHER or (self._whole and turns)) and not self._task.done():
            self._loop.call_soon(self._gather, self._size, turns - self._whole)
        else:
            self._gathers = False
            _set(self._waiter)

    def _take(self) -> bytes:
        data = b"".join(self._ready)
        self._ready.clear()
        self._size = 0
        _set(self._reader)
        return self._writing.together(data)

    async def _read(self) -> None:
        ready, write = self._ready, self._writing.chunk
        try:
            async with self._stream as stream:
                async for chunk in stream:
                    data = write(chunk)
                    if chunk.done:
                        self._whole = True
                    if not data:
                        continue
                    ready.append(data)
                    self._size += len(data)
                    if not self._gathers and self._size == len(data):  # the first since some were taken
                        self.first_at = self.first_at or self._loop.time()
                        self._gathers = True
                        self._loop.call_soon(self._gather)
                    if self._size > _ROOM:
                        self._reader = self._loop.create_future()
                        await self._reader
        except Exception as error:
            self.error = error
        finally:
            self._gathers = False
            _set(self._waiter)


def _set(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
