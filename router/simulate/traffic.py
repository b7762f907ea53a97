"""The requests of a log: what they came to, and in the order in which they began, for a simulation to run again."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from providers.errors import ErrorCode
from router.request_log.lines import Line
from router.request_log.reader import LogReader
from router.simulate.counters import RouteCount, TargetCount
from router.simulate.samples import Sample
from router.views.trace import Attempt, Entry, Skip

KEPT = 200  # attempts of a target by which it is judged
LATE = 120.0  # seconds: requests of the log are put in order that ended so long after others that began later
MOST_AHEAD = 50_000  # requests that are held to be put in order
_OFTEN = 1000  # lines between two words about how far it is
_PLAIN_FIRST = 0.2  # of the time of an answer that was not streamed, until it began

# What a request failed with for its own sake, at whatever target; and what says nothing of a target.
OF_REQUEST = frozenset({ErrorCode.INVALID_REQUEST, ErrorCode.REQUEST_TOO_LARGE})
_OF_CALLER = OF_REQUEST | {ErrorCode.CANCELLED, ErrorCode.UNSUPPORTED, ErrorCode.CONTENT_FILTERED}
_OF_CALLER |= {ErrorCode.CONTEXT_LENGTH_EXCEEDED}


@dataclass(slots=True)
class LoggedTraffic:
    """What a log has of some time. `samples` are the first attempts of each target, by its name then; `providers`
    whose it was, where that is known. Times are in seconds since 1970.
    """

    source: Path
    since: float = 0.0
    until: float = float("inf")
    requests: int = 0
    first: float = float("inf")
    last: float = 0.0  # when the last one ended
    unreadable: int = 0
    places: list[str] = field(default_factory=list)  # of the first lines that can't be read
    routes: dict[str, RouteCount] = field(default_factory=dict)
    targets: dict[str, TargetCount] = field(default_factory=dict)
    providers: dict[str, str] = field(default_factory=dict)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    streams: set[tuple[str, bool]] = field(default_factory=set)  # the names that were asked for, streamed or not

    @property
    def duration(self) -> float:
        return max(1.0, self.last - self.first) if self.requests else 1.0

    def in_order(self, progress: Callable[[float], None] | None = None) -> Iterator[Line]:
        """Yield all requests by when they began, reading the log once more; no more than some are held at a time.

        Args:
            progress: called now and then with the part of the log that was read.
        """
        reader = LogReader(self.source)
        size = max(1, reader.size)
        ahead: list[tuple[float, int, Line]] = []
        for number, line in enumerate(reader.lines(self.since, self.until)):
            if line.shadow:
                continue  # the file makes copies of its own
            heapq.heappush(ahead, (line.time, number, line))
            if progress is not None and number % _OFTEN == 0:
                progress(reader.read / size)
            written = line.time + line.seconds
            while ahead and (ahead[0][0] < written - LATE or len(ahead) > MOST_AHEAD):
                yield heapq.heappop(ahead)[2]
        while ahead:
            yield heapq.heappop(ahead)[2]


def read_traffic(
    source: Path, since: float = 0.0, until: float = float("inf"), progress: Callable[[float], None] | None = None
) -> LoggedTraffic:
    """Read a log, a folder or one file of it, and count what it says.

    Args:
        since, until: the requests that began within these times (seconds since 1970).
        progress: called now and then with the part of the log that was read.

    Raises:
        OSError: it can't be read.
    """
    made = LoggedTraffic(source, since, until)
    reader = LogReader(source)
    size = max(1, reader.size)
    for number, line in enumerate(reader.lines(since, until)):
        if not line.shadow:
            _count(made, line)
        if progress is not None and number % _OFTEN == 0:
            progress(reader.read / size)
    made.unreadable, made.places = reader.unreadable, reader.places
    return made


def attempts_of(line: Line) -> list[Attempt]:
    """List the attempts of a request that were made, in their order."""
    return [entry for entry in line.trace.entries if isinstance(entry, Attempt)] if not line.cached else []


def sample_of(entry: Attempt, line: Line) -> Sample | None:
    """Return how an attempt went; None where that says nothing of its target: another was faster, the caller left."""
    if entry.lost or entry.code in _OF_CALLER:
        return None
    if entry.code is not None:
        return Sample(entry.code, entry.seconds)
    first, tokens = entry.first_token, max(1, line.output_tokens or 1)
    if first is None:
        first = _PLAIN_FIRST * entry.seconds
    rest = max(entry.seconds - first, 1e-3)
    return Sample(None, entry.seconds, first, max(1.0, (tokens - 1) / rest))


def _count(made: LoggedTraffic, line: Line) -> None:
    made.requests += 1
    made.first, made.last = min(made.first, line.time), max(made.last, line.time + line.seconds)
    asked = line.asked or line.route
    made.streams.add((asked, line.first_token is not None))
    route = made.routes.setdefault(asked, RouteCount())
    route.requests += 1
    route.usd = None if route.usd is None else route.usd + (line.cost or 0.0)
    route.hits += line.cached
    entries: tuple[Entry, ...] = () if line.cached else line.trace.entries
    if line.code is None:
        route.answered += 1
        route.first_token.add(line.seconds if line.first_token is None else line.first_token)
        route.whole.add(line.seconds)
    else:
        route.errors[line.code] += 1
    attempts = [entry for entry in entries if isinstance(entry, Attempt)]
    for entry in entries:
        if isinstance(entry, Skip):
            made.targets.setdefault(entry.target, TargetCount()).skips[entry.reason] += 1
    for entry in attempts:
        _count_attempt(made, line, entry)
    hedges = sum(entry.hedge for entry in attempts)
    route.hedges += hedges
    route.retries += max(0, len(attempts) - hedges - 1)
    if line.code is None and not line.cached and line.target is not None:
        route.fallbacks += bool(line.tier)
        target = made.targets.setdefault(line.target, TargetCount())
        target.answers += 1
        target.usd = None if target.usd is None else target.usd + (line.cost or 0.0)
        target.input_tokens += line.input_tokens or 0
        target.output_tokens += line.output_tokens or 0
        if line.provider is not None:
            made.providers.setdefault(line.target, line.provider)


def _count_attempt(made: LoggedTraffic, line: Line, entry: Attempt) -> None:
    target = made.targets.setdefault(entry.target, TargetCount())
    target.calls += 1
    target.hedges += entry.hedge
    target.lost += entry.lost
    if entry.code is not None:
        target.errors[entry.code] += 1
    elif not entry.lost:
        target.first_token.add(entry.seconds if entry.first_token is None else entry.first_token)
    kept = made.samples.setdefault(entry.target, [])
    if len(kept) < KEPT and (sample := sample_of(entry, line)) is not None:
        kept.append(sample)
