"""What a dashboard asks for beside the live figures: the compiled chains, five minutes of seconds, events, requests,
the file and its revisions. The conventions are those of `snapshot`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from router.config.diagnostics import Diagnostic
from router.telemetry.snapshot import Struct
from router.trace import Entry

# --- the compiled chains: they change only with the revision


class PolicyValue(Struct, frozen=True):
    """One effective value, such as `timeout.connect` = `3s`, and where it comes from.

    `origin` is "built in", or the dotted path of the key in the file, which is at `line` of it.
    """

    key: str
    value: str
    origin: str
    line: int | None = None


class BranchView(Struct, frozen=True):
    """A target of a tier. `share` is what its weight gives it, 0 to 1; `place` counts from 1 (for ordered tiers)."""

    target: str
    provider: str
    model: str
    weight: float
    share: float
    place: int
    disabled: bool = False
    policies: tuple[PolicyValue, ...] = ()


class TierView(Struct, frozen=True):
    """Targets that share load. `on` are the codes it serves after, None: all that fall back. `gate` is the number of
    the tier (from 0) that has to be entered before this one may be."""

    balance: str
    branches: tuple[BranchView, ...]
    on: tuple[str, ...] | None = None
    gate: int | None = None


class ChainView(Struct, frozen=True):
    """What a route compiled to. `cache` is its cache policy in words, None when nothing is cached."""

    route: str
    tiers: tuple[TierView, ...]
    total: float | None
    on_stream_break: str
    cache: str | None = None
    policies: tuple[PolicyValue, ...] = ()


class Chains(Struct, frozen=True):
    """All routes of one revision, in the file's order."""

    revision: str
    routes: tuple[ChainView, ...]


# --- five minutes of seconds


class Samples(Struct, frozen=True):
    """One value a second, all of the same length. Quantiles are None in seconds without a call.

    `calls` and `errors` (failed calls) are counts, `cost` US dollars; the rest are seconds.
    """

    calls: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()
    cost: tuple[float, ...] = ()
    first_token_p50: tuple[float | None, ...] = ()
    first_token_p95: tuple[float | None, ...] = ()
    latency_p50: tuple[float | None, ...] = ()
    latency_p95: tuple[float | None, ...] = ()


class History(Struct, frozen=True):
    """The last 300 whole seconds. `end` is when the last of them ended; the first began `seconds` before."""

    end: float
    seconds: int
    total: Samples
    providers: Mapping[str, Samples] = {}
    routes: Mapping[str, Samples] = {}


# --- events and requests

EventKind: TypeAlias = Literal["breaker", "hold", "drain", "reload", "cache", "budget", "process", "note"]


class Event(Struct, frozen=True):
    """Something that people want to know, as a sentence such as "groq opened: 5 failures in a row (server_error);
    retry in 10 s". `level` says how it is painted; `fields` has its parts."""

    time: float
    kind: EventKind
    sentence: str
    level: Literal["good", "info", "warning", "error"] = "info"
    provider: str | None = None
    target: str | None = None
    route: str | None = None
    pid: int | None = None
    fields: Mapping[str, Any] = {}


class RequestRecord(Struct, frozen=True):
    """A request that ended. `time` is when it began; `code` is None for a success.

    `id` is unique over all processes. `tier` counts from 0. `first_token` and `seconds` count from its begin.
    """

    id: str
    time: float
    route: str
    seconds: float
    target: str | None = None
    provider: str | None = None
    code: str | None = None
    first_token: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    streamed: bool = False
    cached: bool = False
    attempts: int = 0
    tier: int = 0
    hedged: bool = False
    pid: int | None = None


class Captured(Struct, frozen=True):
    """Prompt and answer, where `telemetry.capture` allows it. `whole` is False for the beginning only."""

    prompt: str
    answer: str
    whole: bool


class TraceView(Struct, frozen=True):
    """A request step by step; `entries` as in `router.trace`."""

    record: RequestRecord
    revision: str
    seconds: float
    entries: tuple[Entry, ...]
    captured: Captured | None = None


class RequestFilter(Struct, frozen=True):
    """Which requests; None takes any. `slow` is the least duration in seconds, `failed` only those with an error."""

    route: str | None = None
    provider: str | None = None
    target: str | None = None
    code: str | None = None
    slow: float | None = None
    failed: bool = False


# --- the file


class Revision(Struct, frozen=True):
    """One entry of the log: a revision that took over, or one that was rejected.

    `difference` are the lines of a unified diff from the revision that ran before.
    """

    time: float
    revision: str
    accepted: bool
    changes: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    problem: str = ""
    difference: tuple[str, ...] = ()


class ConfigView(Struct, frozen=True):
    """The file as it is now, keys blanked out, and what became of it.

    `text` is what is saved, `running` what runs; they differ after a rejected save, whose `diagnostics` these are.
    `difference` are the lines of a unified diff from `running` to `text`. `log` has the newest first.
    """

    path: str | None
    revision: str
    text: str
    running: str
    diagnostics: tuple[Diagnostic, ...] = ()
    problem: str = ""
    difference: tuple[str, ...] = ()
    log: tuple[Revision, ...] = ()


# --- finding routers


class Running(Struct, frozen=True):
    """A router that can be watched: the processes of one app."""

    name: str
    path: str | None
    pids: tuple[int, ...]
    sockets: tuple[str, ...]
    revision: str = ""
