"""The circuit breaker of one target or provider key. It is pure: time comes in as `now`, random numbers from a
`random.Random`.

    closed ──(failure rate, failures in a row, or trip)──► open ──(open_for)──► half-open
       ▲                                                    ▲                      │
       └────────────────(`probes` successes)────────────────┼──(one failure)───────┘

A call takes a permit and gives it back with its outcome. A permit carries the breaker's generation, which every change
of state ends: outcomes of older generations are ignored. A half-open permit is a lease, so that a lost one expires.

Where nothing else is left, an open one is probed before its time: one call at a time, a second after it opened. One
that was tripped is probed ever more seldom, since what was refused does not mend itself.

Where processes share what they learn (`router.shared`), `peers` hears of every change, and gives the places for probes;
what others have met comes in by `doubt`, `open_with` and `mend`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf
from typing import Literal, NamedTuple, Protocol

from router.plan.rules import BreakerRules
from router.state.evidence import Doubt, Marks

State = Literal["closed", "open", "half_open"]

_AFTER_OTHERS = "it failed, and other processes have opened it"
_BUCKETS = 10
_LONGEST_LEASE = 120.0  # seconds; after that another probe may be sent
_JITTER = _RAMP_START = 0.1
_PACE = 1.0  # seconds between two probes that are made because nothing else is left
_LOOK = 0.1  # seconds until one who waits for a place of all processes looks again


class Permit(NamedTuple):
    """Permission to make one call."""

    generation: int
    number: int = 0  # of the lease, where it is a probe


class Peers(Protocol):
    """The breakers of other processes for the same target or key."""

    def changed(self, breaker: Breaker) -> None:
        """Notice a change of state, or that an open one opened again."""
        ...

    def places(self, now: float) -> float:
        """Return how many probes this process may have under way; it asks for one where it has none."""
        ...


class Breaker:
    """A circuit breaker, as the module describes it. `changes` counts the changes of state."""

    __slots__ = (
        *("_bucket", "_bucket_ends", "_calls", "_doubt", "_early", "_failed", "_in_row", "_leases", "_lent", "_slow"),
        *("_lent_until", "_mended", "_numbers", "_pace", "_paced_until", "_passed", "_permit", "_reopened", "_rng"),
        *("changes", "closed_at", "manual", "on_change", "own", "peers", "refused", "rules", "state", "until", "why"),
    )

    def __init__(self, rules: BreakerRules, rng: random.Random) -> None:
        self.rules = rules
        self.state: State = "closed"
        self.until = 0.0  # when an open one turns half-open, and a half-open one may be probed again
        self.manual = False  # opened or closed by hand: stays so until reset
        self.changes = 0
        self._permit = Permit(0)  # of all calls until the next change, but for probes
        self.why = ""  # it was opened, in words
        self.on_change: Callable[[Breaker], None] | None = None  # called after every change of state
        self.peers: Peers | None = None
        self.own = False  # it was opened by what this process has met
        self.refused = False  # it was opened by refusals, not by failures
        self._mended = False  # another process has closed it: probes need no place
        self._lent = 0  # of the failures in a row: those that others had
        self._lent_until = -inf
        self._rng = rng
        self._reopened = self._numbers = self._passed = 0
        self.closed_at = -inf  # when it closed last; minus infinity where it was never open
        self._leases: dict[int, float] = {}
        self._pace = _PACE
        self._paced_until = -inf
        self._doubt: Doubt | None = None
        self._early = False  # probed before its time: one at a time, and a failure leaves the time as it was
        self._clear()

    def _clear(self) -> None:
        self._bucket, self._bucket_ends = 0, -inf
        self._calls, self._failed, self._slow = ([0] * _BUCKETS for _ in range(3))
        self._in_row = self._lent = 0

    def follow(self, rules: BreakerRules) -> None:
        """Take over the policy of today. Of another window the buckets are others, too, and begin anew."""
        if rules.window != self.rules.window:
            self._bucket, self._bucket_ends = 0, -inf
        self.rules = rules

    # --- admission

    def admits(self, now: float) -> bool:
        """Say whether a call may be made now."""
        if self.state == "closed":
            return True
        if self.state == "open":
            if self.manual or now < self.until:
                return False
            self._half_open()
        return now >= self.until and self._free_leases(now) > 0

    def acquire(self, now: float) -> Permit:
        """Take a permit for a call: only after `admits`, or to probe an open breaker early, when nothing else is
        left.
        """
        if self.state == "closed":
            return self._permit
        if self.state == "open" and not self.manual:
            self._half_open()
            self._early = now < self.until
        if self.state != "half_open":
            return self._permit  # opened by hand
        self._numbers += 1
        self._leases[self._numbers] = now + min(_LONGEST_LEASE, self.rules.max_open_for)
        return Permit(self.changes, self._numbers)

    def next_probe(self, now: float) -> float:
        """Return from when on a call may be made where nothing else is left, if it is open: now, or at most one a
        second. Infinity where it was opened by hand.
        """
        if self.manual and self.state == "open":
            return inf
        if self.state == "half_open" and self._free_leases(now) <= 0:
            return now + (_PACE if self._leases else _LOOK)  # nobody knows how long those take that are under way
        moment = max(now, min(self.until, self._paced_until))
        return now + _LOOK if moment <= now and self.state == "open" and self._places(now) < 1 else moment

    def is_idle(self, now: float) -> bool:
        """Say whether nothing of it matters now: no failure is counted, and it is not open, or a probe is due."""
        if self.manual:
            return False
        if self.state == "closed":
            self._turn(now)
            return not any(self._failed)
        return not self._leases and now >= self.until

    def share(self, now: float) -> float:
        """Return the part of its weight that a target gets: less after closing, up to 1 at the end of the ramp."""
        passed = now - self.closed_at
        if passed >= self.rules.ramp:
            return 1.0
        return _RAMP_START + (1 - _RAMP_START) * max(0.0, passed) / self.rules.ramp

    # --- outcomes

    def success(self, permit: Permit, now: float, seconds: float = 0.0) -> None:
        """Count a call that came back well after so many seconds."""
        slow = (most := self.rules.slow_threshold) is not None and seconds > most
        if permit is self._permit:
            self._in_row = 0
            self._doubt = None
            if slow:
                self._count(now, failed=False)
            else:
                self._calls[self._bucket % _BUCKETS if now < self._bucket_ends else self._turn(now)] += 1
        elif permit.generation == self.changes:  # a probe
            self._leases.pop(permit.number, None)
            self._passed += not slow
            if slow:
                self._open(now, "the probe was slow")
            elif self._passed >= self.rules.probes:
                self._close(now)

    def failure(self, permit: Permit, now: float) -> None:
        """Count a call that failed in a way that tells against the target."""
        if permit.generation != self.changes:
            return
        if self.state == "half_open":
            self._open(now, "the probe failed")
            return
        if self._lent and (self._in_row == 0 or now >= self._lent_until):
            self._in_row = max(0, self._in_row - self._lent)
            self._lent = 0
        self._in_row += 1
        self._count(now, failed=True)

    def forget(self, permit: Permit, now: float) -> None:
        """Give back the permit of a call that tells nothing: cancelled, or the caller's own mistake. After a probe that
        told nothing the next one is paced as well, and one before its time leaves it open.
        """
        if permit.generation != self.changes or self._leases.pop(permit.number, None) is None:
            return
        pace = min(self._pace, self.rules.open_for)
        if self._early:
            self._opens_again(now, pace)
            self._changed(self.why)
        else:
            self.until = self._paced_until = now + pace

    def refusal(self, permit: Permit, now: float, seen: Marks | None) -> None:
        """Count a refusal: it opens at once where the vendor's words are about the key or the model as such.

        Args:
            seen: where they decide nothing, what the request was like: a different one has to meet the same.
        """
        if permit.generation != self.changes:
            return
        if seen is None:
            self.trip(now)
        elif self.state == "half_open":
            self._open(now, "the probe was refused", refused=True)
        else:
            self._doubt = self._doubt or Doubt()
            if self._doubt.confirmed_by(seen, now, self.rules.max_open_for):
                # For a moment, and longer with each probe that is refused too: both may have been to blame themselves.
                self._open(now, "two different requests were refused", refused=True)

    def trip(self, now: float) -> None:
        """Open at once, for as long as it ever stays open: a wrong key does not mend itself."""
        if not self.manual:
            if not self._opens_again(now, self._pace):
                self._reopened += 1
                self.until = now + self.rules.max_open_for
            self.own = self.refused = True
            self._pace = min(2 * self._pace, self.rules.max_open_for)
            self._changed("it does not mend itself")

    # --- what other processes have met

    def doubt(self, until: float, now: float, *, refused: bool) -> None:
        """Let the next failure open it, as another process' has opened by failures, or by refusals (`refused`): until
        this time, or an answer. Where two in a row were met already, it opens now.
        """
        if self.state != "closed" or self.manual:
            return
        if refused:
            self._doubt = Doubt()
            self._doubt.confirmed_by(frozenset(), now, until - now)
        else:
            own, self._lent_until = self._in_row - self._lent, until
            if lent := max(0, self.rules.consecutive - 1 - self._in_row):
                self._lent = lent
                self._in_row += lent
            if own >= 2:  # in a row, of this process
                self._open(now, _AFTER_OTHERS)

    def open_with(self, until: float, why: str, now: float, *, refused: bool) -> None:
        """Open with those of other processes, until some time around this one; a probe under way goes on."""
        if self.manual or (self.state == "half_open" and self._leases):
            return
        seconds = min(self.rules.max_open_for, (until - now) * (1 + self._rng.uniform(-_JITTER, _JITTER)))
        if self.state == "open":
            self.until = max(self.until, now + seconds)
            return
        self._reopened += self.state == "closed"
        self._become("open")
        self._paced_until = now + min(_PACE, self.rules.open_for)
        self.until = now + seconds
        self.refused = refused
        self._changed(why)

    def mend(self, now: float) -> None:
        """Turn half-open, since another process' has closed: the next calls probe it."""
        if self.manual or self.state == "closed":
            return
        if self.state == "open":
            self._half_open()
        self.until = now
        self._mended, self._early = True, False

    @property
    def is_told(self) -> bool:
        """Whether it was opened by what other processes have met."""
        return self.state != "closed" and self.peers is not None and not (self.own or self.manual)

    def has_calls(self, now: float) -> bool:
        """Say whether calls have come back within its window."""
        self._turn(now)
        return any(self._calls)

    def probing(self, now: float) -> int:
        """Count the probes under way."""
        return sum(ends > now for ends in self._leases.values())

    # --- by hand

    def force(self, state: Literal["open", "closed"]) -> None:
        """Open or close it until `reset`."""
        self._become(state)
        self.manual = True
        self.until = inf if state == "open" else 0.0
        self._changed("by hand")

    def reset(self) -> None:
        """Return to the state of a new breaker."""
        self._become("closed")
        self.manual = False
        self._reopened = 0
        self._pace = _PACE
        self.closed_at = -inf
        self._changed("reset")

    # --- inside

    def _changed(self, why: str = "") -> None:
        self.why = why
        if self.on_change is not None:
            self.on_change(self)
        if self.peers is not None:
            self.peers.changed(self)

    def _half_open(self) -> None:
        self._become("half_open")
        self._changed(self.why)

    def _free_leases(self, now: float) -> int:
        if self._leases:
            self._leases = {lease: ends for lease, ends in self._leases.items() if ends > now}
        free = (1 if self._early else self.rules.probes) - len(self._leases)
        return free if free <= 0 else int(min(free, self._places(now) - len(self._leases)))

    def _places(self, now: float) -> float:
        return inf if self.peers is None or self._mended else self.peers.places(now)

    def _become(self, state: State) -> None:
        self.state = state
        self.changes += 1
        self._permit = Permit(self.changes)
        self._leases.clear()
        self._passed, self._paced_until = 0, -inf
        self._early = self._mended = False
        self._doubt = None
        if state != "half_open":
            self.own = self.refused = False
        self._clear()

    def _open(self, now: float, why: str, *, refused: bool = False) -> None:
        if self.manual:
            return
        if not self._opens_again(now, min(_PACE, self.rules.open_for)):
            # Bounded before the power, which would grow beyond floating point.
            seconds = min(self.rules.max_open_for, self.rules.open_for * 2.0 ** min(self._reopened, 60))
            self._reopened += 1
            jitter = 1 + self._rng.uniform(-_JITTER, _JITTER)
            self.until = now + min(self.rules.max_open_for, seconds * jitter)
        self.own, self.refused = True, refused
        self._changed(why)

    def _opens_again(self, now: float, pace: float) -> bool:
        """Open, after a call; says whether that was a probe before its time, which leaves the time as it was.

        Args:
            pace: seconds until the next such probe.
        """
        early = self._early
        self._become("open")
        self._paced_until = now + pace
        if early:
            self.until = max(self.until, self._paced_until)
        return early

    def _close(self, now: float) -> None:
        self._become("closed")
        self._reopened = 0
        self._pace = _PACE
        self.closed_at = now
        self._changed()

    def _count(self, now: float, *, failed: bool) -> None:
        """Count a call that failed, or was slow."""
        index, slow = self._turn(now), not failed
        self._calls[index] += 1
        self._failed[index] += failed
        self._slow[index] += slow
        rules = self.rules
        calls = sum(self._calls)
        enough = calls >= rules.min_calls
        if failed and self._in_row >= rules.consecutive:
            self._open(now, _AFTER_OTHERS if self._lent else f"{self._in_row} failures in a row")
        elif failed and enough and sum(self._failed) >= rules.failure_rate * calls:
            self._open(now, f"{sum(self._failed)} of {calls} calls failed")
        elif slow and enough and sum(self._slow) >= rules.slow_rate * calls:
            self._open(now, f"{sum(self._slow)} of {calls} calls were slow")

    def _turn(self, now: float) -> int:
        """Let the buckets go that are older than the window; returns the index of the current one."""
        current = int(now * _BUCKETS / self.rules.window)
        self._bucket_ends = (current + 1) * self.rules.window / _BUCKETS
        if current <= self._bucket:
            return self._bucket % _BUCKETS
        for bucket in range(max(self._bucket + 1, current - _BUCKETS + 1), current + 1):
            index = bucket % _BUCKETS
            self._calls[index] = self._failed[index] = self._slow[index] = 0
        self._bucket = current
        return current % _BUCKETS
