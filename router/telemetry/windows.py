"""The last minute, added up for providers, targets, routes and all: made from the buckets, and only while somebody
reads.

Reading adds what is new and takes away what is too old, so that it costs by what happened since, not by the window; and
it goes by steps, so that others get their turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from router.plan.target import names_of, variant_of
from router.telemetry import sketch
from router.telemetry.buckets import Bucket, CallCounter, Key, Totals, groups_of, known_cost, quantiles_of
from router.telemetry.recorder import Telemetry
from router.telemetry.sketch import Sketch
from router.views.figures import WINDOW, Counts, Figures, Flow, Quantiles

RATE = 10  # seconds that rates look back
_MANY = 4096  # windows, beyond which those that are empty are dropped
AT_ONCE = 30  # buckets that are added up at a step: some tenths of a millisecond


class Window:
    """The last minute of one group. `version` counts its changes."""

    __slots__ = ("_summed", "calls", "output", "sums", "version")

    def __init__(self) -> None:
        self.sums = Totals()
        self.calls: dict[int, int] = {}  # by second
        self.output: dict[int, int] = {}  # tokens of answers
        self.version = 0
        self._summed: dict[bool, tuple[Quantiles, Quantiles, Counts]] = {}

    def add(self, bucket: Bucket) -> None:
        """Add a bucket that has come into the last minute."""
        self.version += 1
        self._summed.clear()
        self.sums.add(bucket)
        self.calls[bucket.second] = self.calls.get(bucket.second, 0) + bucket.calls
        self.output[bucket.second] = self.output.get(bucket.second, 0) + bucket.output_tokens

    def subtract(self, bucket: Bucket) -> None:
        """Take away a bucket that has left the last minute."""
        self.version += 1
        self._summed.clear()
        self.sums.subtract(bucket)
        self.calls.pop(bucket.second, None)
        self.output.pop(bucket.second, None)

    def summed(self, with_sketches: bool) -> tuple[Quantiles, Quantiles, Counts]:
        """Return the quantiles to the first token and to the end, and the counts; they stay until the next change."""
        made = self._summed.get(with_sketches)
        if made is None:
            sums = self.sums
            first = quantiles_of(sums.first_token, with_sketch=with_sketches)
            latency = quantiles_of(sums.latency, with_sketch=with_sketches)
            made = self._summed[with_sketches] = first, latency, sums.counts()
        return made


class Windows:
    """The windows of all groups. `flows` count the answers of routes, from each to its targets by identity.

    `made` counts the figures that were made anew: what did not change is not.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self.made = 0
        self._clear()

    def _clear(self) -> None:
        self._seen: deque[tuple[int, list[Bucket]]] = deque()
        self._figures: dict[tuple[Key, bool], tuple[object, Figures]] = {}
        self._flow_figures: dict[tuple[str, str], tuple[object, Flow]] = {}
        self.groups: dict[Key, Window] = {}
        self.flows: dict[str, dict[str, Window]] = {}

    def reading(self, now: float) -> Iterator[None]:
        """Bring all windows up to now (loop time), some buckets at a step; others may read between the steps."""
        first = int(now + self._telemetry.offset) - WINDOW
        if self._seen and self._seen[-1][0] < first:
            self._clear()
        while self._step(first):
            yield

    def _step(self, first: int) -> bool:
        """Take the next few buckets; gives whether there were any. All that is known of the way is in `_seen`."""
        if self._seen and self._seen[0][0] < first:
            left = self._seen[0][1]
            for bucket in left[-AT_ONCE:]:
                for window in self._windows(bucket.counter):
                    window.subtract(bucket)
            del left[-AT_ONCE:]
            if not left:
                self._seen.popleft()
                self._drop_empty()
            return True
        for moment, buckets in self._telemetry.recent:
            if moment < first or (self._seen and moment < self._seen[-1][0]):
                continue
            if not self._seen or moment > self._seen[-1][0]:
                self._seen.append((moment, []))
            read = self._seen[-1][1]
            unread = buckets[len(read) : len(read) + AT_ONCE]
            for bucket in unread:
                self._telemetry.close_bucket(bucket)
                read.append(bucket)
                for window in self._windows(bucket.counter):
                    window.add(bucket)
            if unread:
                return True
        return False

    def _drop_empty(self) -> None:
        """Drop the windows that are empty, when there are many: any model id makes some."""
        if len(self.groups) > _MANY:
            self.groups = {key: window for key, window in self.groups.items() if window.calls}
            self.flows = {
                route: {identity: window for identity, window in flows.items() if window.calls}
                for route, flows in self.flows.items()
            }
            self._figures.clear()
            self._flow_figures.clear()

    def _windows(self, counter: CallCounter) -> Iterator[Window]:
        for key in groups_of(counter):
            window = self.groups.get(key)
            if window is None:
                window = self.groups[key] = Window()
            yield window
        if counter.kind != "requests":
            flows = self.flows.setdefault(counter.route, {})
            flow = flows.get(counter.identity)
            if flow is None:
                flow = flows[counter.identity] = Window()
            yield flow

    def calls(self, key: Key) -> int:
        """Count the calls of a group's window."""
        window = self.groups.get(key)
        return 0 if window is None else window.sums.calls

    def figures(
        self, key: Key, now: float, total: GroupTotal, in_flight: int, *, with_sketches: bool = False
    ) -> Figures:
        """Return a group's figures as data; the same object as long as they are the same.

        Args:
            total: since the start.
            in_flight: calls under way.
            with_sketches: for those who add up several processes.
        """
        window = self.groups.get(key) or _NOTHING
        second = int(now + self._telemetry.offset)
        # What moves on with time are the seconds of calls.
        stamp = (window, window.version, second if window.calls else 0, total.version, in_flight)
        made_at, figures = self._figures.get((key, with_sketches), (None, _NONE))
        if made_at != stamp:
            self.made += 1
            figures = self._made(window, second, total, in_flight, with_sketches)
            self._figures[key, with_sketches] = stamp, figures
        return figures

    def _made(self, window: Window, second: int, total: GroupTotal, in_flight: int, with_sketches: bool) -> Figures:
        sums, span = window.sums, self._span(second)
        done = sums.succeeded + sums.failed
        first_token, latency, counts = window.summed(with_sketches)
        cost = known_cost(sums.cost, sums.unpriced)
        return Figures(
            rate=_rate(window.calls, second, span),
            series=series(window.calls, second),
            in_flight=in_flight,
            tokens_per_second=_rate(window.output, second, span),
            stream_speed=sums.stream_tokens / sums.stream_seconds if sums.stream_seconds > 1e-9 else None,
            first_token=first_token,
            latency=latency,
            error_rate=sums.failed / done if done else None,
            leading_code=max(sums.errors, key=lambda code: sums.errors[code]) if any(sums.errors.values()) else None,
            cost_per_minute=None if cost is None else cost * 60 / min(WINDOW, self._age(second)),
            window=counts,
            totals=total.counts(),
        )

    def flow(self, route: str, identity: str, name: str, now: float, *, of: int) -> Flow:
        """Return what ran from a route to a target; its share is of so many answers."""
        window = self.flows[route][identity]
        second = int(now + self._telemetry.offset)
        stamp = (window.version, second if window.calls else 0, name, of)
        made_at, flow = self._flow_figures.get((route, identity), (None, _NO_FLOW))
        if made_at != stamp:
            self.made += 1
            share = window.sums.succeeded / of if of else None
            flow = Flow(name, share, _rate(window.calls, second, self._span(second)), series(window.calls, second))
            self._flow_figures[route, identity] = stamp, flow
        return flow

    def _age(self, second: int) -> int:
        """Whole seconds since the start, at least one."""
        return max(1, second - int(self._telemetry.started_at))

    def _span(self, second: int) -> int:
        """Whole seconds that a rate is taken over: fewer for a router that has just begun."""
        return min(RATE, self._age(second))


