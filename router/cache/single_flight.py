"""One upstream call for all identical requests that come while it runs.

Late ones get what has come so far, then the rest. The call runs in a task of its own: whoever leaves, its first caller
included, leaves the others undisturbed; when the last one has left it is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from math import inf

from providers.accumulate import as_chunks
from providers.errors import ErrorCode, ProviderError
from providers.types import CompletionResponse, StreamChunk
from router.cleanup import to_the_end
from router.engine.stream import StreamSource

_AHEAD = 64  # chunks that are read before the fastest of the consumers has asked for them


class SharedCall:
    """One call upstream and all who wait for it; `run` or `stream` starts it, in the task of its first caller.

    Args:
        on_answer: called with the whole answer, before anybody gets it.
        on_end: called once at the end, whatever it was.
    """

    def __init__(self, on_answer: Callable[[CompletionResponse], None], on_end: Callable[[], None]) -> None:
        self._on_answer = on_answer
        self._on_end = on_end
        self._chunks: list[StreamChunk] = []
        self._source: StreamSource | None = None
        self._response: CompletionResponse | None = None
        self._error: Exception | None = None
        self._done = False
        self._users = 1  # who has begun it
        self._furthest: float = 0  # what the fastest consumer has had
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def run(self, call: Callable[[], Awaitable[CompletionResponse]]) -> SharedCall:
        """Run a plain call."""
        self._task = asyncio.get_running_loop().create_task(self._run(self._call(call)))
        return self

    def stream(self, source: StreamSource) -> SharedCall:
        """Run a stream."""
        self._source = source
        self._task = asyncio.get_running_loop().create_task(self._run(self._pump(source)))
        return self

    @property
    def response(self) -> CompletionResponse | None:
        """The answer so far."""
        if self._response is not None or self._source is None:
            return self._response
        return self._source.response

    def join(self) -> None:
        """Count one more who waits; each calls `leave` once, the first one as well."""
        self._users += 1

    async def leave(self) -> None:
        """Count one less who waits; the last one ends the call upstream."""
        self._users -= 1
        if self._users == 0 and not self._done and self._task is not None:
            self._on_end()
            self._task.cancel()
            if await to_the_end(asyncio.wait([self._task])):
                raise asyncio.CancelledError

    async def aclose(self) -> None:
        """End the call upstream, whoever waits for it."""
        if self._task is not None and not self._done:
            self._error = ProviderError(ErrorCode.CANCELLED, "the router was closed")
            self._task.cancel()
            await asyncio.wait([self._task])

    async def result(self) -> CompletionResponse:
        """Wait for the whole answer; raises what the call raised."""
        self._furthest = inf
        self._room.set()
        while not self._done:
            await self._news.wait()
        if self._error is not None:
            raise self._error
        assert self._response is not None
        return self._response

    async def chunks(self) -> AsyncGenerator[StreamChunk, None]:
        """Yield all chunks from the first on; raises what the call raised."""
        place = 0
        while True:
            while place < len(self._chunks):
                chunk = self._chunks[place]
                place += 1
                if place > self._furthest:
                    self._furthest = place
                    self._room.set()
                yield chunk
            if self._done:
                break
            await self._news.wait()
        if self._error is not None:
            raise self._error
        if self._source is None and self._response is not None:  # a stream that joined a plain call
            for chunk in as_chunks(self._response):
                yield chunk

    # --- the call

    async def _run(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # whatever it was, it is for those who wait
            self._error = self._error or error
        finally:
            self._done = True
            self._on_end()
            self._news.set()

    async def _call(self, call: Callable[[], Awaitable[CompletionResponse]]) -> None:
        response = await call()
        self._on_answer(response)
        self._response = response

    async def _pump(self, source: StreamSource) -> None:
        async with aclosing(source.chunks()) as chunks:
            async for chunk in chunks:
                if chunk.done:
                    self._response = source.response
                    self._on_answer(self._response)
                self._chunks.append(chunk)
                self._news.set()
                self._news.clear()
                while len(self._chunks) - self._furthest >= _AHEAD:
                    self._room.clear()
                    await self._room.wait()
