"""Writes answers to a connection: the head and what there is of the body by one write, for less than half of what
aiohttp's own answers cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpVersion11

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # in a header (RFC 9110, section 5.5)


class Answer:
    """One answer, with the methods that aiohttp's protocol calls when a handler has returned it.

    Args:
        body: None where it comes piece by piece, by `write`.
        closes: no other answer follows on this connection.
    """

    def __init__(
        self, request: web.BaseRequest, status: int, headers: Mapping[str, str], body: bytes | None, *, closes: bool
    ) -> None:
        version = request.version
        is_new = version >= HttpVersion11
        self._writer = request.writer
        self._is_chunked = body is None and is_new
        self.keep_alive = request.keep_alive and not closes and (is_new or body is not None)
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if self._is_chunked:
            lines.append("transfer-encoding: chunked")
        elif body is not None and status != HTTPStatus.NO_CONTENT:
            lines.append(f"content-length: {len(body)}")
        if self.keep_alive is not is_new:  # else it is what this version does by itself
            lines.append("connection: keep-alive" if self.keep_alive else "connection: close")
        if _FORBIDDEN.search("".join(lines)):
            raise ValueError("a header of this answer holds a control character")
        reason = _REASONS.get(status, "")
        first = f"HTTP/{version.major}.{version.minor} {status} {reason}\r\ndate: {rfc822_formatted_time()}\r\n"
        self._unsent = (first + "\r\n".join(lines) + "\r\n\r\n").encode()
        if body and request.method != "HEAD":
            self._unsent += body
        self._end = b"0\r\n\r\n" if self._is_chunked else b""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to be done before the body is written."""

    async def write(self, data: bytes) -> None:
        """Write some of the body; waits while the client reads too slowly."""
        unsent, self._unsent = self._unsent, b""
        await self._writer.write(unsent + self._framed(data))

    async def write_eof(self, data: bytes = b"") -> None:
        """Write what is left of the answer, with the last of its body; once more does nothing."""
        unsent, self._unsent = self._unsent + self._framed(data) + self._end, b""
        self._end = b""
        if unsent:
            await self._writer.write(unsent)
            await self._writer.drain()

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if data and self._is_chunked else data
