"""The last minute, added up for providers, targets, routes and all: made from the buckets, and only while somebody
reads.

Reading adds what is new and takes away what is too old, so that it costs by what happened since, not by the window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TypeAlias

from router.telemetry.buckets import Bucket, CallCounter, Totals, known_cost, quantiles_of
from router.telemetry.recorder import Telemetry, names_of
from router.views.figures import WINDOW, Figures, Flow

RATE = 10  # seconds that rates look back

Key: TypeAlias = tuple[str, str]  # ("all", ""), ("route", name), ("provider", name) or ("target", identity)
ALL: Key = ("all", "")


def groups_of(counter: CallCounter) -> tuple[Key, ...]:
    """Return what a counter's numbers belong to: requests to routes, attempts to targets, a plain answer to both."""
    asked: tuple[Key, ...] = (ALL, ("route", counter.route))
    called: tuple[Key, ...] = (("provider", counter.provider), ("target", counter.identity))
    return {"requests": asked, "attempts": called, "answers": asked + called}[counter.kind]


class Window:
    """The last minute of one group."""

    __slots__ = ("calls", "output", "sums")

    def __init__(self) -> None:
        self.sums = Totals()
        self.calls: dict[int, int] = {}  # by second
        self.output: dict[int, int] = {}  # tokens of answers

    def add(self, bucket: Bucket) -> None:
        """Add a bucket that has come into the last minute."""
        self.sums.add(bucket)
        self.calls[bucket.second] = self.calls.get(bucket.second, 0) + bucket.calls
        self.output[bucket.second] = self.output.get(bucket.second, 0) + bucket.output_tokens

    def subtract(self, bucket: Bucket) -> None:
        """Take away a bucket that has left the last minute."""
        self.sums.subtract(bucket)
        self.calls.pop(bucket.second, None)
        self.output.pop(bucket.second, None)


class Windows:
    """The windows of all groups. `flows` count the answers from a route to a target."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._clear()

    def _clear(self) -> None:
        self._seen: deque[tuple[int, list[Bucket]]] = deque()
        self.groups: dict[Key, Window] = {}
        self.flows: dict[tuple[str, str], Window] = {}

    def read(self, now: float) -> None:
        """Bring all windows up to now (loop time)."""
        telemetry = self._telemetry
        telemetry.close_buckets()
        second = int(now + telemetry.offset)
        first = second - WINDOW
        if self._seen and self._seen[-1][0] < first:
            self._clear()
        while self._seen and self._seen[0][0] < first:
            for bucket in self._seen.popleft()[1]:
                for window in self._windows(bucket.counter):
                    window.subtract(bucket)
        newest = self._seen[-1] if self._seen else (0, [])
        for moment, buckets in telemetry.recent:
            if moment < max(first, newest[0]):
                continue
            if moment > newest[0]:
                newest = (moment, [])
                self._seen.append(newest)
            for bucket in buckets[len(newest[1]) :]:
                newest[1].append(bucket)
                for window in self._windows(bucket.counter):
                    window.add(bucket)

    def _windows(self, counter: CallCounter) -> Iterator[Window]:
        for key in groups_of(counter):
            window = self.groups.get(key)
            if window is None:
                window = self.groups[key] = Window()
            yield window
        if counter.kind != "requests":
            flow = self.flows.get((counter.route, counter.identity))
            if flow is None:
                flow = self.flows[counter.route, counter.identity] = Window()
            yield flow

    def sums(self, key: Key) -> Totals:
        """Return the sums of a group's window."""
        window = self.groups.get(key)
        return window.sums if window is not None else Totals()

    def figures(self, key: Key, now: float, total: Totals, in_flight: int, *, with_sketches: bool = False) -> Figures:
        """Return a group's figures as data.

        Args:
            total: since the start.
            in_flight: calls under way.
            with_sketches: for those who add up several processes.
        """
        window = self.groups.get(key) or Window()
        sums, second = window.sums, int(now + self._telemetry.offset)
        span = self._span(now)
        done = sums.succeeded + sums.failed
        cost = known_cost(sums.cost, sums.unpriced)
        return Figures(
            rate=_rate(window.calls, second, span),
            series=series(window.calls, second),
            in_flight=in_flight,
            tokens_per_second=_rate(window.output, second, span),
            stream_speed=sums.stream_tokens / sums.stream_seconds if sums.stream_seconds > 1e-9 else None,
            first_token=quantiles_of(sums.first_token, with_sketch=with_sketches),
            latency=quantiles_of(sums.latency, with_sketch=with_sketches),
            error_rate=sums.failed / done if done else None,
            leading_code=max(sums.errors, key=lambda code: sums.errors[code]) if any(sums.errors.values()) else None,
            cost_per_minute=None if cost is None else cost * 60 / min(WINDOW, max(1.0, self._age(now))),
            window=sums.counts(),
            totals=total.counts(),
        )

    def flow(self, route: str, identity: str, name: str, now: float, *, of: int) -> Flow:
        """Return what ran from a route to a target; its share is of so many answers."""
        window = self.flows[route, identity]
        second = int(now + self._telemetry.offset)
        share = window.sums.succeeded / of if of else None
        return Flow(name, share, _rate(window.calls, second, self._span(now)), series(window.calls, second))

    def _age(self, now: float) -> float:
        return now + self._telemetry.offset - self._telemetry.started_at

    def _span(self, now: float) -> int:
        """Whole seconds that a rate is taken over: fewer for a router that has just begun."""
        return int(min(RATE, max(1.0, self._age(now))))


def _rate(by_second: dict[int, int], second: int, span: int) -> float:
    return sum(by_second.get(second - back, 0) for back in range(1, span + 1)) / span


def series(by_second: dict[int, int], second: int) -> tuple[int, ...]:
    """Return the values of the 60 whole seconds before this one, the oldest first."""
    return tuple(by_second.get(past, 0) for past in range(second - WINDOW, second))


class GroupTotals:
    """Everything since the start, by group."""

    def __init__(self, telemetry: Telemetry) -> None:
        telemetry.close_buckets()
        self._sums: dict[Key, Totals] = {}
        for route in telemetry.routes.values():
            for counter in (*route.answers.values(), *route.attempts.values(), route.requests):
                for key in groups_of(counter):
                    self._sums.setdefault(key, Totals()).add(counter.total)

    def target(self, provider: str, model: str) -> Totals:
        """Return the sums of a target, whatever connections it has had."""
        totals = Totals()
        for (kind, identity), sums in self._sums.items():
            if kind == "target" and names_of(identity) == (provider, f"{provider}/{model}"):
                totals.add(sums)
        return totals

    def of(self, key: Key) -> Totals:
        """Return the sums of a group."""
        return self._sums.get(key) or Totals()

    @property
    def keys(self) -> tuple[Key, ...]:
        """All groups that have seen anything."""
        return tuple(self._sums)
