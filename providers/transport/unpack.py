"""Compressed answers, unpacked piece by piece, so that a small body cannot become a large one at once."""

from __future__ import annotations

import zlib

PIECE = 64 * 1024  # bytes that are unpacked at a time
_FREE = 2 * 1024 * 1024  # bytes that any body may unpack to
_RATIO = 200  # bytes unpacked for each that came; JSON packs to a tenth, the same event over and over to a hundredth
_EMPTY = 100  # members of a gzip body in a row that may be empty
_GZIP = 16 + zlib.MAX_WBITS


class Unpacker:
    """Unpacks one body: `feed` what came, then take `some` until it gives nothing.

    Args:
        encoding: the answer's content-encoding.
        bounded: False for who counts what it unpacks to himself.

    Raises:
        ValueError: by each method, when the body is not packed so, or unpacks to 200 times what came.
    """

    __slots__ = ("_bounded", "_came", "_engine", "_gave", "_gzip", "_packed")

    def __init__(self, encoding: str, *, bounded: bool = True) -> None:
        name = encoding.strip().lower()
        if name not in ("gzip", "x-gzip", "deflate"):
            raise ValueError(f"the answer has the content-encoding {encoding[:40]!r}, which was not asked for")
        self._gzip = name != "deflate"
        self._engine: zlib._Decompress | None = None
        self._packed = b""
        self._came = self._gave = 0
        self._bounded = bounded

    @property
    def is_whole(self) -> bool:
        """Whether what came and was taken may be all: the body does not break off here."""
        return self._engine is None and not self._packed

    def feed(self, data: bytes) -> None:
        self._came += len(data)
        self._packed += data

    def some(self) -> bytes:
        """At most 64 KiB; empty when there is nothing more in what came."""
        try:
            data = self._some()
        except zlib.error:
            raise ValueError("the answer is not packed as its content-encoding says") from None
        self._gave += len(data)
        if self._bounded and self._gave > _FREE + _RATIO * self._came:
            raise ValueError(f"the answer unpacks to more than {_RATIO} times what was sent")
        return data

    def _some(self) -> bytes:
        for _ in range(_EMPTY):
            if self._engine is None:
                if not self._packed:
                    return b""
                self._engine = zlib.decompressobj(self._window())
            data = self._engine.decompress(self._packed, PIECE)
            self._packed = self._engine.unconsumed_tail
            if self._engine.eof:  # a gzip body may have several members
                self._packed = self._engine.unused_data if self._gzip else b""
                self._engine = None
            if data or not self._packed:
                return data
        raise ValueError(f"the answer is packed into {_EMPTY} pieces of nothing")

    def _window(self) -> int:
        if self._gzip:
            return _GZIP
        # RFC 9110 means zlib's format by "deflate"; some servers send it without its header.
        return zlib.MAX_WBITS if self._packed[0] & 0x0F == 8 else -zlib.MAX_WBITS
