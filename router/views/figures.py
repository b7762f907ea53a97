"""The live figures of a router: immutable data, the same from this process and from another one.

With the other modules of `router.views` this is all that a dashboard sees; `router.monitor.report` makes it.

Times are wall-clock seconds since 1970 (`time`, `…_at`, `until`), durations are seconds, money is US dollars. Names of
error codes are those of `providers.errors.ErrorCode`. None is unknown, or not seen yet; it is never a 0.

Calls are requests where a route or the whole router is meant, and attempts where a provider or a target is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from providers.sources import CredentialState
from router.config.diagnostics import Diagnostic

WINDOW = 60  # seconds that rates, quantiles and shares of a snapshot look back
KEPT = 300  # seconds of one-second samples that are kept

HealthState: TypeAlias = Literal["closed", "half_open", "open", "held", "drained", "disabled"]


class Struct(msgspec.Struct, frozen=True):
    """Base of all types here."""


class Health(Struct, frozen=True):
    """How a target or a provider is now.

    `until` is when an open one is tried again, or when a hold ends; None: nobody knows. `by_hand`: a person opened,
    closed or drained it, and it stays so until it is reset. `why` is for people, such as "5 failures in a row
    (server_error)".
    """

    state: HealthState = "closed"
    until: float | None = None
    by_hand: bool = False
    why: str = ""


class Quantiles(Struct, frozen=True):
    """Quantiles of a duration in seconds; None while nothing was seen.

    `sketch` (bucket: count, see `router.telemetry.sketch`) is there only for those who add up several processes.
    """

    count: int = 0
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    sketch: Mapping[int, int] = {}


class Counts(Struct, frozen=True):
    """How much happened, in some window or since the start.

    `calls` = `succeeded` + `failed` + `cancelled`. `attempts` are those that the calls took. `errors` counts failed
    attempts by code, those that another target made good included. `retries` asked a target again, `fallbacks` were
    answered by a later tier than the first, `hedges` asked a second target while the first was slow. `cost` leaves out
    calls of unknown cost, which `unpriced` counts; it is None where nothing else was called. Of `input_tokens`,
    `cache_read_tokens` were read from the vendors' prompt caches and `cache_write_tokens` written to them;
    `prompt_cache_saved` is what that spared in USD, below 0 where writing cost more than reading spared.
    """

    calls: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    attempts: int = 0
    errors: Mapping[str, int] = {}
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    unpriced: int = 0
    cache_hits: int = 0
    retries: int = 0
    fallbacks: int = 0
    hedges: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    prompt_cache_saved: float = 0.0

    @property
    def cache_read_share(self) -> float | None:
        """What share of the prompts' tokens was read from the vendors' prompt caches; None where there were none."""
        cached = self.cache_read_tokens or self.cache_write_tokens
        return self.cache_read_tokens / self.input_tokens if cached and self.input_tokens else None


class Figures(Struct, frozen=True):
    """The live figures of a provider, a target, a route, or the whole router.

    Args:
        rate: calls a second that ended, over the last 10 s.
        series: calls that ended in each of the last 60 whole seconds, the oldest first.
        tokens_per_second: of answers, over the last 10 s.
        stream_speed: tokens a second of one stream while it flows.
        first_token: from the call to the first content; for a plain call, to the answer.
        latency: to the end of the answer.
        error_rate: failed / (succeeded + failed) of the window, 0 to 1; None while there is nothing to divide.
        leading_code: the most frequent error of the window.
        cost_per_minute: over the window; None where nothing of it is known.
        window: what happened in the last 60 s.
        totals: what happened since the router began.
    """

    rate: float = 0.0
    series: tuple[int, ...] = ()
    in_flight: int = 0
    tokens_per_second: float = 0.0
    stream_speed: float | None = None
    first_token: Quantiles = Quantiles()
    latency: Quantiles = Quantiles()
    error_rate: float | None = None
    leading_code: str | None = None
    cost_per_minute: float | None = 0.0
    window: Counts = Counts()
    totals: Counts = Counts()


class LimitUse(Struct, frozen=True):
    """One limit in use. `limit` is per second for requests and tokens, and holds in any `period` of so many seconds;
    `pressure` is 0 (free) to 1 (used up).
    """

    what: Literal["requests", "tokens", "in_flight"]
    limit: float
    pressure: float
    waiting: int = 0  # calls in line for a place
    period: float = 60.0


class KeyFigures(Struct, frozen=True):
    """One key of a provider, told apart by its place in the file ("key 1"), never by what it is. `credential` is how
    it is where a source issues it.
    """

    name: str
    health: Health = Health()
    in_flight: int = 0
    limits: tuple[LimitUse, ...] = ()
    credential: CredentialState | None = None


class TargetFigures(Struct, frozen=True):
    """One model at one provider, whatever routes name it. `share` is of all attempts of the window. `labels` are in
    words, such as `region eu`.
    """

    name: str
    provider: str
    model: str
    health: Health = Health()
    share: float | None = None
    pressure: float | None = None  # of its tightest limit; None where there is none
    limits: tuple[LimitUse, ...] = ()
    figures: Figures = Figures()
    labels: str = ""


class HealthCheck(Struct, frozen=True):
    """The newest check of a provider. `ok` is None while there was none; `time` is when, `why` what it failed with, and
    `every` how many seconds lie between two.
    """

    ok: bool | None
    time: float
    why: str = ""
    every: float = 0.0


class ProviderFigures(Struct, frozen=True):
    """One provider with its targets. Its health is that of the key that all targets share, not of the targets."""

    name: str
    kind: str
    health: Health = Health()
    share: float | None = None
    pressure: float | None = None
    keys: tuple[KeyFigures, ...] = ()
    targets: tuple[TargetFigures, ...] = ()
    figures: Figures = Figures()
    check: HealthCheck | None = None
    labels: str = ""


class Flow(Struct, frozen=True):
    """What really ran from a route to one target of it. `share` is of the route's answered requests of the window."""

    target: str
    share: float | None = None
    rate: float = 0.0
    series: tuple[int, ...] = ()


