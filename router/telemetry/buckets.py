"""What is counted: plain numbers that are cheap to raise, and to add up later.

A `CallCounter` counts for one route and one target of it (or for a route's requests as such). It writes into a bucket,
which stands for at most one second; closed buckets are added up by whoever reads, and by nobody when nobody does.
"""

from __future__ import annotations

from array import array
from math import inf
from operator import attrgetter
from typing import NamedTuple, TypeAlias, cast

from providers.types import Usage
from router.plan.pricing import exact
from router.telemetry import sketch
from router.telemetry.sketch import Packed, Sketch
from router.views.figures import Counts, Quantiles
from router.views.trace import PromptCacheUse

# What adds up by itself. The names are those of `Counts`; streams flow for `stream_seconds` in all.
NUMBERS = (
    *("succeeded", "failed", "cancelled", "attempts", "input_tokens", "output_tokens", "cost", "unpriced"),
    *("cache_hits", "retries", "fallbacks", "hedges", "stream_tokens", "stream_seconds"),
    *("cache_read_tokens", "cache_write_tokens", "prompt_cache_saved"),
)

_USUAL = frozenset({"succeeded", "attempts", "input_tokens", "output_tokens", "cost", "unpriced"})
_rare = attrgetter(*(name for name in NUMBERS if name not in _USUAL))
_NONE_OF_THEM = (0,) * (len(NUMBERS) - len(_USUAL))
_OWN = ("calls", "errors", "cost")  # counts that are made of others
_NONE = cast(list[float], ())  # in place of lists without anything: a minute of 1,000 targets has 60,000 buckets


def known_cost(usd: float, unpriced: int) -> float | None:
    """Return what calls have cost; None where only calls of unknown cost were made, so that nothing is known."""
    return round(usd, 10) if usd or not unpriced else None


class Totals:
    """The counts and sketches of a period."""

    # Not made for each: most stay 0, and where there are many targets each second begins a bucket for most of them.
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    cache_hits: int = 0
    retries: int = 0
    fallbacks: int = 0
    hedges: int = 0
    stream_tokens: int = 0
    stream_seconds: float = 0.0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    prompt_cache_saved: float = 0.0

    def __init__(self) -> None:
        self.errors: dict[str, int] = {}
        self.first_token: Sketch = {}
        self.latency: Sketch = {}

    @property
    def calls(self) -> int:
        """How many calls ended, however they did."""
        return self.succeeded + self.failed + self.cancelled

    def add(self, other: Totals) -> None:
        """Add the counts and sketches of another."""
        self._numbers(other, 1)
        for code, count in other.errors.items():
            self.errors[code] = self.errors.get(code, 0) + count
        sketch.add(self.first_token, other.first_token)
        sketch.add(self.latency, other.latency)

    def subtract(self, other: Totals) -> None:
        """Take away what was added before."""
        self._numbers(other, -1)
        for code, count in other.errors.items():
            self.errors[code] -= count
        sketch.subtract(self.first_token, other.first_token)
        sketch.subtract(self.latency, other.latency)
        if not self.calls:
            self.stream_seconds = 0.0  # rounding leaves a rest

    def _numbers(self, other: Totals, sign: int) -> None:
        self.succeeded += sign * other.succeeded
        self.attempts += sign * other.attempts
        self.input_tokens += sign * other.input_tokens
        self.output_tokens += sign * other.output_tokens
        self.cost += sign * other.cost
        self.unpriced += sign * other.unpriced
        if _rare(other) == _NONE_OF_THEM:  # as in most seconds: one question for all, where targets are many
            return
        self.failed += sign * other.failed
        self.cancelled += sign * other.cancelled
        self.cache_hits += sign * other.cache_hits
        self.retries += sign * other.retries
        self.fallbacks += sign * other.fallbacks
        self.hedges += sign * other.hedges
        self.stream_tokens += sign * other.stream_tokens
        self.stream_seconds += sign * other.stream_seconds
        self.cache_read_tokens += sign * other.cache_read_tokens
        self.cache_write_tokens += sign * other.cache_write_tokens
        self.prompt_cache_saved += sign * other.prompt_cache_saved

    def counts(self) -> Counts:
        """Return the counts as data."""
        errors = {code: count for code, count in self.errors.items() if count}
        numbers = {name: getattr(self, name) for name in Counts.__struct_fields__ if name not in _OWN}
        return Counts(calls=self.calls, errors=errors, cost=known_cost(self.cost, self.unpriced), **numbers)


def quantiles_of(buckets: Sketch, *, with_sketch: bool = False) -> Quantiles:
    """Return the quantiles of a sketch as data."""
    p50, p90, p95, p99 = sketch.quantiles(buckets, 0.5, 0.9, 0.95, 0.99)
    return Quantiles(sum(buckets.values()), p50, p90, p95, p99, dict(buckets) if with_sketch else {})


