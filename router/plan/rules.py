"""The policies of routes and targets, as compiled. Their defaults are the file's (`router.config.policies`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from providers.errors import ErrorCode, ProviderError
from router.config.policies import BUILT_IN
from router.config.shared_url import LOCAL
from router.config.units import Allowance, format_percent
from router.plan.budget import Budget


class ErrorRule(msgspec.Struct, frozen=True):
    """What a provider's errors mean that have this status, and this in their text in lower case; None is any."""

    code: ErrorCode
    status: int | None = None
    text: str | None = None

    def fits(self, error: ProviderError) -> bool:
        """Say whether an error is of this rule."""
        if self.status is not None and self.status != error.status:
            return False
        return self.text is None or self.text in f"{error.message}\n{error.body_excerpt or ''}".lower()


class LogRules(msgspec.Struct, frozen=True):
    """Where the log of requests is, for how many seconds a line stays, how many bytes all its files may have, and how a
    line names its user.
    """

    folder: Path
    keep: float
    max_size: int
    users: Literal["hashed", "plain", "off"] = "hashed"


class CacheRules(msgspec.Struct, frozen=True, kw_only=True):
    """How long answers are kept, in seconds, and how large they may be, in bytes; the names are those of
    routes.yaml. `fallback_ttl` is for those that a fallback made because a target before it failed. `stale_for` is how
    long after either an answer is still served when the chain is exhausted; infinity is for ever.
    """

    ttl: float
    fallback_ttl: float = BUILT_IN["cache"]["fallback_ttl"]
    stale_for: float = 0.0
    store_tool_calls: bool = BUILT_IN["cache"]["store_tool_calls"]
    max_entry: int = BUILT_IN["cache"]["max_entry"]
    namespace: str | None = None
    own_keys: Literal["apart", "shared"] = "apart"

    def lasts(self, by_fallback: bool) -> float:
        """Return how long an answer is fresh, in seconds."""
        return min(self.ttl, self.fallback_ttl) if by_fallback else self.ttl


class AcceptRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which answers are not taken; the names are those of routes.yaml."""

    not_empty: bool = False
    not_refused: bool = False
    valid_json: bool = False


class RetryRules(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one request's attempts; waits in seconds, the budget as a share of the route's requests.

    `first` says who is tried first after a failure. `max_attempts` is what is written; None leaves it to the chain
    (`Chain.max_attempts`).
    """

    first: Literal["next_target", "same_target"] = BUILT_IN["retry"]["first"]
    max_attempts: int | None = BUILT_IN["retry"]["max_attempts"]
    same_target: int = BUILT_IN["retry"]["same_target"]
    backoff: float = BUILT_IN["retry"]["backoff"]
    max_backoff: float = BUILT_IN["retry"]["max_backoff"]
    max_wait: float = BUILT_IN["retry"]["max_wait"]
    budget: float = BUILT_IN["retry"]["budget"]


class HedgeRules(msgspec.Struct, frozen=True, kw_only=True):
    """When a second target is called beside a slow one: after so many seconds, or the target's own 95th percentile;
    at most `max` further ones for a request, and for a share `budget` of the route's requests."""

    after: float | Literal["p95"]
    max: int = BUILT_IN["hedge"]["max"]
    budget: float = BUILT_IN["hedge"]["budget"]


class BreakerRules(msgspec.Struct, frozen=True, kw_only=True):
    """When a breaker opens and closes, in seconds and fractions; the names are those of routes.yaml."""

    window: float = BUILT_IN["breaker"]["window"]
    min_calls: int = BUILT_IN["breaker"]["min_calls"]
    failure_rate: float = BUILT_IN["breaker"]["failure_rate"]
    consecutive: int = BUILT_IN["breaker"]["consecutive"]
    open_for: float = BUILT_IN["breaker"]["open_for"]
    max_open_for: float = BUILT_IN["breaker"]["max_open_for"]
    probes: int = BUILT_IN["breaker"]["probes"]
    ramp: float = BUILT_IN["breaker"]["ramp"]
    slow_threshold: float | None = None
    slow_rate: float = 1.0


class Limits(msgspec.Struct, frozen=True):
    """Rates, of which all hold side by side, and calls at the same time; None is no limit."""

    requests: tuple[Allowance, ...] | None = None
    tokens: tuple[Allowance, ...] | None = None
    in_flight: int | None = None


class EmbedRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a target that makes embeddings can do (`providers.embeddings.EmbeddingLimits`). `space` is whose vectors it
    makes: those of one space can be compared, and no others.
    """

    space: str
    dimensions: int | None = None
    shortens: bool | None = None
    max_inputs: int | None = None
    max_tokens: int | None = None
    max_request_tokens: int | None = None


class BatchRules(msgspec.Struct, frozen=True, kw_only=True):
    """How inputs become calls: an input waits so many seconds for others (None: not at all), of which `most` share a
    call; `parallel` calls of one request run at a time.
    """

    wait: float | None = None
    most: int = 64
    parallel: int = 4


class ShadowRules(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets copies of a share of a route's requests (0 to 1), so many at a time at most, and what they may cost."""

    to: str
    share: float
    in_flight: int
    budget: Budget | None = None

    @property
    def terms(self) -> str:
        """All of it in words."""
        spends = "" if self.budget is None else f", for {self.budget.terms}"
        return f"{format_percent(self.share)} to {self.to}{spends}"


class SharedRules(msgspec.Struct, frozen=True, kw_only=True):
    """What processes share, and over which server; times in seconds, the names are those of routes.yaml."""

    url: str
    app: str
    secret: str | None = None
    share: tuple[str, ...] = ("limits",)
    host: str | None = None
    commands: bool = False
    away: Literal["share", "local", "refuse"] = "share"
    budgets_away: Literal["share", "refuse"] = "share"
    lease: float = 2.0
    timeout: float = 0.25
    shards: int = 1
    single_flight: bool = False

    @property
    def is_local(self) -> bool:
        """Whether the processes of one `signalbox serve` share it, over their parent."""
        return self.url == LOCAL

    @property
    def connection(self) -> tuple[str, str, str | None, int]:
        """What a new connection is needed for when it changes."""
        return self.url, self.app, self.secret, self.shards

    def shares(self, *what: str) -> bool:
        """Say whether any of these is shared."""
        return not {*what}.isdisjoint(self.share)

    @property
    def exchanged(self) -> frozenset[str]:
        """What is shared by exchanges: all but answers."""
        return frozenset(self.share) - {"cache"}
