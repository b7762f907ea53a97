"""What a router counted in the last minute and since its start, in numbers that are cheap to have every second."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Annotated, TypeAlias

import msgspec

from router.telemetry.buckets import Bucket, Totals, known_cost
from router.telemetry.recorder import Telemetry
from router.views.figures import WINDOW, Counts

RATE = 10  # seconds that rates look back

# What others may tell: nothing less than nothing (but for what rounding leaves), and nothing that can't be added up.
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Number: TypeAlias = Annotated[float, msgspec.Meta(ge=-0.001, le=1e12)]
Gain: TypeAlias = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]  # or loss


class Tally(msgspec.Struct, array_like=True):
    """A few of the counts of `Counts`; requests, not attempts."""

    succeeded: Count = 0
    failed: Count = 0
    cancelled: Count = 0
    input_tokens: Count = 0
    output_tokens: Count = 0
    cost: Number = 0.0
    unpriced: Count = 0
    cache_hits: Count = 0
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = 0
    prompt_cache_saved: Gain = 0.0

    @property
    def calls(self) -> int:
        """How many calls ended."""
        return self.succeeded + self.failed + self.cancelled

    def add(self, counted: Totals | Tally, sign: int = 1) -> None:
        """Add what was counted; of a bucket that is still written as well."""
        self.failed += sign * counted.failed
        self.cancelled += sign * counted.cancelled
        self.input_tokens += sign * counted.input_tokens
        self.output_tokens += sign * counted.output_tokens
        self.cost += sign * counted.cost
        self.unpriced += sign * counted.unpriced
        self.cache_hits += sign * counted.cache_hits
        self.cache_read_tokens += sign * counted.cache_read_tokens
        self.cache_write_tokens += sign * counted.cache_write_tokens
        self.prompt_cache_saved += sign * counted.prompt_cache_saved
        written = len(counted.plain) + len(counted.wholes) if isinstance(counted, Bucket) else 0
        self.succeeded += sign * (counted.succeeded + written)

    def counts(self) -> Counts:
        """Return it as data; what it does not count is 0."""
        numbers = {name: getattr(self, name) for name in self.__struct_fields__ if name != "cost"}
        return Counts(calls=self.calls, cost=known_cost(self.cost, self.unpriced), **numbers)


def tally_of(counts: Counts) -> Tally:
    """Return the tally of counts."""
    numbers = {name: getattr(counts, name) for name in Tally.__struct_fields__ if name != "cost"}
    return Tally(cost=counts.cost or 0.0, **numbers)


class Tallies:
    """Adds up what a router counts, second by second: by what has happened since, never by all that ever was."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._seconds: deque[tuple[int, Tally]] = deque()  # those of the last minute in which anything happened
        self._next = 0  # the first second that is not added yet
        self.totals = Tally()

    def read(self, now: float) -> None:
        """Add the seconds that are over by now (the loop's time)."""
        second = int(now + self._telemetry.offset)
        if second - self._next >= WINDOW:  # what was counted in between may be gone from there
            self._begin(second - WINDOW)
        for moment, buckets in self._telemetry.recent:
            if self._next <= moment < second:
                tally = _tally(buckets)
                self._seconds.append((moment, tally))
                self.totals.add(tally)
        self._next = max(self._next, second)
        while self._seconds and self._seconds[0][0] < second - WINDOW:
            self._seconds.popleft()

    def _begin(self, first: int) -> None:
        self._seconds.clear()
        self._next, self.totals = first, Tally()
        for counter in self._telemetry.counters():
            if counter.kind != "attempts":
                self.totals.add(counter.total)
                if not counter.bucket.closed:
                    self.totals.add(counter.bucket)
        for moment, buckets in self._telemetry.recent:
            if moment >= first:
                self.totals.add(_tally(buckets), -1)

    def last(self, seconds: int) -> Tally:
        """Return what happened in the last so many whole seconds."""
        tally = Tally()
        for moment, counted in self._seconds:
            if moment >= self._next - seconds:
                tally.add(counted)
        return tally

    @property
    def age(self) -> int:
        """Whole seconds since the router began, at least one."""
        return max(1, self._next - int(self._telemetry.started_at))


def _tally(buckets: Iterable[Bucket]) -> Tally:
    tally = Tally()
    for bucket in buckets:
        if bucket.counter.kind != "attempts":
            tally.add(bucket)
    return tally
