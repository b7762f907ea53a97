"""A route's policy for its answers, as compiled."""

from __future__ import annotations

import msgspec


class CacheRules(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and bytes; the names are those of routes.yaml. `stale_for` is how long after `ttl` an answer is still
    served when the chain is exhausted; infinity is for ever."""

    ttl: float
    stale_for: float = 0.0
    store_tool_calls: bool = True
    max_entry: int = 1_000_000
    namespace: str | None = None
