"""Requests carried by aiohttp, whose pool costs a fraction of httpx's own CPU under concurrency.

It is called directly: httpx's request and response objects would cost a fifth of a call. Errors come out as httpx's
exceptions, each for what really happened: a refused connection and a failed look-up are `ConnectError`, a server that
hangs up is `ReadError`, an answer that is no HTTP is `RemoteProtocolError`.
"""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextvars import ContextVar
from functools import partial
from math import inf
from typing import Any, cast

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import TransferEncodingError
from yarl import URL

from providers.transport.engine import KEEP_ALIVE, RawResponse, StaleConnection, joined

_READ_BUFFER = 256 * 1024
_MAX_HEADER = 64 * 1024
_LARGE = 1024 * 1024
_IDLE_CONNECTION = 30.0  # seconds a pooled connection is kept; many servers close theirs after 60
_DISTRUST = 1.0  # seconds in which no connection of a pool is used, after one of them was dead
_LINGER = 1.0  # seconds in which the end of a finished body is waited for, so that its connection can be used again
_KEPT = 64  # URLs, and timeouts, that are kept ready
# What aiohttp raises, bugs aside: it has errors that are ValueErrors, and a RuntimeError for a closed session.
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, RuntimeError, ValueError)


class AiohttpEngine:
    """One pool of connections, made on first use and bound to the event loop of that use.

    The pool lives in an async generator, so that `asyncio.run` closes it with its loop (by
    `loop.shutdown_asyncgens`) and a dropped carrier is closed when it is collected. On a new loop a new pool is made.

    Args:
        proxy: an HTTP proxy's URL.
        verify: check certificates; a string is the path of a CA bundle.
    """

    def __init__(self, *, proxy: str | None = None, verify: bool | str = True) -> None:
        self._proxy = proxy
        self._verify = verify
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keeper: AsyncGenerator[_Sessions, None] | None = None
        self._sessions: _Sessions | None = None
        self._urls: dict[str, URL] = {}
        self._timeouts: dict[float | None, aiohttp.ClientTimeout] = {}
        self._answers: set[_AiohttpAnswer] = set()  # that are being read

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, connect: float | None
    ) -> RawResponse:
        sessions = self._sessions
        if sessions is None or sessions.pooled.closed or asyncio.get_running_loop() is not self._loop:
            sessions = await self._open()
        _connection.set(None)
        try:
            answer = await sessions.current().request(
                method,
                self._url(url),
                # A large body as a file, which aiohttp sends piece by piece in place of holding up the loop.
                data=io.BytesIO(body) if body is not None and len(body) > _LARGE else body or None,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
                timeout=self._timeout(connect),
            )
        except _FAILURES as error:
            used, failure = _connection.get(), _as_httpx(error)
            if used is not None and used.was_stale and isinstance(failure, httpx.ReadError):
                sessions.distrust()
                raise StaleConnection(str(failure)) from error
            raise failure from error
        return _AiohttpAnswer(answer, self._answers)

    async def aclose(self) -> None:
        keeper, self._keeper, self._sessions = self._keeper, None, None
        for answer in tuple(self._answers):
            answer.abort()  # a closed session does not wake those who read from it
        if keeper is not None and self._loop is asyncio.get_running_loop():
            await keeper.aclose()

    async def _open(self) -> _Sessions:
        self._loop = asyncio.get_running_loop()
        self._keeper = _pool(self._ssl())
        self._sessions = await anext(self._keeper)
        return self._sessions

    def _ssl(self) -> ssl.SSLContext | bool:
        if not isinstance(self._verify, str):
            return self._verify
        try:
            return ssl.create_default_context(cafile=self._verify)
        except OSError as error:  # ssl.SSLError is one
            raise httpx.ConnectError(f"the CA bundle {self._verify} cannot be loaded: {error.strerror}") from error

    def _url(self, url: str) -> URL:
        found = self._urls.get(url)
        if found is None:
            if len(self._urls) >= _KEPT:
                self._urls.clear()
            try:
                found = self._urls[url] = URL(url, encoded=True)
            except ValueError as error:
                raise _as_httpx(error) from error
        return found

    def _timeout(self, connect: float | None) -> aiohttp.ClientTimeout:
        found = self._timeouts.get(connect)
        if found is None:
            if len(self._timeouts) >= _KEPT:
                self._timeouts.clear()
            found = aiohttp.ClientTimeout(total=None, connect=connect, ceil_threshold=float("inf"))
            self._timeouts[connect] = found
        return found


