"""Carries the gateway's requests over aiohttp's server, the same that the simulator runs on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.http import HttpVersion11

from providers.errors import ErrorCode
from providers.wire.reading import BadRequest
from router.gateway.connection import NAME, Bounds, Connections
from router.gateway.errors import Refused
from router.gateway.exchange import Answered, Asked
from router.gateway.gateway import Gateway
from router.gateway.inflate import read_body, within_limit
from router.gateway.sending import Answer


def server_of(gateway: Gateway, bounds: Bounds | None = None, room: int = sys.maxsize) -> Connections:
    """Make the server of a gateway: it gives the protocol of each new connection to `loop.create_server`, or is handed
    to aiohttp's `ServerRunner`.

    Args:
        bounds: other times than the usual ones, for tests.
        room: for how many connections, where the process has less than the file allows.
    """

    async def handle(request: web.BaseRequest) -> Answer:
        return await _respond(server, request, await gateway.handle(_asked(request, server.bounds)))

    def most() -> int:
        return min(room, gateway.router.plan.serving.max_connections)

    server = Connections(handle, bounds=bounds or Bounds(), most=most)
    return server


def _asked(request: web.BaseRequest, bounds: Bounds) -> Asked:
    async def read(limit: int) -> bytes:
        return await _read(request, bounds, limit)

    return Asked(request.method, request.path, request.query_string, request.headers, read, _peer(request))


def _peer(request: web.BaseRequest) -> str:
    """The client's address; "" behind a Unix socket, whatever name the client's end has."""
    name = request.protocol.peername
    return str(name[0]) if isinstance(name, tuple) else "" if isinstance(name, str | bytes) else "?"


async def _read(request: web.BaseRequest, bounds: Bounds, limit: int) -> bytes:
    content, encoding = request.content, request.headers.get("content-encoding", "")
    try:
        if not encoding and content.is_eof():  # it is here already, as nearly always
            return within_limit(content.read_nowait(), limit)
        return await _read_slowly(request, encoding, bounds, limit)
    except web.RequestPayloadError:
        raise BadRequest("the body is not sent as HTTP has it") from None


async def _read_slowly(request: web.BaseRequest, encoding: str, bounds: Bounds, limit: int) -> bytes:
    try:
        async with asyncio.timeout(bounds.body) as within:
            return await read_body(_pieces(request), encoding, request.content_length, limit)
    except TimeoutError:
        if not within.expired():
            raise
        raise Refused(
            ErrorCode.INVALID_REQUEST, f"the body was not there after {bounds.body:.0f} s", status=408
        ) from None


async def _pieces(request: web.BaseRequest) -> AsyncIterator[bytes]:
    content = request.content
    if content.is_eof():
        yield content.read_nowait()
        return
    if request.headers.get("expect", "").lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # curl waits for it before a large body
    async for data in content.iter_any():
        yield data


async def _respond(server: Connections, request: web.BaseRequest, answered: Answered) -> Answer:
    body, headers = answered.body, {**answered.headers, **NAME}
    if isinstance(body, bytes):
        # The rest of its body is in the next request's way.
        closes = server.is_closing or not request.content.is_eof()
        return Answer(request, answered.status, headers, body, closes=closes)
    try:
        answer = Answer(request, answered.status, headers, None, closes=server.is_closing)
        async for data in body:
            await (answer.write_eof(data) if body.ends else answer.write(data))
        await answer.write_eof()
    finally:
        await body.aclose()
    return answer
