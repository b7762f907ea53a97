"""What the cache of a router has done since its start."""

from __future__ import annotations

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
    from_disk: int = 0
    from_shared: int = 0
    input_tokens_saved: int = 0
    output_tokens_saved: int = 0
    cost_saved: float = 0.0
