"""Keeps what was counted, the more coarsely the older it is: all buckets of the last minute; then, for plots, whole
seconds for five minutes, ten seconds for an hour and five minutes for a day.

What grows old is merged by small steps, whenever a counter begins a second: many at once would hold a request. Plots
tell routes and providers apart, but no targets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from router.telemetry.buckets import ALL, Bucket, CallCounter, Kept, Key, Source, Sums, groups_of
from router.views.figures import KEPT, WINDOW
from router.views.history import NAMES, RANGES

_MERGED = 30  # buckets of a step, when their second leaves the window
_PASSED_ON = 10  # counts of a whole second that a step adds to those of ten seconds

Counted: TypeAlias = tuple[CallCounter | Source, Bucket | Kept]
Slot: TypeAlias = tuple[int, Mapping[Key, Kept]]  # when it began, in seconds since 1970, and what is kept of it


class Ages:
    """What a router counted, by age.

    Args:
        close: closes a bucket that is not written any more.

    `recent` has the buckets of each second of the window, `older` the whole seconds that left it.
    """

    def __init__(self, close: Callable[[Bucket], None]) -> None:
        self._close = close
        self.recent: deque[tuple[int, list[Bucket]]] = deque()
        self._leaving: deque[tuple[int, list[Bucket], dict[Source, Sums]]] = deque()  # those that are being merged
        self.older: deque[tuple[int, dict[Source, Kept]]] = deque()
        self._passing: deque[tuple[int, list[tuple[Source, Kept]]]] = deque()  # whole seconds on their way to `_coarse`
        self.passed = 0  # the last second that is there
        coarsest_first = sorted(((grain, span) for span, grain in RANGES.items() if grain > 1), reverse=True)
        self._coarse: list[_Coarse] = []
        for grain, span in coarsest_first:
            self._coarse.append(_Coarse(grain, span, self._coarse[-1] if self._coarse else None))

    def begin(self, second: int) -> list[Bucket]:
        """Return the buckets of the second that is counted now; a new one belongs there."""
        if not self.recent or self.recent[-1][0] < second:
            self.recent.append((second, []))
            self.age(second)
        self.step()
        return self.recent[-1][1]

    def age(self, second: int) -> None:
        """Let what has left the window by now (seconds since 1970) grow old."""
        while self.recent and self.recent[0][0] <= second - WINDOW - 2:
            self._leaving.append((*self.recent.popleft(), {}))
        while self.older and self.older[0][0] < second - KEPT:
            self.older.popleft()

    def step(self) -> bool:
        """Merge a little of what grows old; gives whether there was any."""
        if not self._leaving and not self._passing:
            return False
        if self._leaving:
            self._merge()
        if self._passing:
            self._pass_on()
        return True

    def rest(self) -> Iterator[None]:
        """Merge all that has grown old, by steps."""
        while self.step():
            yield

    def _merge(self) -> None:
        """Merge some buckets of the oldest second that leaves the window."""
        second, buckets, merged = self._leaving[0]
        for bucket in buckets[-_MERGED:]:
            self._close(bucket)
            counter = bucket.counter
            source = Source(counter.kind, counter.route, counter.provider)
            if source not in merged:
                merged[source] = Sums()
            merged[source].add(bucket)
        del buckets[-_MERGED:]
        if not buckets:
            self._leaving.popleft()
            kept = {source: Kept(sums) for source, sums in merged.items()}
            self.older.append((second, kept))
            self._passing.append((second, list(kept.items())))

    def _pass_on(self) -> None:
        second, counted = self._passing[0]
        finest = self._coarse[-1]
        for source, kept in counted[-_PASSED_ON:]:
            for key in groups_of(source):
                if key[0] != "target":
                    finest.add(second, key, kept)
        del counted[-_PASSED_ON:]
        if not counted:
            self._passing.popleft()
            self.passed = second

    def seconds(self) -> list[tuple[int, list[Counted]]]:
        """Return what was counted in each second of the last five minutes, the oldest first; some may still be
        written.
        """
        seconds: list[tuple[int, list[Counted]]] = [(second, [*kept.items()]) for second, kept in self.older]
        for second, buckets, merged in self._leaving:
            known = ((source, Kept(sums)) for source, sums in merged.items())  # it goes on while others read this
            seconds.append((second, [*known, *_by_counter(buckets)]))
        return seconds + [(second, _by_counter(buckets)) for second, buckets in self.recent]

    def slots(self, grain: int) -> list[Slot]:
        """Return what is kept in slots of so many seconds: everything up to `passed`. What is of the same slot has to
        be added up.
        """
        found: list[Slot] = []
        for coarse in self._coarse:
            if coarse.grain == grain:
                found += coarse.slots
            if coarse.grain <= grain:  # what a finer one has not passed on yet
                found.append(coarse.unfinished)
        return found


def _by_counter(buckets: Iterable[Bucket]) -> list[Counted]:
    return [(bucket.counter, bucket) for bucket in buckets]


class _Coarse:
    """Slots of some seconds, each of which goes to those of more seconds when it is over.

    Args:
        grain: seconds of one.
        span: seconds that all of them look back.
    """

    def __init__(self, grain: int, span: int, coarser: _Coarse | None) -> None:
        self.grain = grain
        self.slots: deque[Slot] = deque(maxlen=span // grain)
        self._coarser = coarser
        self._began = 0
        self._sums: dict[Key, Sums] = {}

    def add(self, second: int, key: Key, kept: Kept) -> None:
        """Add what was counted at a second, which is never of an older slot than the one before."""
        began = second - second % self.grain
        if began != self._began:
            self._next(began)
        sums = self._sums.get(key)
        if sums is None:
            if len(self._sums) >= NAMES and key != ALL:
                return
            sums = self._sums[key] = Sums()
        sums.add(kept)

    def _next(self, began: int) -> None:
        if self._sums:
            over = self.unfinished
            self.slots.append(over)
            if self._coarser is not None:
                for key, kept in over[1].items():
                    self._coarser.add(over[0], key, kept)
        self._began, self._sums = began, {}

    @property
    def unfinished(self) -> Slot:
        """What is known so far of the newest slot."""
        return self._began, {key: Kept(sums) for key, sums in self._sums.items()}
