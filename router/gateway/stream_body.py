"""The body of a streamed answer: what is ready at a moment goes out together, and silence is broken by signs of life.

A task reads the chunks and writes them down in the client's protocol; the server takes what is there. So the chunks of
one read from the vendor, which are ready together, cost one write. Over sockets that takes half the CPU of a write for
each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from providers.types import StreamChunk
from router.engine.stream import RouterStream

_ROOM = 256 * 1024  # bytes that may wait for a client to read


class StreamBody:
    """The bytes of a stream: `first` waits for its beginning, iterating gives the rest, `aclose` ends the call.

    Args:
        stream: is read here, and closed at the end.
        write: gives the bytes of a chunk.
        failed: gives the bytes that tell an error in the stream.
        keepalive: what is sent in silence; nothing where the protocol has no such thing.
        every: seconds of silence after which it is sent.
    """

    def __init__(
        self,
        stream: RouterStream,
        write: Callable[[StreamChunk], bytes],
        failed: Callable[[Exception], bytes],
        *,
        keepalive: bytes,
        every: float,
    ) -> None:
        self._stream = stream
        self._write = write
        self._failed = failed
        self._keepalive = keepalive
        self._every = every
        self._ready: list[bytes] = []
        self._size = 0
        self._begun = False
        self._error: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._reader: asyncio.Future[None] | None = None  # the task, where the client reads too slowly
        self._task = self._loop.create_task(self._read())

    async def first(self) -> bool:
        """Wait for the first bytes; False when only a sign of life is there after so long.

        Raises:
            What the request failed with before its first content.
        """
        try:
            if await self._wait():
                if self._error is not None and not self._ready:
                    await self.aclose()
                    raise self._error
                return True
        except asyncio.CancelledError:
            await self.aclose()
            raise
        self._begun = True
        self._ready.append(self._keepalive)
        return False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._begun = True
        try:
            while True:
                if self._ready:
                    yield self._take()
                elif self._task.done():
                    if self._error is not None:
                        yield self._failed(self._error)
                    return
                elif not await self._wait():
                    yield self._keepalive
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """End it: the vendor's connection is closed before this returns."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _wait(self) -> bool:
        """Wait until there is something; False when there is nothing after `every` seconds."""
        if self._ready or self._task.done():
            return True
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(self._every, _set, waiter) if self._keepalive else None
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
        return bool(self._ready) or self._task.done()

    def _take(self) -> bytes:
        data = b"".join(self._ready)
        self._ready.clear()
        self._size = 0
        _set(self._reader)
        return data

    async def _read(self) -> None:
        try:
            async with self._stream as stream:
                async for chunk in stream:
                    data = self._write(chunk)
                    if not data:
                        continue
                    self._ready.append(data)
                    self._size += len(data)
                    _set(self._waiter)
                    if self._size > _ROOM:
                        self._reader = self._loop.create_future()
                        await self._reader
        except Exception as error:
            self._error = error
        finally:
            _set(self._waiter)


def _set(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
