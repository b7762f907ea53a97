"""An answer whose body is still to be read: in one go, or as it comes; unpacked, and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from providers.errors import ErrorCode, ProviderError
from providers.transport.engine import CarrierError
from providers.transport.unpack import Unpacker

MAX_BODY = 64 * 1024 * 1024  # bytes of a plain answer
PIECE = 16 * 1024  # bytes of a stream that are given at a time
# So many where lines are short: the worst have 4 bytes, and cost 5 µs each.
_SHORT_PIECE, _SHORT_LINES = 4 * 1024, 512


class HttpResponse(msgspec.Struct, eq=False):
    """An answer that is here to its end; one that is not gives its body piece by piece, by methods of its own.

    `headers` have lower-case names; `body` is as it was sent.
    """

    status: int
    headers: dict[str, str]
    body: bytes = b""
    _unpacker: Unpacker | None = None
    _came: bytes = b""  # more than a piece, of which it is given up to `_at`
    _at: int = 0

    __repr__ = object.__repr__  # no answer in a log

    async def sent(self) -> bytes:
        """The next bytes of the body, as they are sent; empty at its end. Raises CarrierError."""
        body, self.body = self.body, b""
        return body

    def finish(self) -> None:
        """The answer is complete, whatever may still come; the connection is used again if the body ends soon."""

    async def aclose(self) -> None:
        """Close the connection at once, unless the body was read to its end or is finished."""

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes.

        Raises:
            ProviderError: CONNECTION_FAILED (phase "read") when it breaks off, PROTOCOL_ERROR when it is no HTTP.
        """
        while data := await self.read_some():
            yield data

    async def read(self) -> bytes:
        """The body, or what is left of it, at most 64 MiB; raises like `chunks`."""
        if self.body and "content-encoding" not in self.headers:  # as of most plain answers
            body = await self.sent()
            return _bounded(body, len(body))
        parts = [self._came[self._at :]]
        size = len(parts[0])
        try:
            while data := await self._some():
                size += len(data)
                parts.append(_bounded(data, size))
        finally:
            await self.aclose()
        return b"".join(parts)

    async def beginning(self, most: int) -> bytes:
        """At most so many bytes of the body; none where it cannot be read."""
        data = b""
        try:
            while len(data) < most and (more := await self.read_some()):
                data += more
        except ProviderError:
            return b""
        return data[:most]

    async def read_some(self) -> bytes:
        """The next bytes of the body, unpacked, at most 16 KiB; empty at its end. Raises like `chunks`.

        What came at once is given in pieces, between which other tasks, and timeouts, have their turn.
        """
        if self._came:
            await asyncio.sleep(0)
        else:
            self._came, self._at = await self._some(), 0
        came, at = self._came, self._at
        end = at + PIECE
        if len(came) - at > _SHORT_PIECE and came.count(b"\n", at, end) + came.count(b"\r", at, end) > _SHORT_LINES:
            end = at + _SHORT_PIECE
        # What was given is let go when it is as much as what is left: of a thousand streams it is most of the memory.
        self._came, self._at = (came[end:], 0) if 2 * end >= len(came) else (came, end)
        return came[at:end]

    async def _some(self) -> bytes:
        try:
            return await (self._unpacked() if "content-encoding" in self.headers else self.sent())
        except CarrierError as error:
            raise ProviderError(error.code, str(error), phase=error.phase) from None
        except ValueError as error:
            raise ProviderError(ErrorCode.PROTOCOL_ERROR, str(error), phase="read") from None

    async def _unpacked(self) -> bytes:
        if self._unpacker is None:
            encoding = self.headers["content-encoding"]
            if encoding.strip().lower() in ("identity", ""):
                return await self.sent()
            self._unpacker = Unpacker(encoding)
        elif data := self._unpacker.some():
            await asyncio.sleep(0)  # this did not wait for the network: others, and timeouts, have their turn
            return data
        while packed := await self.sent():
            self._unpacker.feed(packed)
            if data := self._unpacker.some():
                return data
        return b""


def _bounded(data: bytes, size: int) -> bytes:
    if size > MAX_BODY:
        raise ProviderError(ErrorCode.PROTOCOL_ERROR, "the answer is larger than 64 MiB")
    return data
