"""Writes answers to a connection: the head and what there is of the body by one write, for less than half of what
aiohttp's own answers cost.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias

from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpVersion11, RawRequestMessage

from router.gateway.exchange import Answered, Body

Write: TypeAlias = Callable[[bytes], Awaitable[None]]  # waits while the client reads too slowly

_NAME = "server: signalbox"  # what and which version runs beneath is nobody's business
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # in a header (RFC 9110, section 5.5)


async def send(write: Write, asked: RawRequestMessage, answered: Answered, *, closes: bool) -> bool:
    """Send an answer; gives whether another may follow on its connection.

    Args:
        asked: the head of the request.
        closes: none may.

    Raises:
        ValueError: a header of it holds a control character; nothing was sent.
        ConnectionError: the client is gone.
    """
    body, is_new = answered.body, asked.version >= HttpVersion11
    stays = not (closes or asked.should_close)
    if isinstance(body, bytes):
        length = "" if answered.status == HTTPStatus.NO_CONTENT else f"content-length: {len(body)}"
        head = _head(asked, answered, length, stays=stays)
        await write(head if asked.method == "HEAD" else head + body)
        return stays
    stays = stays and is_new
    try:
        head = _head(asked, answered, "transfer-encoding: chunked" if is_new else "", stays=stays)
        await _send_pieces(write, head, body, chunked=is_new)
    finally:
        await body.aclose()
    return stays


async def _send_pieces(write: Write, head: bytes, body: Body, *, chunked: bool) -> None:
    unsent, end = head, b"0\r\n\r\n" if chunked else b""
    async for data in body:
        parts = [unsent, b"%x\r\n" % len(data), data, b"\r\n"] if chunked and data else [unsent, data]
        if body.ends:
            parts.append(end)
            end = b""
        await write(b"".join(parts))  # one copy: a read of a fast vendor has 40 KB
        unsent = b""
    if unsent or end:
        await write(unsent + end)


def _head(asked: RawRequestMessage, answered: Answered, framed: str, *, stays: bool) -> bytes:
    """The head of an answer.

    Args:
        framed: the header that tells where the body ends; "" where that is the connection's end, or there is none.
        stays: another answer may follow on this connection.
    """
    lines = [f"{name}: {value}" for name, value in answered.headers.items()]
    lines.append(_NAME)
    if framed:
        lines.append(framed)
    version = asked.version
    if stays is not (version >= HttpVersion11):  # else it is what this version does by itself
        lines.append("connection: keep-alive" if stays else "connection: close")
    if _FORBIDDEN.search("".join(lines)):
        raise ValueError("a header of this answer holds a control character")
    status = f"{answered.status} {_REASONS.get(answered.status, '')}"
    first = f"HTTP/{version.major}.{version.minor} {status}\r\ndate: {rfc822_formatted_time()}\r\n"
    return (first + "\r\n".join(lines) + "\r\n\r\n").encode()