class RouteFigures(Struct, frozen=True):
    """One route; `flows` by the name of the target, those that have seen calls."""

    name: str
    figures: Figures = Figures()
    flows: Mapping[str, Flow] = {}


class CacheFigures(Struct, frozen=True):
    """The response cache since the start. `hit_rate` is of the window, 0 to 1. `joined` waited for a call of others.

    `entries` and `bytes` are what is stored now, of `max_bytes` at most: in `folder`, which processes share, or in
    memory where that is None. None is not known: the folder was not used yet, or fails. `from_disk` and
    `from_shared` (of other machines) are the hits that memory did not have.
    """

    enabled: bool = False
    hits: int = 0
    misses: int = 0
    stale: int = 0
    joined: int = 0
    stored: int = 0
    hit_rate: float | None = None
    folder: str | None = None
    entries: int | None = None
    bytes: int | None = None
    max_bytes: int | None = None
    from_disk: int = 0
    from_shared: int = 0


class Spending(Struct, frozen=True):
    """A budget of the file in use. `limit` and `used` are in US dollars; `period` in seconds. `used` is None where
    nothing of it is known, and with `at_least` it leaves out calls of unknown cost. One `of_all_machines` is what all
    of them spend together. `of` says which value's it is, such as "user alice", where each has a budget: those that
    have spent the most are here.
    """

    scope: str  # provider, route, or key of a client
    name: str
    limit: float
    used: float | None
    period: float
    resets_at: float | None = None
    at_least: bool = False
    of_all_machines: bool = False
    of: str = ""

    @property
    def owner(self) -> str:
        """Whose it is, such as "route chat" or "route chat, user alice"."""
        return f"{self.scope} {self.name}{', ' if self.of else ''}{self.of}"


class ShadowFigures(Struct, frozen=True):
    """What came of copies of a route's requests `to` somebody else. `dropped` are those that were left out, since too
    many were under way, a limit or budget was in the way, or `to` could not be asked.

    What is compared are sums over those `answered`, beside the same of the answers that callers got: `seconds` to the
    whole answer, US dollars, tokens of answers, and answers that the vendor `refused` by its policy. The cost has that
    of failed copies too, and leaves out pairs of which a price is not known (`unpriced`).
    """

    route: str
    to: str
    answered: int = 0
    failed: int = 0
    dropped: int = 0
    refused: int = 0
    refused_of_callers: int = 0
    seconds: float = 0.0
    of_callers: float = 0.0
    cost: float = 0.0
    cost_of_callers: float = 0.0
    unpriced: int = 0
    tokens: int = 0
    tokens_of_callers: int = 0
    codes: dict[str, int] = {}

    def each(self, of: str) -> float | None:
        """Return one of the sums for each answer; None while there is none."""
        count = self.answered - (self.unpriced if of.startswith("cost") else 0)
        sum_: float = getattr(self, of)
        return sum_ / count if count > 0 else None


