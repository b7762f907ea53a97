"""The router for code without an event loop: the same calls, blocking, from any thread."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Coroutine, Iterator, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from providers import forks
from providers.types import CompletionRequest, CompletionResponse, ModelCapabilities, StreamChunk, TokenCount
from router.cache.stats import CacheStats
from router.engine.request import Messages
from router.engine.stream import RouterStream
from router.errors import ONE_A_PROCESS, RouterClosed
from router.loop_thread import LoopThread
from router.router import Router
from router.views.figures import Snapshot

T = TypeVar("T")


class SyncRouter:
    """A `Router` on one background loop of its own; every method may be called from any thread.

        with SyncRouter.from_yaml("routes.yaml") as router:
            print(router.complete("chat", "Hello").text)

    The loop's thread starts with the first call, and anew in a forked process (docs/processes.md). A call blocks its
    thread: in an async function use `Router`. After `close` every call raises `RouterClosed`.
    """

    def __init__(self, router: Router) -> None:
        if not isinstance(router, Router):
            raise TypeError(
                f"SyncRouter() takes a Router, not {type(router).__name__}: for a file use SyncRouter.from_yaml(path)"
            )
        self._router = router
        self._closed = False
        self._lock = threading.RLock()  # a signal's handler, or `__del__`, may come in between
        self._thread: LoopThread | None = None
        self._finalizer: weakref.finalize[[], SyncRouter] | None = None  # ends the thread of one that is dropped
        forks.tell(self, SyncRouter._in_child)

    def _in_child(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()
        forks.leave(self._thread)
        self._lock, self._thread, self._finalizer = threading.RLock(), None, None

    def __reduce__(self) -> NoReturn:
        raise TypeError(ONE_A_PROCESS)

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

    def ask(self, request: CompletionRequest, **how: Any) -> CompletionResponse:
        """Get one whole answer to a request that is ready, blocking; see `Router.ask`."""
        return self._run(self._router.ask(request, **how))

    def ask_stream(self, request: CompletionRequest, **how: Any) -> SyncStream:
        """Stream the answer to a request that is ready; see `Router.ask_stream`."""
        return SyncStream(self, self._router.ask_stream(request, **how))

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
        """Close all connections and end the background thread. Who waits for a call gets `RouterClosed`."""
        with self._lock:
            self._closed, thread = True, self._thread
        if thread is not None and not sys.is_finalizing():  # Python's end has stopped the thread
            thread.end()
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            thread = self._started()
        except BaseException:
            work.close()
            raise
        return thread.call(work)

    def _started(self) -> LoopThread:
        with self._lock:
            if self._closed:
                raise RouterClosed("this router is closed")
            if sys.is_finalizing():
                raise RouterClosed("Python is ending, and runs no more threads: make this call before, in `atexit`")
            if self._thread is None or not self._thread.is_alive:
                if self._thread is not None:
                    self._thread.join()  # something ended it: its loop comes to an end before another begins
                self._thread = LoopThread(self._router.aclose)
                self._finalizer = weakref.finalize(self, self._thread.end)
                self._finalizer.atexit = False
            return self._thread


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

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream can't be pickled or copied: it has a connection. Its `response` can")

    def close(self) -> None:
        """Close the upstream connection at once."""
        self._owner._run(self._stream.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()