class Bucket(Totals):
    """What one counter counted until `ends` (loop time), or until someone read it.

    Durations are kept as they come, in lists, which take them four times as quickly as arrays; when it is closed they
    are counted as answers and sorted into the sketches: `plain` of whole answers; of streams the `firsts` to the first
    token and the `wholes`.
    """

    def __init__(self, counter: CallCounter, second: int, ends: float) -> None:
        super().__init__()
        self.counter = counter
        self.closed = False
        self.second = second  # since 1970
        self.ends = ends
        self.plain: list[float] = []
        self.firsts = self.wholes = _NONE

    def add_answer(self, seconds: float, first: float | None, usage: Usage, cost: float | None) -> None:
        """Count an answer.

        Args:
            seconds: From the call to its end.
            first: Seconds to the first content of a stream; None for a plain answer.
            cost: US dollars, None where they are not known.
        """
        if first is None:
            self.plain.append(seconds)
        else:
            self.add_stream(seconds, first, usage)
        self.input_tokens += usage.input_tokens or 0
        self.output_tokens += usage.output_tokens or 0
        if cost is None:
            self.unpriced += 1
        else:
            self.cost += cost

    def add_prompt_cache(self, use: PromptCacheUse | None) -> None:
        """Count what the vendor's prompt cache did for an answer; None is nothing."""
        if use is not None:
            self.cache_read_tokens += use.read
            self.cache_write_tokens += use.written
            self.prompt_cache_saved += use.saved or 0.0

    def add_stream(self, seconds: float, first: float, usage: Usage) -> None:
        """Count the durations of a stream, and how fast it flowed."""
        if self.firsts is _NONE:
            self.firsts, self.wholes = [], []
        self.firsts.append(first)
        self.wholes.append(seconds)
        if usage.output_tokens and seconds > first:
            self.stream_tokens += usage.output_tokens
            self.stream_seconds += seconds - first

    def close(self) -> None:
        """Sort the durations into the sketches; the bucket is not written any more."""
        self.closed = True
        self.ends = -inf
        self.cost = exact(self.cost)  # it is added up from here on, and taken away again
        if self.prompt_cache_saved:
            self.prompt_cache_saved = exact(self.prompt_cache_saved)
        self.succeeded += len(self.plain) + len(self.wholes)
        if self.counter.kind == "answers":
            self.attempts = self.succeeded
        if self.plain:
            sketch.count(self.latency, array("d", self.plain))
        if self.firsts:
            self.first_token = dict(self.latency)  # a plain answer's first token is the answer
            sketch.count(self.first_token, array("d", self.firsts))
            sketch.count(self.latency, array("d", self.wholes))
        else:
            self.first_token = self.latency
        self.plain = self.firsts = self.wholes = _NONE


class CallCounter:
    """Counts for one route and one target of it.

    Counters of the kind `answers` count requests that their first attempt answered, which are a call of the route and
    one of the target at the same time; those of the kind `attempts` count the other attempts, `requests` the other
    requests.
    """

    __slots__ = ("bucket", "identity", "kind", "provider", "route", "total")

    def __init__(self, kind: str, route: str, provider: str = "", identity: str = "") -> None:
        self.kind = kind
        self.route = route
        self.provider = provider
        self.identity = identity
        self.total = Totals()  # of all closed buckets
        self.bucket = Bucket(self, 0, -inf)


class Source(NamedTuple):
    """What counted: see `CallCounter`; without an identity, for all targets of a provider."""

    kind: str
    route: str
    provider: str
    identity: str = ""


Key: TypeAlias = tuple[str, str]  # ("all", ""), ("route", name), ("provider", name) or ("target", identity)
ALL: Key = ("all", "")


def groups_of(counter: CallCounter | Source) -> tuple[Key, ...]:
    """Return what a counter's numbers belong to: requests to routes, attempts to targets, a plain answer to both."""
    asked: tuple[Key, ...] = (ALL, ("route", counter.route))
    called: tuple[Key, ...] = (("provider", counter.provider), ("target", counter.identity))
    return {"requests": asked, "attempts": called, "answers": asked + called}[counter.kind]


class Sums:
    """What plots show of a while, as it is added up."""

    __slots__ = ("calls", "cost", "failed", "first_token", "latency", "unpriced")

    def __init__(self) -> None:
        self.calls = self.failed = self.unpriced = 0
        self.cost = 0.0
        self.first_token: Sketch = {}
        self.latency: Sketch = {}

    def add(self, counted: Totals | Sums | Kept) -> None:
        """Add what was counted."""
        self.calls += counted.calls
        self.failed += counted.failed
        self.cost += counted.cost
        self.unpriced += counted.unpriced
        sketch.add(self.first_token, counted.first_token)
        sketch.add(self.latency, counted.latency)


class Kept:
    """What plots show of a while that is over, in little memory."""

    __slots__ = ("calls", "cost", "failed", "first_token", "latency", "unpriced")

    def __init__(self, sums: Totals | Sums) -> None:
        self.calls = sums.calls
        self.failed = sums.failed
        self.cost = sums.cost
        self.unpriced = sums.unpriced
        self.latency = Packed(sums.latency)
        self.first_token = self.latency if sums.first_token == sums.latency else Packed(sums.first_token)
