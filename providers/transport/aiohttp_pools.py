"""aiohttp's pools of connections, and its parser, without its sessions: a request is written by one call.

A session makes a request, a response, a writer, several dictionaries of headers and (before Python 3.12) a task for
each request. Connections know whether they are old, and are kept alive while nothing is sent. aiohttp opens and closes
them; between two requests they wait here, for its pool asks with each request what they are for, which takes 7 % of it.
"""

from __future__ import annotations

import providers.transport.certificates  # noqa: F401 - it imports aiohttp, faster

# isort: split
import asyncio
import re
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, TypeAlias, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpResponseParser, RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from providers.transport.engine import KEEP_ALIVE

_READ_BUFFER = 256 * 1024
_AT_ONCE = 64 * 1024  # bytes that are read, or written, at once
# Bytes that are read of all connections before anybody takes some, and of one at least: asyncio reads what has come for
# each of them, and then the tasks have their turn. A loop that was held would take up 50 MB of a thousand streams.
_ROOM, _AT_LEAST = 8 * 1024 * 1024, 4 * 1024  # with half of it more reads cost a sixth more
_FEW = _ROOM // _AT_ONCE  # connections, each of which may take as much as any does
_MAX_HEADER = 64 * 1024
IDLE = 30.0  # seconds that a pooled connection is kept; many servers close theirs after 60
_DISTRUST = 1.0  # seconds in which no connection of a pool is used, after one of them was dead
_KEPT = 64  # URLs that are kept ready
_SENT = re.compile(r"[\x21-\x7e]+")  # what a URL is sent with: all else would end the line, or its part


_EMPTY = frozenset({*range(100, 200), 204, 304})  # statuses of answers without a body (RFC 9112, section 6.3)
# Makes the parser of one answer. It is used for no other: none tells whether bytes of a further answer are in it.
_parser_for = partial(
    HttpResponseParser,
    limit=_READ_BUFFER,
    payload_exception=aiohttp.ClientPayloadError,
    read_until_eof=True,
    auto_decompress=False,  # it would unpack all of what came at once
    max_line_size=_MAX_HEADER,
    max_field_size=_MAX_HEADER,
)
# aiohttp's hold on a connection, which closes it when it is dropped, and the connection.
Held: TypeAlias = "tuple[Connection, HttpConnection]"


class Target:
    """A URL, ready to be asked.

    Args:
        url: of http or https.
        proxy: an HTTP proxy on the way to it.

    `key` tells which connections lead there; `waiting` has those that nobody uses, the oldest first, and since when.

    Raises:
        ValueError: it is no such URL.
    """

    def __init__(self, url: str, proxy: str | None) -> None:
        parsed = URL(url, encoded=True)
        if parsed.scheme not in ("http", "https") or not parsed.raw_host or not _SENT.fullmatch(url):
            raise aiohttp.InvalidUrlClientError(url)
        # It is never sent, but says to aiohttp which connection is wanted.
        self.wanted = aiohttp.ClientRequest("GET", parsed, proxy=None if proxy is None else URL(proxy))
        self.key = self.wanted.connection_key
        self.waiting: deque[tuple[Held, float]] = deque()
        is_forwarded = proxy is not None and parsed.scheme == "http"
        where = str(self.wanted.url) if is_forwarded else parsed.raw_path_qs
        self._line = f" {where} HTTP/1.1\r\nHost: {parsed.host_port_subcomponent}\r\n"
        login = aiohttp.BasicAuth.from_url(URL(proxy)) if proxy is not None and is_forwarded else None
        if login is not None:
            self._line += f"Proxy-Authorization: {login.encode()}\r\n"
        self._sent: tuple[str, Mapping[str, str], bytes] = "", {}, b""  # method and headers, mostly the same, as lines

    def head(self, method: str, headers: Mapping[str, str], body: bytes | None, *, closes: bool) -> bytes:
        """The bytes of a request before its body.

        Args:
            headers: printable ASCII; nobody changes them any more.
            closes: no other request follows on this connection.
        """
        usual, known, lines = self._sent
        if headers is not known or method != usual:
            told = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
            lines = f"{method}{self._line}{told}".encode("ascii")
            self._sent = method, headers, lines
        if body is not None or method == "POST":
            lines += b"Content-Length: %d\r\n" % len(body or b"")
        if closes:
            lines += b"Connection: close\r\n"
        return lines + b"\r\n"


