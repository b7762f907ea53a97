"""Request bodies that came packed: they are unpacked piece by piece, and counted while they grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterator
from typing import Any, Protocol

from providers.errors import ErrorCode
from providers.transport.unpack import PIECE, Unpacker
from providers.wire.reading import BadRequest
from router.gateway.errors import BodyTooLarge, Refused

try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
except ImportError:
    zstd = None

_WINDOW = 23  # 8 MiB, which RFC 9659 has as the most that a sender may ask for
_TURN = 1024 * 1024  # bytes unpacked, after which others get their turn


class _Unpacks(Protocol):
    """Gives what a piece of the body unpacks to, bit by bit; `is_whole` when the body may end here."""

    def unpacked(self, data: bytes) -> Iterator[bytes]: ...

    @property
    def is_whole(self) -> bool: ...


class _Plain:
    is_whole = True

    def unpacked(self, data: bytes) -> Iterator[bytes]:
        yield data


class _Deflated:
    """gzip and deflate."""

    def __init__(self, encoding: str) -> None:
        self._unpacker = Unpacker(encoding, bounded=False)

    @property
    def is_whole(self) -> bool:
        return self._unpacker.is_whole

    def unpacked(self, data: bytes) -> Iterator[bytes]:
        self._unpacker.feed(data)
        while piece := self._unpacker.some():
            yield piece


class _Zstandard:
    """RFC 8878: frames, one behind the other."""

    def __init__(self) -> None:
        self._frame: Any = None
        self.is_whole = False

    def unpacked(self, data: bytes) -> Iterator[bytes]:
        try:
            while data or (self._frame is not None and not self._frame.needs_input):
                if self._frame is None:
                    self._frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW})
                yield self._frame.decompress(data, PIECE)
                data = b""
                self.is_whole = self._frame.eof
                if self.is_whole:
                    data, self._frame = self._frame.unused_data, None
        except zstd.ZstdError:
            raise ValueError("the body is not packed as its content-encoding says") from None


_KINDS: dict[str, Callable[[], _Unpacks]] = {
    "": _Plain,
    "identity": _Plain,
    "gzip": lambda: _Deflated("gzip"),
    "x-gzip": lambda: _Deflated("gzip"),
    "deflate": lambda: _Deflated("deflate"),
}
if zstd is not None:
    _KINDS["zstd"] = _Zstandard

ACCEPTED = ", ".join(name for name in _KINDS if name not in ("", "x-gzip"))  # for `accept-encoding`


class UnknownEncoding(Refused):
    """The body is packed in a way that is not read here (RFC 9110, section 15.5.16)."""

    def __init__(self, encoding: str) -> None:
        super().__init__(
            ErrorCode.INVALID_REQUEST,
            f"the content-encoding {encoding[:40]!r} is not read here: send the body as it is, or by {ACCEPTED}",
            status=415,
            headers={"accept-encoding": ACCEPTED},
        )


def within_limit(data: bytes, limit: int) -> bytes:
    """A body that came as it is; raises BodyTooLarge when it has more bytes than so many."""
    if len(data) > limit:
        raise BodyTooLarge(limit)
    return data


async def read_body(pieces: AsyncIterable[bytes], encoding: str, length: int | None, limit: int) -> bytes:
    """Read a body, and unpack it.

    Args:
        length: what the client says of it, where it does.
        limit: bytes that it may have, unpacked; also those that may come.

    Raises:
        UnknownEncoding: before a byte of it is read.
        BodyTooLarge: before a byte too many is kept.
        BadRequest: it is not packed as its encoding says, or breaks off.
    """
    kind = _KINDS.get(encoding.strip().lower())
    if kind is None:
        raise UnknownEncoding(encoding)
    if length is not None and length > limit:
        raise BodyTooLarge(limit)
    unpacks = kind()
    parts: list[bytes] = []
    came = size = turn = 0
    try:
        async for data in pieces:
            came += len(data)
            for part in unpacks.unpacked(data):
                parts.append(part)
                size += len(part)
                turn += len(part)
                if size > limit:
                    raise BodyTooLarge(limit)
                if turn > _TURN:
                    turn = 0
                    await asyncio.sleep(0)
            if came > limit:  # packed into pieces of nothing
                raise BodyTooLarge(limit)
    except ValueError:
        raise BadRequest("the body is not packed as its content-encoding says") from None
    if came and not unpacks.is_whole:
        raise BadRequest("the packed body breaks off before its end")
    return b"".join(parts)