_NOTHING = Window()
_NONE = Figures()
_NO_FLOW = Flow("")
_ZEROS = (0,) * WINDOW


def _rate(by_second: dict[int, int], second: int, span: int) -> float:
    total = 0
    for past, calls in by_second.items():
        if second - span <= past < second:
            total += calls
    return total / span


def series(by_second: dict[int, int], second: int) -> tuple[int, ...]:
    """Return the values of the 60 whole seconds before this one, the oldest first."""
    if not by_second:
        return _ZEROS
    values, first = [0] * WINDOW, second - WINDOW
    for past, calls in by_second.items():
        if first <= past < second:
            values[past - first] = calls
    return tuple(values)


class GroupTotal:
    """Everything of one group since the start. `version` counts its changes."""

    __slots__ = ("_counts", "sums", "version")

    def __init__(self) -> None:
        self.sums = Totals()
        self.version = 0
        self._counts: Counts | None = None

    def add(self, more: Totals) -> None:
        """Add what was counted."""
        self.sums.add(more)
        self.version += 1
        self._counts = None

    def counts(self) -> Counts:
        """Return the counts as data; they stay until the next change."""
        if self._counts is None:
            self._counts = self.sums.counts()
        return self._counts


_NO_TOTAL = GroupTotal()


class GroupTotals:
    """Everything since the start, by group: summed once, then what has come since is added."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._groups: dict[Key, GroupTotal] = {}
        self._to_sum: deque[CallCounter] = deque()
        self._most = _MANY  # groups, beyond which all is summed anew: counters of many targets went into one meanwhile

    def reading(self) -> Iterator[None]:
        """Bring all sums up to now, some at a step; others may read between the steps."""
        anew = len(self._groups) > self._most
        if anew:
            self._telemetry.unsummed = None
        for number, counter in enumerate(tuple(self._telemetry.counters())):
            self._telemetry.close_bucket(counter.bucket)
            if number % AT_ONCE == 0:
                yield
        while self._step():
            yield
        if anew:
            self._most = max(_MANY, 2 * len(self._groups))

    def _step(self) -> bool:
        telemetry = self._telemetry
        if telemetry.unsummed is None:
            telemetry.unsummed = []
            self._groups = {}
            self._to_sum = deque(telemetry.counters())
        waiting = telemetry.unsummed
        if self._to_sum:
            for _ in range(min(AT_ONCE, len(self._to_sum))):
                counter = self._to_sum.popleft()
                self._add(counter, counter.total)
                waiting[:] = [bucket for bucket in waiting if bucket.counter is not counter]
            return True
        some = waiting[:AT_ONCE]
        del waiting[:AT_ONCE]
        for bucket in some:
            self._add(bucket.counter, bucket)
        return bool(some)

    def _add(self, counter: CallCounter, more: Totals) -> None:
        for key in groups_of(counter):
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = GroupTotal()
            group.add(more)

    def latencies(self) -> dict[str, Sketch]:
        """Copy the sketches of whole answers, by route."""
        return {name: dict(group.sums.latency) for (kind, name), group in self._groups.items() if kind == "route"}

    def first_tokens(self) -> dict[tuple[str, str], Sketch]:
        """Copy the sketches of first tokens by `provider/model-id` and variant, whatever connections there were."""
        found: dict[tuple[str, str], Sketch] = {}
        for (kind, identity), group in self._groups.items():
            name = names_of(identity)[1] if kind == "target" else None
            if name is not None:
                sketch.add(found.setdefault((name, variant_of(identity)), {}), group.sums.first_token)
        return found

    def of(self, key: Key) -> GroupTotal:
        """Return the sums of a group."""
        return self._groups.get(key) or _NO_TOTAL

    @property
    def keys(self) -> tuple[Key, ...]:
        """All groups that have seen anything."""
        return tuple(self._groups)
