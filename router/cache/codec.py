"""An answer as bytes and back. Versioned JSON, read into typed structs: nothing in it can be executed."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from providers.types import CompletionResponse

_HEAD = b"signalbox answer 1\n"


class Entry(msgspec.Struct, frozen=True):
    """A stored answer; `at` is when it was made, in seconds since 1970."""

    at: float
    response: CompletionResponse


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


class BadEntry(ValueError):
    """These bytes are no entry of this version."""


def encode(response: CompletionResponse, at: float) -> bytes:
    """Raises ValueError or TypeError when the answer has something that JSON can't say."""
    return _HEAD + _encoder.encode(Entry(at, replace(response, trace=None)))


def decode(data: bytes) -> Entry:
    """Raises BadEntry: truncated, of another version, or something else altogether."""
    if not data.startswith(_HEAD):
        raise BadEntry("another version, or no entry at all")
    try:
        return _decoder.decode(memoryview(data)[len(_HEAD) :])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadEntry(str(error)) from None
