"""Carries the gateway's requests over connections that aiohttp's parser reads."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from aiohttp import StreamReader
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.web_protocol import RequestPayloadError

from providers.errors import ErrorCode
from providers.wire.reading import BadRequest
from router.gateway.connection import Bounds, Connection, Connections
from router.gateway.errors import Refused
from router.gateway.exchange import Answered, Asked, Headers
from router.gateway.gateway import Gateway
from router.gateway.inflate import read_body, within_limit
from router.gateway.sending import send

Handle: TypeAlias = Callable[[Asked], Awaitable[Answered]]

_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_./-]*")  # which is read as it is written


def server_of(gateway: Gateway, bounds: Bounds | None = None, room: int = sys.maxsize) -> Connections:
    """Make the server of a gateway: it gives the protocol of each new connection to `loop.create_server`, or is handed
    to aiohttp's `ServerRunner`.

    Args:
        bounds: other times than the usual ones, for tests.
        room: for how many connections, where the process has less than the file allows.
    """

    def most() -> int:
        return min(room, gateway.router.plan.serving.max_connections)

    return carrying(gateway.handle, bounds or Bounds(), most)


def carrying(handle: Handle, bounds: Bounds, most: Callable[[], int]) -> Connections:
    """Make a server of what answers requests.

    Args:
        most: says how many connections there may be.
    """

    async def answer(connection: Connection, message: RawRequestMessage, payload: StreamReader) -> bool:
        answered = await handle(_Request(connection, message, payload).asked())
        # The rest of a body is in the next request's way.
        closes = connection.is_last or not payload.is_eof()
        return await send(connection.write, message, answered, closes=closes)

    return Connections(answer, bounds=bounds, most=most)


def _with_host(message: RawRequestMessage) -> Headers:
    """The headers of a request that names its host in the first line: that one holds (RFC 9112, section 3.2.2)."""
    headers = message.headers.copy()
    headers["host"] = message.url.raw_authority
    return headers


class _Request:
    """A request whose head is here."""

    __slots__ = ("_connection", "_message", "_payload")

    def __init__(self, connection: Connection, message: RawRequestMessage, payload: StreamReader) -> None:
        self._connection = connection
        self._message = message
        self._payload = payload

    def asked(self) -> Asked:
        message = self._message
        path, query = message.path, ""
        headers: Headers = message.headers
        if not _PLAIN_PATH.fullmatch(path):
            if not path.startswith("/") and message.url.absolute:
                headers = _with_host(message)
            path, query = message.url.path, message.url.query_string
        return Asked(message.method, path, query, headers, self._read, self._connection.peer)

    async def _read(self, limit: int) -> bytes:
        payload, encoding = self._payload, self._message.headers.get("content-encoding", "")
        try:
            if not encoding and payload.is_eof():  # it is here already, as nearly always
                return within_limit(payload.read_nowait(), limit)
            return await self._read_slowly(encoding, limit)
        except RequestPayloadError:
            raise BadRequest("the body is not sent as HTTP has it") from None

    async def _read_slowly(self, encoding: str, limit: int) -> bytes:
        length = self._message.headers.get("content-length")
        seconds = self._connection.bounds.body
        try:
            async with asyncio.timeout(seconds) as within:
                return await read_body(self._pieces(), encoding, None if length is None else int(length), limit)
        except TimeoutError:
            if not within.expired():
                raise
            raise Refused(
                ErrorCode.INVALID_REQUEST, f"the body was not there after {seconds:.0f} s", status=408
            ) from None

    async def _pieces(self) -> AsyncIterator[bytes]:
        payload, message = self._payload, self._message
        if payload.is_eof():
            yield payload.read_nowait()
            return
        if message.headers.get("expect", "").lower() == "100-continue" and message.version >= HttpVersion11:
            await self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # curl waits for it before a large body
        async for data in payload.iter_any():
            yield data
