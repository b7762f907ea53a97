"""What a simulation counts: small numbers and histograms, whatever the length of the run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from providers.errors import ErrorCode
from router.views.trace import Attempt

BINS = 60  # of the courses over time
_GAMMA = 1.02
_LOG_GAMMA = math.log(_GAMMA)
_LEAST = 1e-6  # seconds


class Quantiles:
    """Times in buckets whose bounds grow by 2%, so that any quantile is exact to 1%.

    The idea is DDSketch's: Masson, Rim, Lee, "DDSketch: A fast and fully-mergeable quantile sketch", VLDB 2019.
    """

    __slots__ = ("_buckets", "count")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0

    def add(self, seconds: float) -> None:
        place = math.ceil(math.log(max(seconds, _LEAST)) / _LOG_GAMMA)
        self._buckets[place] = self._buckets.get(place, 0) + 1
        self.count += 1

    def merge(self, other: Quantiles) -> None:
        for place, number in other._buckets.items():
            self._buckets[place] = self._buckets.get(place, 0) + number
        self.count += other.count

    def quantile(self, share: float) -> float | None:
        """The nearest-rank quantile in seconds; None when there is nothing."""
        rank = math.ceil(share * self.count)
        for place in sorted(self._buckets):
            rank -= self._buckets[place]
            if rank <= 0:
                return 2 * _GAMMA**place / (1 + _GAMMA)
        return None


@dataclass(slots=True)
class PromptCount:
    """What vendors read of prompts: of those tokens how many were in their caches and were written to them, and the
    USD that this spared, None where a price is unknown.
    """

    tokens: int = 0
    read: int = 0
    written: int = 0
    saved: float | None = 0.0

    def add(self, other: PromptCount) -> None:
        """Add up."""
        self.tokens += other.tokens
        self.read += other.read
        self.written += other.written
        self.saved = None if self.saved is None or other.saved is None else self.saved + other.saved


@dataclass(slots=True)
class Bill:
    """What a vendor charged for one model; `wasted` of it for answers that nobody got whole. USD."""

    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    wasted: float = 0.0
    prompts: PromptCount = field(default_factory=PromptCount)


@dataclass(slots=True)
class RouteCount:
    """Counts of the requests to one route."""

    requests: int = 0
    answered: int = 0
    retries: int = 0  # calls beyond a request's first, without hedges
    fallbacks: int = 0  # answers from another tier than the first
    hedges: int = 0
    hits: int = 0  # answers that the cache had, or that an identical request under way got
    restarts: int = 0
    usd: float | None = 0.0  # of all its calls; None when the price of one is unknown
    rules: Counter[str] = field(default_factory=Counter)  # requests by the rule that decided
    chains: Counter[str] = field(default_factory=Counter)  # answers by the chain of a draw
    errors: Counter[str] = field(default_factory=Counter)
    first_token: Quantiles = field(default_factory=Quantiles)
    whole: Quantiles = field(default_factory=Quantiles)
    failed_course: list[int] = field(default_factory=lambda: [0] * BINS)
    prompts: PromptCount = field(default_factory=PromptCount)

    @property
    def failed(self) -> int:
        return self.requests - self.answered

    @property
    def called(self) -> int:
        """Answers that a vendor made for this very request."""
        return self.answered - self.hits


@dataclass(slots=True)
class TargetCount:
    """Of the calls to one target, or to several that were added up."""

    calls: int = 0
    answers: int = 0
    hedges: int = 0
    lost: int = 0  # another was faster
    opened: int = 0  # times its breaker opened
    usd: float | None = 0.0  # None: no price is known
    wasted: float = 0.0  # USD for answers that nobody got whole
    input_tokens: int = 0
    output_tokens: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    skips: Counter[str] = field(default_factory=Counter)
    first_token: Quantiles = field(default_factory=Quantiles)
    course: list[int] = field(default_factory=lambda: [0] * BINS)
    prompts: PromptCount = field(default_factory=PromptCount)

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    def add(self, other: TargetCount) -> None:
        """Add up."""
        for name in ("calls", "answers", "hedges", "lost", "opened", "wasted", "input_tokens", "output_tokens"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        self.errors += other.errors
        self.skips += other.skips
        self.first_token.merge(other.first_token)
        self.prompts.add(other.prompts)
        self.course = [mine + theirs for mine, theirs in zip(self.course, other.course, strict=True)]


def is_of_the_same(entry: Attempt, last: Attempt | None) -> bool:
    """Say whether an entry tells how a stream ended that an earlier one has delivered."""
    checked = entry.code is ErrorCode.INVALID_OUTPUT and last is not None and last.at == entry.at
    return checked or entry.code is ErrorCode.STREAM_INTERRUPTED


def total(amounts: Iterable[float | None]) -> float | None:
    """Add up what is known; None where nothing is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None