class ReloadNote(Struct, frozen=True):
    """What came of the last change of the file. `changes` are phrases such as "chat: mini 70→50"."""

    time: float
    accepted: bool
    revision: str
    changes: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    problem: str = ""


class Process(Struct, frozen=True):
    """One process that runs the router. `memory` is in bytes, `cpu` the share of one core over the last snapshots."""

    pid: int
    started_at: float
    revision: str
    connected: bool = True
    watching: bool = False
    rate: float = 0.0
    in_flight: int = 0
    totals: Counts = Counts()
    memory: int | None = None
    cpu: float | None = None
    host: str = ""  # its machine, where there are several


class Fleet(Struct, frozen=True):
    """All processes of an app, on any machine, where a snapshot is of them (`signalbox dash --shared`).

    Args:
        processes: that live.
        sampled: those whose snapshots were added up: of them are quantiles, providers and routes; the other figures
            are of all.
        silent: those that tell nothing that can be read.
        hosts: how many machines they run on.
        revisions: how many run each revision, and `versions` each version of this package.
        states: how many have each worst lamp.
        away: why the server that they tell it to does not answer; "" while it does.
    """

    processes: int = 0
    sampled: int = 0
    silent: int = 0
    hosts: int = 0
    revisions: Mapping[str, int] = {}
    versions: Mapping[str, int] = {}
    states: Mapping[str, int] = {}
    away: str = ""

    @property
    def counted(self) -> str:
        """How many processes are looked at, and where: "50 of 9,812 processes on 31 machines"."""
        some = f"{self.sampled:,} of " if self.sampled < self.processes else ""
        processes = f"{self.processes:,} process{'' if self.processes == 1 else 'es'}"
        return f"{some}{processes} on {self.hosts:,} machine{'' if self.hosts == 1 else 's'}"

    @property
    def unread(self) -> str:
        """How many can't be read, and why; "" where all can."""
        tell = "tells" if self.silent == 1 else "tell"
        why = "nothing that can be read: another secret, or no fleet in their `share`"
        return f"{self.silent:,} {tell} {why}" if self.silent else ""


class Snapshot(Struct, frozen=True):
    """A router at one moment, all processes of the app added up.

    Args:
        name: of the app, by default the file's folder.
        path: of the file; None for a router made from text.
        revision: that runs; of the newest process where they differ.
        loaded_at: when that revision took over.
        started_at: of the oldest process.
        watching: whether edits of the file are followed.
        last_reload: the last change of the file that was seen; rejected ones say why.
        connected: False when no process answers any more; then the rest is what was last known.
        figures: of all requests.
        by_process: one entry a process.
        shadows: what came of copies of requests.
        high: budgets of values, those of `spending` too, of which more is spent than an alert of the file tells of, or
            all; at most 1,000 of each.
        fleet: of processes on any machine; None where a snapshot is of those of this one.
    """

    time: float
    name: str
    path: str | None
    revision: str
    loaded_at: float
    started_at: float
    watching: bool = False
    connected: bool = True
    capture: Literal["off", "preview", "full"] = "off"
    last_reload: ReloadNote | None = None
    figures: Figures = Figures()
    providers: tuple[ProviderFigures, ...] = ()
    routes: tuple[RouteFigures, ...] = ()
    cache: CacheFigures = CacheFigures()
    spending: tuple[Spending, ...] = ()
    by_process: tuple[Process, ...] = ()
    fleet: Fleet | None = None
    shadows: tuple[ShadowFigures, ...] = ()
    high: tuple[Spending, ...] = ()

    @property
    def targets(self) -> tuple[TargetFigures, ...]:
        """All targets, in the order of their providers."""
        return tuple(target for provider in self.providers for target in provider.targets)
