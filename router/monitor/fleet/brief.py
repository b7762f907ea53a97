"""The brief: what a process tells of itself every second, in some 200 bytes, whether anybody watches or not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import get_args

import msgspec
from msgspec.structs import replace

from providers.printable import one_line
from router.monitor.fleet.orders import REMEMBERED, SHOWN, Orders
from router.monitor.fleet.tallies import RATE, Count, Number, Tallies, Tally
from router.monitor.health import key_health, target_health
from router.monitor.merge import WORSE
from router.monitor.subject import Subject
from router.plan.plan import Plan
from router.plan.target import Key, Target
from router.state.states import States
from router.telemetry.buckets import known_cost
from router.views.events import Event, Level
from router.views.figures import WINDOW, HealthState

_WORDS = ("host", "version", "revision", "state", "worst")
_LONGEST_WORD = 255  # characters
_EVENTS, _NEWS = 8, 10.0  # events that are told, and for how many seconds
_KINDS = ("breaker", "hold", "budget")
_LOOKED_AT = 100  # targets and keys whose lamps are looked at for one brief


class Told(msgspec.Struct, array_like=True, frozen=True):
    """An event of a process, as in `router.views.events`."""

    time: Number
    kind: str
    level: str
    sentence: str
    provider: str = ""
    target: str = ""


class Brief(msgspec.Struct, array_like=True, frozen=True):
    """How one process is. Times are the server's, in seconds since 1970; the rest is as in `router.views.figures`.

    Args:
        state: the worst lamp of all targets and keys, and `worst` whose that is; another version may have others.
        obeys: whether it takes commands.
        done: the last commands of the fleet that came here, by their numbers, each with whether it was done and a
            sentence.
        events: what happened last to its breakers, and of holds and budgets, the oldest first.
    """

    time: Number
    pid: Count
    host: str
    version: str
    revision: str
    started_at: Number
    rate: Number = 0.0
    in_flight: Count = 0
    tokens_per_second: Number = 0.0
    cost_per_minute: Number | None = 0.0
    window: Tally = msgspec.field(default_factory=Tally)
    totals: Tally = msgspec.field(default_factory=Tally)
    state: str = "closed"
    worst: str = ""
    watching: bool = False
    obeys: bool = False
    done: tuple[tuple[str, bool, str], ...] = ()
    events: tuple[Told, ...] = ()


def read_brief(told: bytes) -> Brief:
    """Read what another process tells; raises ValueError where it is no brief, or has numbers that nobody can have.

    What another version tells besides is left out, and its words can do nothing to a terminal.
    """
    brief = _decode(told)
    words = {name: one_line(getattr(brief, name)[:_LONGEST_WORD]) for name in _WORDS}
    done = tuple((number, ok, one_line(message[:SHOWN])) for number, ok, message in brief.done[-REMEMBERED:])
    return replace(brief, done=done, events=tuple(map(_harmless, brief.events[-_EVENTS:])), **words)


def _harmless(told: Told) -> Told:
    parts = {name: one_line(getattr(told, name)[:_LONGEST_WORD]) for name in ("sentence", "provider", "target")}
    return replace(
        told,
        kind=told.kind if told.kind in _KINDS else "shared",
        level=told.level if told.level in get_args(Level) else "info",
        **parts,
    )


_decode = msgspec.json.Decoder(Brief).decode


class Briefing:
    """Makes the briefs of one router.

    Args:
        host: what its machine is called.
        version: of this package.
    """

    def __init__(self, subject: Subject, host: str, version: str) -> None:
        self._host, self._version = host, version
        self._tallies = Tallies(subject.telemetry)
        self._lamps = Lamps(subject.report.states)

    def brief(self, subject: Subject, now: float, skew: float, orders: Orders | None) -> Brief:
        """Make the brief of this moment (the loop's time).

        Args:
            skew: seconds by which the server's clock is ahead of the time of day here.
            orders: the commands that came here; None where none are taken.
        """
        telemetry, tallies = subject.telemetry, self._tallies
        telemetry.resync_clock(now)
        tallies.read(now)
        recent, window = tallies.last(RATE), tallies.last(WINDOW)
        span = min(RATE, tallies.age)
        cost = known_cost(window.cost, window.unpriced)
        state, worst = self._lamps.look(subject, now)
        return Brief(
            time=round(now + telemetry.offset + skew, 3),
            pid=os.getpid(),
            host=self._host,
            version=self._version,
            revision=subject.plan.revision,
            started_at=round(telemetry.started_at + skew, 3),
            rate=recent.calls / span,
            in_flight=sum(route.in_flight for route in telemetry.routes.values()),
            tokens_per_second=recent.output_tokens / span,
            cost_per_minute=None if cost is None else cost * 60 / min(WINDOW, tallies.age),
            window=window,
            totals=tallies.totals,
            state=state,
            worst=worst,
            watching=subject.watching,
            obeys=orders is not None,
            done=() if orders is None else orders.done,
            events=_last(telemetry.events, now + telemetry.offset, skew),
        )


def _last(events: Sequence[Event], time: float, skew: float) -> tuple[Told, ...]:
    """Return what happened within some seconds before this time of day, the last of it."""
    recent = takewhile(lambda event: event.time > time - _NEWS, reversed(events))
    found = [event for event in recent if event.kind in _KINDS][:_EVENTS]
    return tuple(
        Told(
            round(event.time + skew, 3),
            event.kind,
            event.level,
            event.sentence[:_LONGEST_WORD],
            event.provider or "",
            event.target or "",
        )
        for event in reversed(found)
    )


class Lamps:
    """The worst lamp of a router. A look is at some of its targets and keys, in turn, so that many cost no more."""

    def __init__(self, states: States) -> None:
        self._states = states
        self._plan: Plan | None = None
        self._bad: dict[str, HealthState] = {}  # that were not well when they were looked at
        self._turn: Iterator[tuple[str, Target, Key | None]] = iter(())

    def look(self, subject: Subject, now: float) -> tuple[HealthState, str]:
        """Look at the next hundred; returns the worst lamp that is known, and whose it is."""
        if self._plan is not subject.plan:
            self._plan, self._turn = subject.plan, iter(())
            self._bad.clear()
        looked = tuple(islice(self._turn, _LOOKED_AT))
        if len(looked) < _LOOKED_AT:
            self._turn = _all(subject.plan, subject.report.targets_of(subject.plan))
            looked += tuple(islice(self._turn, _LOOKED_AT - len(looked)))
        for name, target, key in looked:
            health = (
                target_health(self._states, target, now, 0.0)
                if key is None
                else key_health(self._states, key, now, 0.0)
            )
            if health.state in ("closed", "disabled"):
                self._bad.pop(name, None)
            else:
                self._bad[name] = health.state
        worst = max(self._bad, key=lambda name: WORSE.index(self._bad[name]), default="")
        return self._bad.get(worst, "closed"), worst


def _all(plan: Plan, targets: dict[str, Target]) -> Iterator[tuple[str, Target, Key | None]]:
    """Yield all targets, and the keys of all providers that have one, each with its name."""
    seen: set[str] = set()
    for target in targets.values():
        yield target.name, target, None
        if target.provider not in seen:
            seen.add(target.provider)
            several = len(target.keys) > 1
            for number, key in enumerate(target.keys, 1):
                yield (f"{target.provider} key {number}" if several else target.provider), target, key
