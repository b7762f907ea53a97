"""Requests carried by aiohttp, whose pool costs a fraction of httpx's own CPU under concurrency.

It is called directly: httpx's request and response objects would cost a fifth of a call. Errors come out each for what
really happened: a refused connection and a failed look-up are `ConnectError`, a server that hangs up is `ReadError`, an
answer that is no HTTP is `ProtocolError`.
"""

from __future__ import annotations

import providers.transport.certificates  # noqa: F401 - it imports aiohttp, faster

# isort: split
import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial

import aiohttp
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError, TransferEncodingError
from yarl import URL

from providers import forks
from providers.settings import ClientCertificate
from providers.threads import in_thread
from providers.transport.aiohttp_pools import CLOSED, Pools
from providers.transport.engine import (
    CarrierError,
    ClientClosed,
    ConnectError,
    ConnectTimeout,
    ProtocolError,
    ReadError,
    StaleConnection,
    joined,
)
from providers.transport.failures import SPEAKS_HTTP, SPEAKS_TLS, reason
from providers.transport.response import HttpResponse
from providers.transport.tls import tls

_LINGER = 1.0  # seconds in which the end of a finished body is waited for, so that its connection can be used again
_BROKEN_CHUNKS = "the answer's chunked encoding is broken"
_SHOWN = 100  # characters of what is no HTTP, with aiohttp's words for it: it may be the rest of an answer
_KEPT = 64  # timeouts that are kept ready
# What aiohttp raises, bugs aside: it has errors that are ValueErrors, and a RuntimeError for a closed connection.
_FAILURES = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, RuntimeError, ValueError)


class AiohttpEngine:
    """One pool of connections, made on first use and bound to the event loop of that use.

    The pool lives in an async generator, so that `asyncio.run` closes it with its loop (by
    `loop.shutdown_asyncgens`) and a dropped carrier is closed when it is collected. On a new loop, and in a forked
    process, a new pool is made.

    Args:
        proxy: an HTTP proxy's URL.
        verify: check certificates; a string is the path of a CA bundle.
        client_cert: shown to servers that ask for a certificate.
        unix_socket: the path of a socket that is connected to, whatever the URLs' host.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        verify: bool | str = True,
        client_cert: ClientCertificate | None = None,
        unix_socket: str | None = None,
    ) -> None:
        self._tls = verify, client_cert
        self._way = unix_socket, proxy
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keeper: AsyncGenerator[Pools, None] | None = None
        self._pools: Pools | None = None
        self._timeouts: dict[float | None, aiohttp.ClientTimeout] = {}
        self._answers: set[_AiohttpAnswer] = set()  # that are being read
        forks.tell(self, AiohttpEngine._in_child)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, connect: float | None
    ) -> HttpResponse:
        pools = self._pools
        if pools is None or pools.closed or asyncio.get_running_loop() is not self._loop:
            pools = await self._open(is_tls=url.startswith("https:"))
        try:
            target = pools.target(url)
            held = pools.idle(target) or await pools.new(target, self._timeout(connect))
        except _FAILURES as error:
            raise _failed(error, url, pools) from error
        hold, connection = held
        try:
            head = target.head(method, headers, body, closes=connection.is_for_one)
            message, content = await connection.ask(head, body or b"", among=pools.in_use(target))
        except BaseException as error:
            hold.close()
            if not isinstance(error, _FAILURES):
                raise
            failure = _failed(error, url, pools)
            if isinstance(failure, ReadError) and connection.was_stale and not pools.closed:
                pools.distrust()
                raise StaleConnection(str(failure)) from error
            raise failure from error
        told = message.headers
        named = {name.lower(): value for name, value in told.items()}
        if len(named) != len(told) or not "".join(named.values()).isascii():
            named = joined([(name, _readable(value)) for name, value in told.items()])
        if content.is_eof():  # as of most plain answers
            pools.give_back(target, held)
            return HttpResponse(message.code, named, _taken(content))
        give_back = partial(pools.give_back, target, held)
        return _AiohttpAnswer(
            message.code, named, content=content, hold=hold, give_back=give_back, others=self._answers
        )

    async def aclose(self) -> None:
        keeper, self._keeper, self._pools = self._keeper, None, None
        if keeper is not None and self._loop is asyncio.get_running_loop():
            try:
                await keeper.aclose()
            finally:
                for answer in tuple(self._answers):
                    answer.close()

    def _in_child(self) -> None:
        """Begin anew in a forked process, whose parent's connections these are."""
        if self._pools is not None:
            forks.leave(self._keeper, self._pools, *(answer.leave() for answer in self._answers))
        self._keeper = self._pools = self._loop = None
        self._answers.clear()

    async def _open(self, *, is_tls: bool) -> Pools:
        is_spoken = is_tls or (self._way[1] or "").startswith("https:")
        context = await in_thread(partial(tls, *self._tls, is_spoken=is_spoken))  # it reads hundreds of certificates
        loop = asyncio.get_running_loop()
        if self._pools is None or self._pools.closed or self._loop is not loop:  # else another was first
            self._loop = loop
            self._keeper = _kept(Pools(context, *self._way))
            self._pools = await anext(self._keeper)
        return self._pools

    def _timeout(self, connect: float | None) -> aiohttp.ClientTimeout:
        found = self._timeouts.get(connect)
        if found is None:
            if len(self._timeouts) >= _KEPT:
                self._timeouts.clear()
            found = aiohttp.ClientTimeout(total=None, connect=connect, ceil_threshold=float("inf"))
            self._timeouts[connect] = found
        return found


