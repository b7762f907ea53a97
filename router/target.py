"""One model at one provider, with the policies that hold for it on one route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from providers.settings import ProviderSettings
from providers.types import ModelCapabilities, Price, Timeout, Usage
from router.backoff import RetryRules
from router.breaker import BreakerRules
from router.limits import Limits

NEEDS = ("tools", "vision", "json_schema", "streaming")  # that a request may have and a model may lack
_MONTH = 2_629_746.0  # seconds of a mean month, by which the file's `month` is known
_PERIODS = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day", 604_800: "a week", _MONTH: "a month"}
_MONDAY = 4 * 86_400.0  # 1970-01-05, in seconds since 1970


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One API key of a provider, with the settings of its connection.

    `identity` stands for all that shapes the connection, the key among it. `number` is its place in the provider's
    pool, from 1; 0 where there is no pool.
    """

    identity: str
    settings: ProviderSettings | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """So many US dollars in so many seconds. `purse` says whose: "route chat" or "provider openai"."""

    purse: str
    usd: float
    per: float

    @property
    def period(self) -> str:
        """Its length, for people, such as "a day"."""
        return _PERIODS.get(self.per) or f"{self.per:g} s"

    def began(self, wall: float) -> float:
        """When the current period began, in seconds since 1970. Months are those of the calendar in UTC."""
        if self.per != _MONTH:
            return wall - (wall - _MONDAY) % self.per
        day = datetime.fromtimestamp(wall, UTC)
        return datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()

    def ends(self, began: float) -> float:
        """When the period that began then ends."""
        if self.per != _MONTH:
            return began + self.per
        return self.began(began + 32 * 86_400.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """What an attempt needs to know.

    `name` is the model's name in the file, or `provider/model-id`. `params` are defaults for the request. `account`
    stands for the provider with all that shapes its connection, `keys` for each of its API keys. `limits` are the
    model's own, `key_limits` those of each key, `budget` its provider's, `retry` bounds further tries here.
    `connect` is in seconds, where it is not its provider's own. `identity` is what it is, whatever
    route names it: its state outlives every edit that leaves this unchanged.
    """

    name: str
    provider: str
    model: str
    weight: float = 1.0
    params: Mapping[str, Any] = field(default_factory=dict)
    timeout: Timeout = field(default_factory=Timeout)
    retry: RetryRules = field(default_factory=RetryRules)
    connect: float | None = None
    capabilities: ModelCapabilities = field(default_factory=ModelCapabilities)
    disabled: bool = False
    account: str = ""
    keys: tuple[Key, ...] = ()
    breaker: BreakerRules = field(default_factory=BreakerRules)
    limits: Limits = field(default_factory=Limits)
    key_limits: Limits = field(default_factory=Limits)
    budget: Budget | None = None

    identity: str = field(init=False)
    lacks: frozenset[str] = field(init=False)  # what it is known not to do

    def __post_init__(self) -> None:
        # Made once: every request asks for it many times.
        account = self.account or self.provider
        object.__setattr__(self, "identity", f"{account}/{self.model}")
        lacks = frozenset(need for need in NEEDS if getattr(self.capabilities, need) is False)
        object.__setattr__(self, "lacks", lacks)
        if not self.keys:
            object.__setattr__(self, "keys", (Key(account),))

    def __repr__(self) -> str:
        return f"<Target {self.name} = {self.provider}/{self.model} weight {self.weight:g}>"


def cost(price: Price | None, usage: Usage) -> float | None:
    """USD for this usage, or None when a price or count that it needs is unknown.

    Cached tokens are part of `input_tokens` and are charged once, at their own price where it is known.
    """
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    price = price.of(usage.input_tokens)
    if price.input is None or price.output is None:
        return None
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    read_price = price.input if price.cache_read is None else price.cache_read
    write_price = price.input if price.cache_write is None else price.cache_write
    plain = max(0, usage.input_tokens - read - write)
    micros = plain * price.input + read * read_price + write * write_price + usage.output_tokens * price.output
    return micros / 1_000_000
