"""The router for code without an event loop: the same calls, blocking, from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeVar

from providers.types import CompletionResponse, ModelCapabilities, StreamChunk, TokenCount
from router.cache.store import CacheStats
from router.engine.request import Messages
from router.engine.stream import RouterStream
from router.router import Router
from router.views.figures import Snapshot

T = TypeVar("T")


class SyncRouter:
    """A `Router` on one background loop of its own; every method may be called from any thread.

    with SyncRouter.from_yaml("routes.yaml") as router:
        print(router.complete("chat", "Hello").text)
    """

    def __init__(self, router: Router) -> None:
        if not isinstance(router, Router):
            raise TypeError(
                f"SyncRouter() takes a Router, not {type(router).__name__}: for a file use SyncRouter.from_yaml(path)"
            )
        self._router = router
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def from_yaml(cls, path: str | PathLike[str], **more: Any) -> Self:
        """Make a router on a file; see `Router.from_yaml`."""
        return cls(Router.from_yaml(path, **more))

    @classmethod
    def from_text(cls, text: str, **more: Any) -> Self:
        """Make a router on the text of a file; see `Router.from_text`."""
        return cls(Router.from_text(text, **more))

    @property
    def router(self) -> Router:
        """The router inside; its coroutines run only on this object's own loop."""
        return self._router

    def complete(self, route: str, messages: Messages, **params: Any) -> CompletionResponse:
        """Get one whole answer, blocking; see `Router.complete`."""
        return self._run(self._router.complete(route, messages, **params))

    def stream(self, route: str, messages: Messages, **params: Any) -> SyncStream:
        """Stream an answer: returns a context manager and iterator of chunks; see `Router.stream`."""
        return SyncStream(self, self._router.stream(route, messages, **params))

    def count_tokens(
        self, route: str, messages: Messages, *, tools: Sequence[Any] = (), exact: bool = False
    ) -> TokenCount:
        """Count the tokens of a prompt; see `Router.count_tokens`."""
        return self._run(self._router.count_tokens(route, messages, tools=tools, exact=exact))

    @property
    def cache_stats(self) -> CacheStats:
        """Return the counts of the response cache since the start."""
        return self._router.cache.stats

    def clear_cache(self, *, route: str | None = None, namespace: str | None = None) -> int:
        """Forget stored answers, of one route or namespace or all; returns how many went."""
        return self._run(self._router.cache.clear(route=route, namespace=namespace))

    def capabilities(self, route: str) -> ModelCapabilities:
        """Return what the first target of a route can do; see `Router.capabilities`."""
        return self._router.capabilities(route)

    def snapshot(self) -> Snapshot:
        """Return what a dashboard shows, as data; see `Router.snapshot`."""

        async def taken() -> Snapshot:
            return self._router.snapshot()

        return self._run(taken())

    def close(self) -> None:
        """Close all connections and end the background thread."""
        if self._loop is not None:
            self._run(self._router.aclose())
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._started())
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C in the caller's thread stops the call upstream too
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="signalbox-router", daemon=True)
                self._thread.start()
            return self._loop


class SyncStream:
    """A blocking stream; `response` is complete after the last chunk."""

    def __init__(self, owner: SyncRouter, stream: RouterStream) -> None:
        self._owner = owner
        self._stream = stream

    @property
    def response(self) -> CompletionResponse:
        """The answer accumulated so far, with route, target, cost and trace."""
        return self._stream.response

    def __iter__(self) -> Iterator[StreamChunk]:
        while True:
            chunk = self._owner._run(self._next())
            if chunk is None:
                return
            yield chunk

    async def _next(self) -> StreamChunk | None:
        return await anext(aiter(self._stream), None)

    def close(self) -> None:
        """Close the upstream connection at once."""
        self._owner._run(self._stream.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()