async def _kept(pools: Pools) -> AsyncGenerator[Pools, None]:
    try:
        yield pools
    finally:
        await pools.close()


class _AiohttpAnswer(HttpResponse, eq=False, kw_only=True):
    """Closing it before its end closes the connection at once."""

    content: aiohttp.StreamReader
    hold: Connection | None
    give_back: Callable[[], None]
    others: set[_AiohttpAnswer]
    finished: bool = False

    def __post_init__(self) -> None:
        self.others.add(self)
        self.content.on_eof(self._release)

    async def sent(self) -> bytes:
        content = self.content
        if content.at_eof():
            return b""
        try:
            return await content.readany()
        except _FAILURES as error:
            if rest := _taken(content):  # what came before the connection broke
                return rest
            raise _as_ours(error) from error

    def finish(self) -> None:
        if self.hold is not None:  # it is given back at the body's end
            self.finished = True
            asyncio.get_running_loop().call_later(_LINGER, self.close)

    async def aclose(self) -> None:
        if not self.finished:
            self.close()

    def close(self) -> None:
        """Close the connection, finished or not, unless the body was read to its end."""
        if (hold := self._let_go()) is not None:
            hold.close()

    def _release(self) -> None:
        """The body is here: others may use the connection."""
        if self._let_go() is not None:
            self.give_back()

    def _let_go(self) -> Connection | None:
        self.others.discard(self)
        hold, self.hold = self.hold, None
        return hold

    def leave(self) -> Connection | None:
        """Return what is to be left alone in a forked process: closing this does nothing any more."""
        self.finished = True
        return self.hold


def _taken(content: aiohttp.StreamReader) -> bytes:
    """What is here of a body that gets no more. aiohttp's methods give nothing of one that broke, and ask of each piece
    whether more may come.
    """
    if content is aiohttp.EMPTY_PAYLOAD:
        return b""
    taken = b"".join(content._buffer)
    content._buffer.clear()
    return taken


def _failed(error: Exception, url: str, pools: Pools) -> CarrierError:
    return ClientClosed(CLOSED) if pools.closed else _as_ours(error, url)


def _as_ours(error: Exception, url: str = "") -> CarrierError:
    """What the failure is in our terms; raises it again when it is none of the network's.

    Args:
        url: what was asked for, while there was no answer yet.
    """
    if isinstance(error, HttpProcessingError | aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return _bad_answer(error, url)
    if isinstance(error, TimeoutError):
        # aiohttp's text holds the whole URL, whose query may hold a secret.
        hint = "" if not url.startswith("https:") or URL(url).port == 443 else f"; {SPEAKS_HTTP}"
        return ConnectTimeout(f"no connection in time (timeout.connect){hint}")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return ConnectError(f"the proxy {error.host}:{error.port} can't be reached: {_text(error)}")
    if isinstance(error, UnixClientConnectorError):
        return ConnectError(f"the socket {error.path}: {_text(error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectError(reason(error) or "no connection")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return ReadError("the server closed the connection without an answer")
    if isinstance(error, aiohttp.ClientConnectionError | OSError):
        return ReadError(_text(error))
    if isinstance(error, ValueError):  # aiohttp's errors of a URL are
        return ConnectError("the URL is no URL of http or https")
    if isinstance(error, RuntimeError) and "closed" in str(error):  # its word for a session that was closed meanwhile
        return ClientClosed(CLOSED)
    raise error


def _bad_answer(
    error: HttpProcessingError | aiohttp.ClientResponseError | aiohttp.ClientPayloadError, url: str
) -> CarrierError:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ConnectError(f"the proxy answers {error.status} {error.message}")
    if isinstance(error, HttpProcessingError | aiohttp.ClientResponseError):
        hint = f"; {SPEAKS_TLS}" if url.startswith("http:") and _TLS_ALERT in error.message else ""
        if not url:  # its head was read
            return ProtocolError(_BROKEN_CHUNKS)
        return ProtocolError(f"the answer is not HTTP: {_readable(' '.join(error.message.split()))[:_SHOWN]}{hint}")
    cause = error.__cause__
    if isinstance(cause, TransferEncodingError) and "Not enough data" not in str(cause):
        return ProtocolError(_BROKEN_CHUNKS)
    return ReadError("the connection broke before the answer was complete")


_TLS_ALERT = r"\x15\x03"  # how a record of TLS with an alert begins, as aiohttp shows it (RFC 8446, section 5.1)


def _readable(text: str) -> str:
    """The text without what aiohttp makes of bytes that are no UTF-8, which nobody could write down."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _text(error: BaseException) -> str:
    return reason(error) or str(error) or type(error).__name__
