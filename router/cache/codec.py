"""An answer as bytes and back, for both levels of the cache. The form is versioned JSON, read into typed structs:
nothing in it can be executed.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from providers.types import CompletionResponse

_HEAD = b"signalbox answer 1\n"


class Entry(msgspec.Struct, frozen=True):
    """A stored answer; `at` is when it was made, in seconds since 1970. `by_fallback`: only because a target of an
    earlier tier failed.
    """

    at: float
    response: CompletionResponse
    by_fallback: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


class BadEntry(ValueError):
    """These bytes are no entry of this version."""


def encode(entry: Entry) -> bytes:
    """Encode a stored answer; raises ValueError or TypeError when JSON can't say it."""
    return _HEAD + _encoder.encode(replace(entry, response=replace(entry.response, trace=None, parsed=None)))


def decode(data: bytes) -> Entry:
    """Decode an entry; raises BadEntry when the bytes are truncated, of another version, or something else
    altogether.
    """
    if not data.startswith(_HEAD):
        raise BadEntry("another version, or no entry at all")
    try:
        return _decoder.decode(memoryview(data)[len(_HEAD) :])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadEntry(str(error)) from None