class Pools:
    """Connections to be used again, and those that are used once. They belong to the running event loop.

    Connections of a pool die together, when a server restarts: after the first has, new ones are made for a moment.

    Args:
        context: for TLS; False checks no certificates.
        path: of a Unix socket that is connected to, whatever the URLs' host.
        proxy: an HTTP proxy's URL.
    """

    def __init__(self, context: ssl.SSLContext | bool, path: str | None, proxy: str | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = context
        self._path = path
        self._proxy = proxy
        self._targets: dict[str, Target] = {}
        self.closed = False
        self._connector = self._made()
        self._waiting: dict[Any, deque[tuple[Held, float]]] = {}  # by key: targets of one host have the same
        self._sweeper: asyncio.TimerHandle | None = None
        self._distrusted_until = -inf

    def target(self, url: str) -> Target:
        """The URL, ready to be asked. Raises ValueError when it is none."""
        found = self._targets.get(url)
        if found is None:
            if len(self._targets) >= _KEPT:
                self._targets.clear()
            found = self._targets[url] = Target(url, self._proxy)
            found.waiting = self._waiting.setdefault(found.key, found.waiting)
        return found

    def idle(self, target: Target) -> Held | None:
        """A connection that is open and that nobody uses; None where a new one has to be made."""
        now, waiting = self._loop.time(), target.waiting
        while waiting and now >= self._distrusted_until:
            held, since = waiting.popleft()
            if now - since <= IDLE and held[1].is_connected():
                return held
            held[0].close()
        return None

    async def new(self, target: Target, within: aiohttp.ClientTimeout) -> Held:
        """A new connection. While the others are distrusted it is for one request."""
        connection = await self._connector.connect(target.wanted, [], within)
        made = cast(HttpConnection, connection.protocol)
        made.is_for_one = self._loop.time() < self._distrusted_until
        return connection, made

    def give_back(self, target: Target, held: Held) -> None:
        """The whole answer is here: the connection may be used again, if it can be."""
        if held[1].should_close or self.closed:
            held[0].close()
            return
        target.waiting.append((held, self._loop.time()))
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(IDLE, self._sweep)

    def in_use(self, target: Target) -> int:
        """How many connections are open, and not idle for such a target."""
        return len(self._connector._acquired) - len(target.waiting)

    def distrust(self) -> None:
        """A connection of the pool was dead: make new ones for a moment."""
        self._distrusted_until = self._loop.time() + _DISTRUST

    async def close(self) -> None:
        """Close all connections."""
        self.closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self._connector.close()  # those that wait here as well
        for waiting in self._waiting.values():
            while waiting:
                waiting.popleft()[0][0].close()

    def _sweep(self) -> None:
        """Close what has waited for too long, or was closed by the other side."""
        self._sweeper = None
        for waiting in self._waiting.values():
            for _ in range(len(waiting)):
                held, since = waiting.popleft()
                if self._loop.time() - since < IDLE and held[1].is_connected():
                    waiting.append((held, since))
                else:
                    held[0].close()
        if any(self._waiting.values()):
            self._sweeper = self._loop.call_later(IDLE, self._sweep)

    def _made(self) -> aiohttp.BaseConnector:
        if self._path is None:
            return _TcpConnector(limit=0, ssl=self._context, socket_factory=_socket)
        return _UnixConnector(self._path, limit=0)


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket of the kind that was looked up, which notices when the other side is gone."""
    made = socket.socket(*address[:3])
    for option in KEEP_ALIVE:
        made.setsockopt(*option)
    return made


class HttpConnection(ResponseHandler):
    """A connection that knows whether it came out of the pool, and whether any of the answer has come."""

    is_for_one = False  # request: no other follows
    _parser: HttpResponseParser | None
    _requests = 0
    _heard = False
    _answer: asyncio.Future[Any] | None = None  # that is waited for
    _writing: asyncio.Task[None] | None = None
    _reader: Any = None  # reads as many bytes at once as its `max_size` says; None where that can't be said

    @property
    def was_stale(self) -> bool:
        """Whether an earlier request used it as well, and this one got not a byte."""
        return self._requests > 1 and not self._heard

    def is_connected(self) -> bool:
        transport = self.transport  # an answer that came between two requests is to neither
        return transport is not None and not transport.is_closing() and not self._buffer

    @property
    def should_close(self) -> bool:
        return self.is_for_one or self._is_writing or super().should_close

    @property
    def _is_writing(self) -> bool:
        return self._writing is not None and not self._writing.done()

    async def ask(self, head: bytes, body: bytes, among: int) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
        """Send a request; gives the answer's head, when it is here, and its body, which is still to be read.

        Args:
            among: so many connections are in use.
        """
        if self._exception is not None:
            raise self._exception
        self._requests += 1
        self._heard = False
        if self._reader is not None:
            self._reader.max_size = _AT_ONCE if among < _FEW else max(_ROOM // (among + 1), _AT_LEAST)
        self._parser = _parser_for(self, self._loop)
        if len(body) > _AT_ONCE:
            self._writing = asyncio.get_running_loop().create_task(self._write(head, body))
        elif self.transport is not None:  # else `answer` fails
            self.transport.write(head + body)
        self._answer = answer = self._loop.create_future()
        self._waiter = answer  # aiohttp has it fail with the connection
        if self._tail:  # it came before it was asked for
            self._drain_tail()
        found: tuple[RawResponseMessage, aiohttp.StreamReader] = await answer
        return found

    async def _write(self, head: bytes, body: bytes) -> None:
        """Send a large body piece by piece, as fast as it is taken."""
        with suppress(OSError):  # whoever reads the answer is told
            data = head
            for start in range(0, len(body), _AT_ONCE):
                if self.transport is None:
                    return
                self.transport.write(data + body[start : start + _AT_ONCE])
                data = b""
                await self._drain_helper()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._reader = _reader(transport)

    def close(self) -> None:
        if self._is_writing:  # half a request is of no use to anybody
            self.abort()  # which ends the writing as well
        super().close()

    def resume_reading(self, *told: Any, **named: Any) -> None:
        if self._reading_paused:  # aiohttp asks at each read of a body, and parses nothing once more then
            super().resume_reading(*told, **named)

    def data_received(self, data: bytes) -> None:
        """As aiohttp's, without what it does for WebSockets and its own timeouts, which is half of it."""
        self._heard = True
        if self._parser is None or self._upgraded:
            super().data_received(data)
            return
        try:
            messages, self._upgraded, _ = self._parser.feed_data(data)
        except Exception as error:
            self._fail(error)
            return
        for message, content in messages:
            if message.should_close:
                self._should_close = True
            self._payload = content
            if message.code in _EMPTY:
                content = aiohttp.EMPTY_PAYLOAD
            answer = self._answer
            if answer is None or answer.done():
                self.feed_data((message, content))  # nobody has asked for it: see `is_connected`
            elif message.code >= 200 or message.code == 101:  # others come before the answer
                self._answer = self._waiter = None
                answer.set_result((message, content))

    def _fail(self, error: Exception) -> None:
        """What came is no HTTP."""
        if self.transport is not None:
            self.transport.close()
        told = error if isinstance(error, HttpProcessingError) else HttpProcessingError()
        failure = HttpProcessingError(code=told.code, message=told.message, headers=told.headers)
        self.set_exception(failure, error)
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(failure, error)  # else its reader would wait for ever


def _reader(transport: asyncio.BaseTransport) -> Any:
    """What reads from the network, where that is asyncio's own, made to take no more room than it needs.

    asyncio makes room for 256 KiB at each read, though what comes has some hundred bytes. So large a piece fits into no
    gap of a heap, which grows for it. For TLS each connection keeps such a piece besides: two thirds of its memory.
    """
    reader: Any = getattr(transport, "_ssl_protocol", transport)
    if not hasattr(reader, "max_size"):
        return None
    reader.max_size = _AT_LEAST
    if reader is not transport:
        reader._ssl_buffer = bytearray()  # at the next read it is made anew, of `max_size`
    return reader


def _made(loop: asyncio.AbstractEventLoop) -> partial[ResponseHandler]:
    return partial(cast(type[ResponseHandler], HttpConnection), loop=loop)


class _TcpConnector(aiohttp.TCPConnector):
    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._factory = _made(self._loop)


class _UnixConnector(aiohttp.UnixConnector):
    def __init__(self, path: str, **more: Any) -> None:
        super().__init__(path, **more)
        self._factory = _made(self._loop)
