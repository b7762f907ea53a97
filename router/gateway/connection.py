"""Bounds on what comes over a connection before there is a request: how many of them, how long a head may take."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong

from providers.wire.writing import encode

log = logging.getLogger("signalbox.gateway")

NAME = {"server": "signalbox"}  # what and which version runs beneath is nobody's business
_LINE, _FIELD = 16_384, 32_768  # bytes of a request's first line, and of a header
_REFUSED = 64  # connections that are told at the same time that there are too many; more are closed without a word
_GOODBYE = 1.0  # seconds in which such a client has to read it


@dataclass(frozen=True, slots=True)
class Bounds:
    """Times in seconds.

    `head` and `body`: in which a request has to be there, from its first byte (or the connection's beginning). `idle`:
    silence between two requests. `stalled`: how long a client may read nothing of an answer that waits for it.
    """

    head: float = 10.0
    body: float = 60.0
    idle: float = 75.0
    stalled: float = 60.0


class Connections(web.Server):
    """aiohttp's server, with bounds.

    When there are too many connections, the one that has been without a request for the longest has to go. When all are
    at work, the new one is answered 503.

    Args:
        most: says how many there may be.
    """

    def __init__(
        self,
        handle: Callable[[web.BaseRequest], Any],
        *,
        bounds: Bounds,
        most: Callable[[], int],
    ) -> None:
        super().__init__(
            handle,
            request_factory=self._begin,
            handler_cancellation=True,  # a client that leaves ends the vendor's call
        )
        self.bounds = bounds
        self.is_closing = False  # every answer ends its connection from now on
        self.is_over = False
        self._most = most
        self._open: set[Connection] = set()
        self._idle: dict[Connection, None] = {}  # the one that waits for the longest first
        self._refused = 0
        self._empty: asyncio.Future[None] | None = None

    def __call__(self) -> Any:
        """Make the protocol of a new connection."""
        return Connection(self)

    @property
    def count(self) -> int:
        """How many connections there are."""
        return len(self._open)

    @property
    def room(self) -> int:
        """How many more there may be."""
        return max(0, self._most() - len(self._open))

    def close_idle(self) -> None:
        """Close the connections that no request is on; the others close with the end of theirs."""
        self.is_closing = True
        for connection in tuple(self._idle):
            if not connection.has_begun:
                connection.force_close()

    async def until_closed(self, seconds: float) -> None:
        """Wait until there is no connection any more; not longer than so."""
        if self._open:
            self._empty = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._empty], timeout=seconds)
            self._empty = None

    def abort(self) -> None:
        """Close all connections, whatever they are at, and those that are still to come."""
        self.is_over = True
        for connection in tuple(self._open):
            connection.abort()

    def _begin(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        """Make the request of a head that is complete."""
        protocol.begin()
        return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())

    # --- told by the connections

    def opened(self, connection: Connection) -> asyncio.Protocol | None:
        """Give a connection a place, or return what speaks on it in place of its protocol."""
        if len(self._open) >= self._most():
            if not self._idle:
                return _Full(self if self._refused < _REFUSED else None)
            oldest = next(iter(self._idle))
            self.closed(oldest)  # at once: many may come before it is gone
            oldest.abort()
        self._open.add(connection)
        self._idle[connection] = None
        return None

    def busy(self, connection: Connection) -> None:
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        if connection in self._open:
            self._idle[connection] = None

    def closed(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)
        if not self._open and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def refusing(self, change: int) -> None:
        self._refused += change


class Connection(web.RequestHandler):
    """A connection whose requests have to come with their whole head before long; aiohttp waits for ever."""

    __slots__ = ("_at_work", "_bounds", "_gates", "_stall", "_timer", "_wire", "has_begun")

    def __init__(self, server: Connections) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None is what aiohttp's own server hands on
            auto_decompress=False,  # it has no bound
            max_line_size=_LINE,
            max_field_size=_FIELD,
            keepalive_timeout=server.bounds.idle,
        )
        self._gates = server
        self._bounds = server.bounds
        self._at_work = False
        self.has_begun = False  # a head that is not complete
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        instead = self._gates.opened(self)
        if instead is not None:
            self._wire.set_protocol(instead)
            instead.connection_made(transport)
            return
        super().connection_made(transport)
        self._wait_for_head()
        if self._gates.is_over:
            self.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._at_work:
            self.has_begun = True
            if self._timer is None and not self._messages:  # a head that is whole begins its request at once
                self._wait_for_head()

    def resume_reading(self, *told: Any, **named: Any) -> None:
        if self._reading_paused:  # aiohttp asks at each read of a body, and parses nothing once more then
            super().resume_reading(*told, **named)

    def begin(self) -> None:
        """Notice that a request has begun."""
        self._at_work, self.has_begun = True, False
        self._gates.busy(self)
        _stop(self._timer)
        self._timer = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = asyncio.get_running_loop().call_later(self._bounds.stalled, self.abort)

    def resume_writing(self) -> None:
        _stop(self._stall)
        super().resume_writing()

    async def finish_response(self, request: Any, resp: Any, start_time: Any) -> tuple[web.StreamResponse, bool]:
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._at_work = False
            self._gates.idle(self)
            if self._gates.is_closing:
                self.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        _stop(self._timer, self._stall)
        self._wire = None
        self._gates.closed(self)
        super().connection_lost(exc)

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what is no HTTP, as JSON: nothing of it is known but that."""
        if status >= 500 and exc is not None:
            log.error("an answer failed inside", exc_info=exc)
        status, words = _what_is_wrong(exc, status, message)
        answer = web.Response(body=_error(words), status=status, content_type="application/json", headers=NAME)
        answer.force_close()
        return answer

    def abort(self) -> None:
        """Close it at once, with what is unsent."""
        if self._wire is not None:
            self._wire.abort()

    def _wait_for_head(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._bounds.head, self._too_slow)

    def _too_slow(self) -> None:
        self._timer = None
        if self.has_begun and self.transport is not None:
            self.transport.write(_last_words(408, "Request Timeout", "the request's head did not come in time"))
        self.force_close()


class _Full(asyncio.Protocol):
    """A connection too many: it is told so, and closed."""

    def __init__(self, server: Connections | None) -> None:
        self._server = server
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        if self._server is None:
            transport.abort()
            return
        self._server.refusing(+1)
        transport.write(
            _last_words(503, "Service Unavailable", "too many connections are open here", b"retry-after: 1\r\n")
        )
        if transport.can_write_eof():
            transport.write_eof()  # closing at once would take the answer back while the client still sends
        self._timer = asyncio.get_running_loop().call_later(_GOODBYE, transport.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._server is not None:
            self._server.refusing(-1)
        if self._timer is not None:
            self._timer.cancel()


def _stop(*timers: asyncio.TimerHandle | None) -> None:
    for timer in timers:
        if timer is not None:
            timer.cancel()


def _what_is_wrong(exc: BaseException | None, status: int, message: str | None) -> tuple[int, str]:
    if isinstance(exc, LineTooLong):
        return 431, f"a header, or the first line, of this request is too large: at most {_FIELD} bytes"
    if status == 400 and message and "Too many headers" in message:
        return 431, "this request has too many headers"
    if isinstance(exc, BadHttpMethod):
        return 400, "this is no HTTP request; is it meant for https?"
    if status >= 500:
        return status, "this gateway failed; its log has the reason"
    return status, "this is no HTTP request that can be read"


def _error(words: str) -> bytes:
    """The shape that OpenAI's and Anthropic's clients can read alike: there is no path yet that would tell which."""
    return encode({"type": "error", "error": {"message": words, "type": "invalid_request_error", "code": None}})


def _last_words(status: int, reason: str, words: str, more: bytes = b"") -> bytes:
    body = _error(words)
    head = f"HTTP/1.1 {status} {reason}\r\nserver: signalbox\r\ncontent-type: application/json\r\n"
    length = f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + more + length.encode() + body
