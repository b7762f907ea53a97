"""What a cache tells of itself: what it has done since its start, and what it knows of an answer."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class CacheStats(msgspec.Struct):
    """Counts since the router's start. `joined` counts requests that waited for the call of an identical one;
    `from_disk` and `from_shared` are the hits that memory did not have.

    What hits saved: tokens that were not read and made again, and US dollars as far as prices are known.
    """

    hits: int = 0
    misses: int = 0
    stale: int = 0
    joined: int = 0
    stored: int = 0
    input_tokens_saved: int = 0
    output_tokens_saved: int = 0
    cost_saved: float = 0.0
    from_disk: int = 0
    from_shared: int = 0


class Stored(NamedTuple):
    """An answer that is stored, and fresh until it is older than it `lasts`; seconds. `by_fallback`: a fallback made
    it, because a target before it failed.
    """

    age: float
    lasts: float
    by_fallback: bool
