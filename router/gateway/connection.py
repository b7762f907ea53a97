"""Bounds on what comes over a connection before there is a request: how many of them, how long a head may take."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from aiohttp import StreamReader
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.web_protocol import RequestHandler, RequestPayloadError  # `aiohttp.web` would take another MB
from aiohttp.web_server import Server

from router.gateway import unreadable
from router.gateway.full import Full
from router.gateway.half_closed import HalfClosed

log = logging.getLogger("signalbox.gateway")

_LINGER = 10.0  # seconds in which a client may send the rest of a body that nobody reads
_REFUSED = 64  # connections that are told at the same time that there are too many; more are closed without a word
_GOODBYE = 1.0  # seconds in which a client that sends something unreadable has to read so


RequestAnswerer: TypeAlias = Callable[["Connection", RawRequestMessage, StreamReader], Awaitable[bool]]


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


class Connections(Server):
    """aiohttp's server, with bounds.

    When there are too many connections, the one that has been without a request for the longest has to go. When all are
    at work, the new one is answered 503.

    Args:
        answer: answers a request, of which it gets the connection, the head and the body; gives whether another may
            follow on that connection.
        most: says how many there may be.
    """

    def __init__(self, answer: RequestAnswerer, *, bounds: Bounds, most: Callable[[], int]) -> None:
        # A client that leaves ends the vendor's call.
        super().__init__(cast(Any, answer), handler_cancellation=True)
        self.answer = answer
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

    # --- told by the connections

    def opened(self, connection: Connection) -> asyncio.Protocol | None:
        """Give a connection a place, or return what speaks on it in place of its protocol."""
        if len(self._open) >= self._most():
            if not self._idle:
                return Full(self.refusing if self._refused < _REFUSED else None)
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


class Connection(RequestHandler):
    """A connection whose requests have to come with their whole head before long; aiohttp waits for ever.

    Its one task answers them all, one after the other. aiohttp's own makes a task, a request and a writer for each,
    which costs more than all that the gateway does itself.

    Attributes:
        has_begun: some of a head is here, but not all.
        peer: the client's address; "" behind a Unix socket, whatever name the client's end has.
    """

    __slots__ = (
        *("_asked", "_at_work", "_gates", "_half_closed", "_head", "_is_unreadable", "_said", "_stall", "_timer"),
        *("_wire", "bounds", "has_begun", "peer"),
    )

    def __init__(self, server: Connections) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None is what aiohttp's own server hands on
            auto_decompress=False,  # it has no bound
            max_line_size=unreadable.LINE,
            max_field_size=unreadable.FIELD,
            keepalive_timeout=server.bounds.idle,
        )
        self._gates = server
        self.bounds = server.bounds
        self._at_work = False
        self._said = False  # some of the answer was written
        self._head = 0  # bytes of a head that is not whole
        self._asked: tuple[RawRequestMessage, StreamReader] | None = None  # what is being answered
        self._is_unreadable = False  # what comes is no HTTP any more
        self._half_closed: HalfClosed | None = None
        self.has_begun = False
        self.peer = "?"
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
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if isinstance(name, tuple) else "" if isinstance(name, str | bytes) else "?"
        self._wait_for_head()
        if self._gates.is_over:
            self.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        messages = self._messages
        if messages and not isinstance(messages[-1][0], RawRequestMessage):
            self._cannot_read(data)
        if not self._at_work:
            self.has_begun = True
            if not messages:  # a head that is whole begins its request at once
                self._has_some_head(len(data))

    def _has_some_head(self, size: int) -> None:
        if self._timer is None:
            self._wait_for_head()
        self._head += size
        if self._head > unreadable.HEAD and self.transport is not None:
            self.transport.write(unreadable.last_words(*unreadable.TOO_LARGE))
            self.force_close()

    def _cannot_read(self, data: bytes) -> None:
        """Have what came before answered, and nobody wait for the rest of a body in which this is no HTTP any more."""
        self._is_unreadable = True
        if self._request_count == 1 and not self.has_begun:  # it is all that came
            self._parser = parser = unreadable.new_parser(self, self._read_bufsize, self._max_msg_queue_size)
            self._messages.extendleft(reversed(unreadable.readable_before(parser, data)))
        within = self._messages[-2] if len(self._messages) > 1 else self._asked
        if within is not None and not within[1].is_eof():
            within[1].set_exception(RequestPayloadError())

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's own may say so, aiohttp's says nothing
        """Whether the connection stays open, so that a client is answered that has ended its own side."""
        wire, asked = self._wire, self._asked
        if wire is None or asked is None or self._said or wire.get_extra_info("sslcontext") is not None:
            return False
        _, last_body = self._messages[-1] if self._messages else asked
        message, _ = asked
        if message.version < HttpVersion11 or not last_body.is_eof():
            return False
        self._half_closed = HalfClosed(wire, lambda: self._at_work and not self._said, self.abort)
        return True

    def resume_reading(self, *told: Any, **named: Any) -> None:
        if self._reading_paused:  # aiohttp asks at each read of a body, and parses nothing once more then
            super().resume_reading(*told, **named)

    @property
    def is_last(self) -> bool:
        """Whether the request that is being answered has to be the last one."""
        # What follows a request for another protocol is not read.
        is_over = self._upgraded or self._half_closed is not None
        return self._gates.is_closing or (is_over and not self._messages)

    async def start(self) -> None:
        """Answer the requests until one has been the last."""
        stays = True
        try:
            while stays and not (self._close or self._force_close):
                message, payload = await self._next()
                self._begin()
                stays = await self._answer(message, payload) and not self._gates.is_closing
                self._gates.idle(self)
                if not payload.is_eof():
                    await self._linger(payload)
                self._at_work = False
                self._asked = None
                self._wait_for_next()
        except BaseException:
            self.force_close()
            raise
        if self._is_unreadable or self._upgraded:
            await self._discard()
        self._task_handler = None
        self.force_close()

    async def write(self, data: bytes) -> None:
        """Send some of an answer; waits while the client reads too slowly.

        Raises:
            ConnectionError: the client is gone.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        self._said = True
        transport.write(data)
        if self._paused:
            await self._drain_helper()

    async def _next(self) -> tuple[Any, StreamReader]:
        """The next request's head, or aiohttp's word for what is none, and its body."""
        if not self._messages:
            try:
                self._waiter = self._loop.create_future()
                await self._waiter
            finally:
                self._waiter = None
        found = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()  # another may be read ahead
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        return found

    def _begin(self) -> None:
        self._at_work, self.has_begun, self._said, self._head = True, False, False, 0
        self._gates.busy(self)
        _stop(self._timer)
        self._timer = None

    async def _answer(self, message: Any, payload: StreamReader) -> bool:
        """Answer a request; gives whether another may follow."""
        if isinstance(message, RawRequestMessage):
            self._asked = message, payload
            is_usual = message.version is HttpVersion11 and not message.chunked
            wrong = None if is_usual else unreadable.why_not_spoken(message)
        else:
            wrong = unreadable.why_unreadable(message.exc, message.message)
        if wrong is None:
            try:
                return await self._gates.answer(self, message, payload)
            except ConnectionError:
                return False
            except Exception as error:
                log.error("an answer failed inside", exc_info=error)
                wrong = 500, "this gateway failed; its log has the reason"
        if self._said:
            self.abort()  # its client must not take it for whole
        elif self.transport is not None:
            self.transport.write(unreadable.last_words(*wrong))
        return False

    async def _linger(self, payload: StreamReader) -> None:
        """Take the rest of a body for a while: closing at once would take the answer back while the client still
        sends.
        """
        self._end_sending()
        with suppress(TimeoutError, RequestPayloadError):
            async with asyncio.timeout(_LINGER):
                while not payload.is_eof():
                    await payload.readany()

    async def _discard(self) -> None:
        """Take what can't be read for a while, for the same reason."""
        self._close, self._at_work = True, True
        self._end_sending()
        await asyncio.sleep(_GOODBYE)

    def _end_sending(self) -> None:
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reader()

    def _wait_for_reader(self) -> None:
        _stop(self._stall)
        self._stall = self._loop.call_later(self.bounds.stalled, self.abort)

    def resume_writing(self) -> None:
        if self._wire is not None and not self._wire.is_closing():
            _stop(self._stall)
        super().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        _stop(self._timer, self._stall)
        if self._half_closed is not None:
            self._half_closed.stop()
        self._wire = None
        self._gates.closed(self)
        super().connection_lost(exc)

    def force_close(self) -> None:
        super().force_close()
        if self._wire is not None and self._wire.get_write_buffer_size():  # it closes when that is sent
            self._wait_for_reader()

    def abort(self) -> None:
        """Close it at once, with what is unsent."""
        if self._wire is not None:
            self._wire.abort()

    def _wait_for_head(self) -> None:
        self._timer = self._loop.call_later(self.bounds.head, self._too_slow)

    def _wait_for_next(self) -> None:
        """Let it be silent for so long; the timer that runs looks again when it is over."""
        if self._half_closed is not None and not self._messages:
            self._close = True
        self._next_keepalive_close_time = self._loop.time() + self.bounds.idle
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def _too_slow(self) -> None:
        self._timer = None
        if self.has_begun and self.transport is not None:
            self.transport.write(unreadable.last_words(*unreadable.TOO_SLOW))
        self.force_close()


def _stop(*timers: asyncio.TimerHandle | None) -> None:
    for timer in timers:
        if timer is not None:
            timer.cancel()
