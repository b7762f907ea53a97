"""Base64 of images, audio and documents, which may be tens of megabytes.

It is made and read in pieces: each holds Python's lock for some milliseconds, so that the event loop has its turns
where a large one is worked on in a thread beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

_PIECE = 256 * 1024  # groups of three bytes, or of four characters


def encoded(data: bytes) -> str:
    """The text of some bytes (RFC 4648, section 4)."""
    return "".join(_pieces(data))


def data_url(data: bytes, media_type: str) -> str:
    """RFC 2397."""
    return "".join([f"data:{media_type};base64,", *_pieces(data)])


def _pieces(data: bytes) -> Iterator[str]:
    step = 3 * _PIECE
    if len(data) <= step:
        yield msgspec.to_builtins(data)  # several times as fast as `binascii`
        return
    for start in range(0, len(data), step):
        yield msgspec.to_builtins(data[start : start + step])


def decoded(text: str) -> bytes:
    """The bytes of a text.

    Raises:
        ValueError: it is no base64, or has anything else in it, such as line ends.
    """
    step = 4 * _PIECE
    try:
        if len(text) <= step:
            return msgspec.convert(text, bytes)
        ends = range(0, len(text), step)
        found = [msgspec.convert(text[start : start + step], bytes) for start in ends]
    except msgspec.ValidationError:
        raise ValueError("this is no base64") from None
    if any(len(piece) < 3 * _PIECE for piece in found[:-1]):
        raise ValueError("this is several texts of base64")
    return b"".join(found)
