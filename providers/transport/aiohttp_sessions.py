"""aiohttp's pool of connections, which know whether they are old, and are kept alive while nothing is sent."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextvars import ContextVar
from functools import partial
from math import inf
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

from providers.transport.engine import KEEP_ALIVE

_READ_BUFFER = 256 * 1024
_AT_ONCE = 64 * 1024  # bytes that are read at once
_MAX_HEADER = 64 * 1024
_IDLE_CONNECTION = 30.0  # seconds a pooled connection is kept; many servers close theirs after 60
_DISTRUST = 1.0  # seconds in which no connection of a pool is used, after one of them was dead


class Sessions:
    """A session with a pool, and one whose connections are used once. They belong to the running event loop.

    Connections of a pool die together, when a server restarts: after the first has, new ones are made for a moment.

    Args:
        context: for TLS; False checks no certificates.
        path: of a Unix socket that is connected to, whatever the URLs' host.
    """

    def __init__(self, context: ssl.SSLContext | bool, path: str | None) -> None:
        self._context = context
        self._path = path
        self._fresh: aiohttp.ClientSession | None = None
        self._distrusted_until = -inf
        self.pooled = self._session(keepalive_timeout=_IDLE_CONNECTION)

    def current(self) -> aiohttp.ClientSession:
        """The session for a request that begins now."""
        used.set(None)
        if self._distrusted_until == -inf or asyncio.get_running_loop().time() >= self._distrusted_until:
            return self.pooled
        if self._fresh is None:
            self._fresh = self._session(force_close=True)
        return self._fresh

    def found_stale(self) -> bool:
        """Whether the task's last request failed because its connection was an old one that had been closed."""
        connection = used.get()
        if connection is None or not connection.was_stale:
            return False
        self._distrusted_until = asyncio.get_running_loop().time() + _DISTRUST
        return True

    async def close(self) -> None:
        """Close all connections."""
        await self.pooled.close()
        if self._fresh is not None:
            await self._fresh.close()

    def _session(self, **more: Any) -> aiohttp.ClientSession:
        connector: aiohttp.BaseConnector
        if self._path is None:
            connector = _TcpConnector(limit=0, ssl=self._context, socket_factory=_socket, **more)
        else:
            connector = _UnixConnector(self._path, limit=0, **more)
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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # asyncio makes room for 256 KiB at each read, though what comes has some hundred bytes. So large a piece fits
        # into no gap of a heap, which grows for it.
        if hasattr(transport, "max_size"):
            transport.max_size = _AT_ONCE

    def set_response_params(self, **params: Any) -> None:  # called before each request, in its task
        self._requests += 1
        self._heard = False
        used.set(self)
        super().set_response_params(**params)

    def resume_reading(self, *told: Any, **named: Any) -> None:
        if self._reading_paused:  # aiohttp asks at each read of a body, and parses nothing once more then
            super().resume_reading(*told, **named)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        super().data_received(data)


used: ContextVar[_Connection | None] = ContextVar("used", default=None)  # by the task's last request


def _made(loop: asyncio.AbstractEventLoop) -> partial[ResponseHandler]:
    return partial(cast(type[ResponseHandler], _Connection), loop=loop)


class _TcpConnector(aiohttp.TCPConnector):
    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._factory = _made(self._loop)


class _UnixConnector(aiohttp.UnixConnector):
    def __init__(self, path: str, **more: Any) -> None:
        super().__init__(path, **more)
        self._factory = _made(self._loop)
