"""The router for code without an event loop: the same calls, blocking, from any thread."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, Self, TypeVar, Unpack, overload

from providers import forks
from providers.embedding_requests import Inputs
from providers.embeddings import EmbeddingRequest, EmbeddingResponse, RerankRequest, RerankResponse
from providers.types import CompletionRequest, ModelCapabilities, StreamChunk, TokenCount
from router.cache.stats import CacheStats
from router.engine.params import EmbeddingParams, OtherParams, RequestParams, Require, RerankParams
from router.engine.request import Messages
from router.engine.stream import RouterStream
from router.errors import ONE_A_PROCESS, RouterClosed
from router.loop_thread import PYTHON_ENDS, LoopThread
from router.plan.plan import Chain, Plan
from router.router import Router
from router.state.spending import Spent
from router.telemetry.recorder import Telemetry
from router.views.figures import Snapshot
from router.views.file import ReloadResult
from router.views.reply import Reply, T_co
from router.views.trace import Trace

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from router.cache.cached import CacheControl
    from router.exporters.prometheus import RouterCollector

T = TypeVar("T")


class SyncRouter:
    """A `Router` on one background loop of its own; every method may be called from any thread.

        with SyncRouter.from_yaml("routes.yaml") as router:
            print(router.complete("chat", "Hello").text)

    The loop's thread starts with the first call, and anew in a forked process (docs/processes.md). A call blocks its
    thread: in an async function use `Router`. After `close` every call raises `RouterClosed`. What can be used on the
    loop alone (providers, the feed of a dashboard) is at `router`.
    """

    def __init__(self, router: Router) -> None:
        if not isinstance(router, Router):
            path = str(router) if isinstance(router, str | PathLike) else "routes.yaml"
            raise TypeError(f"SyncRouter() takes a Router: for a file use SyncRouter.from_yaml({path!r})")
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

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], **more: Any) -> Self:
        """Make a router on what a file says, as a dict; see `Router.from_dict`."""
        return cls(Router.from_dict(data, **more))

    @property
    def router(self) -> Router:
        """The router inside; its coroutines run only on this object's own loop."""
        return self._router

    # --- requests

    @overload
    def complete(
        self,
        route: str,
        messages: Messages,
        *,
        response_format: type[T] | TypeAdapter[T],
        cache: CacheControl = "use",
        **params: Unpack[OtherParams],
    ) -> Reply[T]: ...

    @overload
    def complete(
        self, route: str, messages: Messages, *, cache: CacheControl = "use", **params: Unpack[RequestParams]
    ) -> Reply: ...

    def complete(
        self, route: str, messages: Messages, *, cache: CacheControl = "use", **params: Unpack[RequestParams]
    ) -> Reply[Any]:
        """Get one whole answer, blocking; see `Router.complete`."""
        return self._run(self._router.complete(route, messages, cache=cache, **params))

    @overload
    def stream(
        self,
        route: str,
        messages: Messages,
        *,
        response_format: type[T] | TypeAdapter[T],
        cache: CacheControl = "use",
        can_restart: bool = True,
        **params: Unpack[OtherParams],
    ) -> SyncStream[T]: ...

    @overload
    def stream(
        self,
        route: str,
        messages: Messages,
        *,
        cache: CacheControl = "use",
        can_restart: bool = True,
        **params: Unpack[RequestParams],
    ) -> SyncStream: ...

    def stream(
        self,
        route: str,
        messages: Messages,
        *,
        cache: CacheControl = "use",
        can_restart: bool = True,
        **params: Unpack[RequestParams],
    ) -> SyncStream[Any]:
        """Stream an answer: returns a context manager and iterator of chunks; see `Router.stream`."""
        return SyncStream(self, self._router.stream(route, messages, cache=cache, can_restart=can_restart, **params))

    def ask(self, request: CompletionRequest, *, route: str | None = None, cache: CacheControl = "use") -> Reply:
        """Get one whole answer to a request that is ready, blocking; see `Router.ask`."""
        return self._run(self._router.ask(request, route=route, cache=cache))

    def ask_stream(
        self,
        request: CompletionRequest,
        *,
        route: str | None = None,
        cache: CacheControl = "use",
        can_restart: bool = True,
    ) -> SyncStream:
        """Stream the answer to a request that is ready; see `Router.ask_stream`."""
        return SyncStream(self, self._router.ask_stream(request, route=route, cache=cache, can_restart=can_restart))

    def embed(
        self, route: str, inputs: Inputs, *, cache: CacheControl = "use", **params: Unpack[EmbeddingParams]
    ) -> EmbeddingResponse:
        """Make a vector of each input, blocking; see `Router.embed`."""
        return self._run(self._router.embed(route, inputs, cache=cache, **params))

    def ask_embed(
        self, request: EmbeddingRequest, *, route: str | None = None, cache: CacheControl = "use"
    ) -> EmbeddingResponse:
        """Make the vectors of a request that is ready, blocking; see `Router.ask_embed`."""
        return self._run(self._router.ask_embed(request, route=route, cache=cache))

    def ask_rerank(self, request: RerankRequest, *, route: str | None = None) -> RerankResponse:
        """Rank the documents of a request that is ready, blocking; see `Router.ask_rerank`."""
        return self._run(self._router.ask_rerank(request, route=route))

    def rerank(
        self, route: str, query: str, documents: Sequence[Any], **params: Unpack[RerankParams]
    ) -> RerankResponse:
        """Rank documents by how well they answer a query, blocking; see `Router.rerank`."""
        return self._run(self._router.rerank(route, query, documents, **params))

    def count_tokens(
        self, route: str, messages: Messages, *, tools: Sequence[Any] = (), exact: bool = False, require: Require = None
    ) -> TokenCount:
        """Count the tokens of a prompt; see `Router.count_tokens`."""
        counted = self._router.count_tokens(route, messages, tools=tools, exact=exact, require=require)
        return self._run(counted)

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

    # --- what runs

    @property
    def revision(self) -> str:
        """The hash of the file's text and of all that it resolved."""
        return self._router.revision

    @property
    def routes(self) -> tuple[str, ...]:
        """The names of the file's routes, in its order."""
        return self._router.routes

    @property
    def plan(self) -> Plan:
        """The compiled file that requests run on."""
        return self._router.plan

    def chain(self, route: str) -> Chain:
        """Return the compiled chain of a route, a model or `provider/model-id`; raises `UnknownRoute`."""
        return self._router.chain(route)

    @property
    def spending(self) -> tuple[Spent, ...]:
        """The file's budgets, and what is spent of each in its current period."""
        return self._call(lambda: self._router.spending)

    def reload(self) -> ReloadResult:
        """Read the file again, now; see `Router.reload`."""
        return self._run(self._router.reload())

    def apply(self, source: str | Mapping[str, Any]) -> ReloadResult:
        """Take over another text or dict, now; see `Router.apply`."""
        return self._run(self._router.apply(source))

    @property
    def last_reload(self) -> ReloadResult | None:
        """What came of the last change of the file that was seen."""
        return self._router.last_reload

    @property
    def watching(self) -> bool:
        """Whether edits of the file are followed now."""
        return self._router.watching

    # --- being watched

    @property
    def telemetry(self) -> Telemetry:
        """What was counted, and the events; it is told on the loop's thread."""
        return self._router.telemetry

    def snapshot(self, *, with_sketches: bool = False) -> Snapshot:
        """Return what a dashboard shows, as data; see `Router.snapshot`."""
        return self._call(lambda: self._router.snapshot(with_sketches=with_sketches))

    def prometheus(self) -> RouterCollector:
        """Return a collector to register with prometheus_client; see `Router.prometheus`."""
        return self._router.prometheus()

    # --- by hand

    def breaker(self, name: str, action: Literal["open", "close", "reset"]) -> None:
        """Open, close or reset a circuit breaker by hand; see `Router.breaker`."""
        self._call(lambda: self._router.breaker(name, action))

    def drain(self, name: str) -> None:
        """Give a model or provider no new calls; see `Router.drain`."""
        self._call(lambda: self._router.drain(name))

    def undrain(self, name: str) -> None:
        """Give a model or provider new calls again, after `drain`."""
        self._call(lambda: self._router.undrain(name))

    # --- its life

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

    def _call(self, work: Callable[[], T]) -> T:
        """Call something on the loop, where the router's state is looked at and changed."""

        async def call() -> T:
            return work()

        return self._run(call())

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
                raise RouterClosed(PYTHON_ENDS)
            if self._thread is None or not self._thread.is_alive:
                if self._thread is not None:
                    self._thread.join()  # something ended it: its loop comes to an end before another begins
                self._thread = LoopThread(self._router.aclose)
                self._finalizer = weakref.finalize(self, self._thread.end)
                self._finalizer.atexit = False
            return self._thread


class SyncStream(Generic[T_co]):
    """A blocking stream; `response` is complete after the last chunk."""

    def __init__(self, owner: SyncRouter, stream: RouterStream[T_co]) -> None:
        self._owner = owner
        self._stream = stream

    @property
    def response(self) -> Reply[T_co]:
        """The answer accumulated so far, with route, target, cost and trace."""
        return self._stream.response

    @property
    def trace(self) -> Trace:
        """What happened to the request so far."""
        return self._stream.trace

    @property
    def number(self) -> int | None:
        """The number of the request among those of its router; see `RouterStream.number`."""
        return self._stream.number

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