class _Sessions:
    """A session with a pool, and one whose connections are used once.

    Connections of a pool die together, when a server restarts: after the first has, new ones are made for a moment.
    """

    def __init__(self, context: ssl.SSLContext | bool) -> None:
        self._context = context
        self._fresh: aiohttp.ClientSession | None = None
        self._distrusted_until = -inf
        self.pooled = _session(_Connector(keepalive_timeout=_IDLE_CONNECTION, ssl=context))

    def distrust(self) -> None:
        """Take note that a connection of the pool was dead."""
        self._distrusted_until = asyncio.get_running_loop().time() + _DISTRUST

    def current(self) -> aiohttp.ClientSession:
        """The session for a request that begins now."""
        if self._distrusted_until == -inf or asyncio.get_running_loop().time() >= self._distrusted_until:
            return self.pooled
        if self._fresh is None:
            self._fresh = _session(_Connector(force_close=True, ssl=self._context))
        return self._fresh

    async def close(self) -> None:
        await self.pooled.close()
        if self._fresh is not None:
            await self._fresh.close()


async def _pool(context: ssl.SSLContext | bool) -> AsyncGenerator[_Sessions, None]:
    sessions = _Sessions(context)
    try:
        yield sessions
    finally:
        await sessions.close()


class _Connector(aiohttp.TCPConnector):
    """Makes connections that know of their use, and notice when the other side is gone."""

    def __init__(self, **more: Any) -> None:
        super().__init__(limit=0, socket_factory=_socket, **more)
        self._factory = partial(cast(type[ResponseHandler], _Connection), loop=self._loop)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # it would unpack all of what came at once
        read_bufsize=_READ_BUFFER,
        max_line_size=_MAX_HEADER,
        max_field_size=_MAX_HEADER,
    )


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket of the kind that was looked up, which notices when the other side is gone."""
    made = socket.socket(*address[:3])
    for option in KEEP_ALIVE:
        made.setsockopt(*option)
    return made


class _Connection(ResponseHandler):
    """A connection that knows whether it came out of the pool, and whether any of the answer has come."""

    _requests = 0
    _heard = False

    @property
    def was_stale(self) -> bool:
        """Whether an earlier request used it as well, and this one got not a byte."""
        return self._requests > 1 and not self._heard

    def set_response_params(self, **params: Any) -> None:  # called before each request, in its task
        self._requests += 1
        self._heard = False
        _connection.set(self)
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        super().data_received(data)


_connection: ContextVar[_Connection | None] = ContextVar("connection", default=None)  # of the task's last request


class _AiohttpAnswer:
    """Closing it before its end closes the connection at once."""

    __slots__ = ("_answer", "_finished", "_others", "headers", "status")

    def __init__(self, answer: aiohttp.ClientResponse, others: set[_AiohttpAnswer]) -> None:
        self._answer = answer
        self._finished = False
        self._others = others
        self.status = answer.status
        self.headers = joined(list(answer.headers.items()))
        others.add(self)

    async def read_some(self) -> bytes:
        content = self._answer.content
        try:
            return await content.readany()
        except _FAILURES as error:
            # What came before the connection broke is still there, but the public methods give it no more.
            rest = content._read_nowait(-1) if isinstance(content, aiohttp.StreamReader) else b""
            if rest:
                return rest
            raise _as_httpx(error) from error

    def finish(self) -> None:
        if not self._answer.closed:  # it closes itself at the body's end
            self._finished = True
            asyncio.get_running_loop().call_later(_LINGER, self._close)

    async def aclose(self) -> None:
        if not self._finished:
            self._close()

    def _close(self) -> None:
        self._others.discard(self)
        self._answer.close()

    def abort(self) -> None:
        """Let the reader know that no more will come."""
        if self._finished:
            self._close()
        elif not self._answer.content.is_eof():
            self._answer.content.set_exception(aiohttp.ClientConnectionError("this client was closed"))


def _as_httpx(error: Exception) -> httpx.HTTPError:
    """What the failure is in httpx's terms; raises it again when it is none of the network's."""
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return _bad_answer(error)
    if isinstance(error, TimeoutError):
        # aiohttp's text holds the whole URL, whose query may hold a secret.
        return httpx.ConnectTimeout("no connection in time (timeout.connect)")
    if isinstance(error, aiohttp.ClientConnectorError):
        return httpx.ConnectError(_text(error))
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return httpx.ReadError("the server closed the connection without an answer")
    if isinstance(error, aiohttp.ClientConnectionError | OSError):
        return httpx.ReadError(_text(error))
    if isinstance(error, ValueError):  # aiohttp's errors of a URL are
        return httpx.UnsupportedProtocol("the URL is no URL of http or https")
    if isinstance(error, RuntimeError) and "closed" in str(error):  # its word for a session that was closed meanwhile
        return httpx.ReadError("this client was closed")
    raise error


def _bad_answer(error: aiohttp.ClientResponseError | aiohttp.ClientPayloadError) -> httpx.HTTPError:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return httpx.ProxyError(f"the proxy answers {error.status} {error.message}")
    if isinstance(error, aiohttp.ClientResponseError):
        return httpx.RemoteProtocolError(f"the answer is not HTTP: {error.message}")
    cause = error.__cause__
    if isinstance(cause, TransferEncodingError) and "Not enough data" not in str(cause):
        return httpx.RemoteProtocolError("the answer's chunked encoding is broken")
    return httpx.ReadError("the connection broke before the answer was complete")


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
