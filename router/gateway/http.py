"""Carries the gateway's requests over aiohttp's server, the same that the simulator runs on."""

from __future__ import annotations

import asyncio

from aiohttp import web

from router.gateway.errors import BodyTooLarge
from router.gateway.exchange import Answered, Asked
from router.gateway.gateway import Gateway

_LINE, _FIELD = 16_384, 32_768  # bytes of a request's first line, and of a header
_KEPT = 75.0  # seconds that an idle connection is kept
_SLOW = 60.0  # seconds in which a body has to be there


def server_of(gateway: Gateway) -> web.Server:
    """Make the server of a gateway, for aiohttp's `ServerRunner`."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await _respond(request, await gateway.handle(_asked(request)))

    return web.Server(
        handle,
        handler_cancellation=True,  # a client that leaves ends the vendor's call
        access_log=None,
        auto_decompress=False,  # it has no bound
        max_line_size=_LINE,
        max_field_size=_FIELD,
        keepalive_timeout=_KEPT,
    )


def _asked(request: web.BaseRequest) -> Asked:
    async def read(limit: int) -> bytes:
        return await _read(request, limit)

    return Asked(request.method, request.path, request.query_string, request.headers, read, request.remote or "")


async def _read(request: web.BaseRequest, limit: int) -> bytes:
    length = request.content_length
    if length is not None and length > limit:
        raise BodyTooLarge(limit)
    content = request.content
    if content.is_eof():
        return content.read_nowait()
    if request.headers.get("expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # curl waits for it before a large body
    parts: list[bytes] = []
    size = 0
    async with asyncio.timeout(_SLOW):
        async for data in content.iter_any():
            size += len(data)
            if size > limit:
                raise BodyTooLarge(limit)
            parts.append(data)
    return b"".join(parts)


async def _respond(request: web.BaseRequest, answered: Answered) -> web.StreamResponse:
    body = answered.body
    if isinstance(body, bytes):
        return web.Response(body=body, status=answered.status, headers=answered.headers)
    response = web.StreamResponse(status=answered.status, headers=answered.headers)
    try:
        await response.prepare(request)
        async for data in body:
            await response.write(data)
        await response.write_eof()
    finally:
        await body.aclose()
    return response
