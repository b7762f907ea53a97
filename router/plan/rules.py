"""A route's policy for its answers, as compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec


class CacheRules(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and bytes; the names are those of routes.yaml. `stale_for` is how long after `ttl` an answer is still
    served when the chain is exhausted; infinity is for ever."""

    ttl: float
    stale_for: float = 0.0
    store_tool_calls: bool = True
    max_entry: int = 1_000_000
    namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRules:
    """Bounds of one request's attempts; waits in seconds, the budget as a share of the route's requests."""

    max_attempts: int = 4
    same_target: int = 1
    backoff: float = 0.25
    max_backoff: float = 8.0
    max_wait: float = 10.0
    budget: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeRules:
    """When a second target is called beside a slow one: after so many seconds, or the target's own 95th percentile;
    at most `max` further ones for a request, and for a share `budget` of the route's requests."""

    after: float | Literal["p95"]
    max: int = 1
    budget: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """Seconds and fractions; the names are those of routes.yaml."""

    window: float = 30.0
    min_calls: int = 10
    failure_rate: float = 0.5
    consecutive: int = 5
    open_for: float = 10.0
    max_open_for: float = 300.0
    probes: int = 1
    ramp: float = 10.0
    slow_threshold: float | None = None
    slow_rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Rates per second; None is no limit."""

    requests: float | None = None
    tokens: float | None = None
    in_flight: int | None = None
