"""One limit that processes share, as a process sees it: units leased from the server are spent in memory.

Pure but for the futures of those who wait: time comes in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import takewhile
from math import ceil, exp, floor, inf

from router.config.units import Allowance
from router.shared.limit import SLOTS, Grant, LimitEntry
from router.shared.stand_in import stand_in_for
from router.shared.told import GRAINS, Server, Told
from router.state.any_rate import PATIENCE, Entry
from router.state.limits import BURST, SMOOTHED, Rate

_OVERDRAFT = 0.1  # of a limit that all processes together may overdraw by one request each
_LOOK = 1.0  # seconds after which a limit that is used up is asked for again: others may give back
_FORGOTTEN = 10.0  # seconds after which what was heard of a limit says nothing
_MEMORY = 1.0  # seconds over which demand is smoothed
_WEIGHT = 0.3
_ROUNDING = 1e-9


class SharedEntry(Entry):
    """An amount that a call has taken, or waits for.

    `counted` is when the server counted it, or before. `needed` are the units that it waited for, `lacks` those that it
    waits for still, and `since` when. `stood_in` is what it took while the server was away, or too slow for it.
    """

    __slots__ = ("counted", "lacks", "needed", "ready", "since", "stood_in")

    def __init__(self, rate: SharedRate, amount: float, counted: float) -> None:
        self.rate = rate
        self.amount = amount
        self.counted = self.since = counted
        self.needed = self.lacks = 0.0
        self.ready: asyncio.Future[None] | None = None
        self.stood_in: Entry | None = None


class SharedRate:
    """A rate of a vendor that all processes share; the same for its callers as `Rate`.

    Units come by leases, which the server has counted as used; what is left of a lease at its end is given back.
    Whoever finds none waits in line for the next reply, but for an overdraft of one request where that can do no harm.
    While the server is away another rate stands in, and so it does for who has waited for a reply long enough.

    Args:
        name: of the limit at the server.
        link: to the server.
        smooth: whether a rate a minute is smoothed.
    """

    __slots__ = (
        *("amount", "per_second", "period", "_cap", "_smooth", "_link", "_name", "_stand_in", "__weakref__"),
        *("_line", "_lacking", "_lots", "_granted", "_spent", "_until", "_used", "_charge", "_left"),
        *("_asked", "_asked_at", "_wished", "_demand", "_typical", "_low", "_told_at", "_since"),
        *("_fill", "_flow", "_heard_at", "_next_at", "_free_at", "_shut_until", "_is_far", "_active_at", "_is_rare"),
    )

    def __init__(self, name: str, allowance: Allowance, link: Server, *, smooth: bool = True) -> None:
        self._name = name
        self._smooth = smooth
        self._link = link
        self.period = allowance.period
        self._line: deque[SharedEntry] = deque()
        self._lacking = 0.0  # units that the line waits for
        self._granted = self._spent = 0.0  # ever
        self._lots: deque[tuple[float, float]] = deque()  # until when, and `_granted` at its end
        self._until = -inf  # the end of the oldest
        self._used: dict[int, float] = {}  # to be told, by grain
        self._charge = 0.0
        self._left: float | None = None
        self._asked = self._wished = self._demand = self._typical = self._low = 0.0
        self._asked_at = self._told_at = self._heard_at = self._since = -inf
        self._fill = 0.0
        self._is_far = self._is_rare = False
        self._active_at = -inf
        self._stand_in: Rate | None = None
        self.amount = allowance.amount
        self.change(allowance.amount)

    def change(self, amount: float) -> None:
        """Take over another amount for the same period."""
        self._fill = min(1.0, self._fill * self.amount / amount)
        self.amount = amount
        self.per_second = self._flow = amount / self.period
        self._cap = max(1.0, amount * BURST) if self._smooth and self.period == SMOOTHED else amount
        self._stand_in = None
        self._free_at = self._next_at = self._shut_until = -inf

    # --- what requests ask

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much more may be taken; an estimate where that is up to the server."""
        need = amount if amount < self._cap else self._cap
        if self._granted - self._spent >= need and now < self._until and not self._line:
            return 0.0
        return self._wait(amount, need, now)

    def _wait(self, amount: float, need: float, now: float) -> float:
        if self._is_at_hand(need, now) or need == 0:
            return 0.0
        if self._link.away:
            stand_in = self._stands_in(now)
            return inf if stand_in is None else stand_in.wait(amount, now)
        if self._may_overdraw(amount, now):
            return 0.0
        self._wished, self._asked_at = max(self._wished, need), now
        self._link.ask(self._next_at)
        return self._estimate(self._lacking + need, PATIENCE, now)

    def _is_at_hand(self, need: float, now: float) -> bool:
        self._expire(now)
        return not self._line and self._granted - self._spent >= need and now < self._until

    def _may_overdraw(self, amount: float, now: float) -> bool:
        processes = self._link.processes
        if self._line or self._spent > self._granted or not processes:
            return False
        left = 1.0 if now - self._heard_at > _FORGOTTEN else 1.0 - self._fill
        return processes * amount <= self.amount * min(_OVERDRAFT, left)  # all at once

    def _estimate(self, units: float, most: float, now: float) -> float:
        """Return the seconds until there may be so many units: as the limit goes, and for the server `most`."""
        until_heard = min(self._link.expected(now), most)
        return max(until_heard, self._free_at - now, units / self._flow if self._fill >= 1 else 0.0)

    def hurry(self, entry: Entry, waited: float) -> None:
        """Count what the request has waited for the server before."""
        assert isinstance(entry, SharedEntry)
        entry.since -= waited

    def take(self, amount: float, now: float, at: float) -> SharedEntry:
        """Take an amount now, or wait in line for it where `wait` says so, with `at` as the time that it named."""
        self._asked += amount
        self._asked_at, self._typical = now, amount
        entry = SharedEntry(self, amount, now)
        need = min(amount, self._cap)
        if self._is_at_hand(need, now):
            entry.counted = self._until - self._life  # when the oldest lease was asked for
        elif self._link.away and (stand_in := self._stands_in(now)) is not None:
            entry.stood_in = stand_in.take(amount, now, at)
            self._count(now, amount)
            return entry
        elif at > now and not self._may_overdraw(amount, now) and need > 0:
            entry.needed = entry.lacks = need
            self._line.append(entry)
            self._lacking += need
            self._link.ask(self._next_at)
            return entry
        self._spent += amount
        if self._granted - self._spent < self._low:
            self._link.ask(self._next_at)
        return entry

    def early(self, entry: Entry, now: float) -> float:
        """Return the seconds that one who waits has to wait still."""
        assert isinstance(entry, SharedEntry)
        if entry.stood_in is not None:
            return entry.stood_in.rate.early(entry.stood_in, now)
        if entry.lacks <= 0:
            return 0.0
        patience, alone = max(entry.since, self._shut_until) + PATIENCE - now, inf
        if self._link.away:
            return self._move(entry, now)
        if patience <= _ROUNDING:  # it goes on alone as soon as it may, unless a reply comes before
            stand_in, patience = self._stands_in(now), inf
            alone = inf if stand_in is None else stand_in.wait(entry.amount, now)
            if alone in (0, inf):
                return self._move(entry, now)
        ahead = sum(other.lacks for other in takewhile(lambda other: other is not entry, self._line)) + entry.lacks
        self._link.ask(self._next_at)
        return min(alone, self._estimate(ahead, patience, now))

    def _move(self, entry: SharedEntry, now: float) -> float:
        """Move one who waits to the rate that stands in."""
        stand_in = self._stands_in(now)
        if stand_in is None:
            return inf
        self._leave_line(entry)
        pause = stand_in.wait(entry.amount, now)
        entry.stood_in = stand_in.take(entry.amount, now, now + pause)
        self._count(now, entry.amount)
        return pause

    def coming(self, entry: Entry) -> asyncio.Future[None] | None:
        """Return what is done when one who waits for the server has what it lacks, or has to look again."""
        assert isinstance(entry, SharedEntry)
        if entry.lacks <= 0 or entry.stood_in is not None:
            return None
        if entry.ready is None or entry.ready.done():
            entry.ready = asyncio.get_running_loop().create_future()
        return entry.ready

    def correct(self, entry: Entry, amount: float, now: float) -> None:
        """Correct what was taken to what it turned out to be; 0 when it was not used at all."""
        assert isinstance(entry, SharedEntry)
        more, entry.amount = amount - entry.amount, amount
        if entry.stood_in is not None:
            entry.stood_in.rate.correct(entry.stood_in, amount, now)
            self._count(entry.counted, more)
        elif entry.lacks > 0:
            self._leave_line(entry)
        elif entry.counted >= self._since:
            self._count(entry.counted, more)
            self._charge += more

    def used(self, now: float) -> float:
        """Return how far it is used up by all processes, as was heard last: 0 is free, 1 and more is none left."""
        if self._stand_in is not None and self._link.away:
            return self._stand_in.used(now)
        return self._fill * max(0.0, 1 - (now - self._heard_at) / self.period)

    def tighten(self, left: float, now: float) -> bool:
        """Take over how much the vendor says is left; False for a rate that is not smoothed."""
        if self.period != SMOOTHED:
            return False
        if self._link.away:
            stand_in = self._stands_in(now)
            return stand_in is not None and stand_in.tighten(left, now)
        if left < self._cap:
            self._left = left if self._left is None else min(self._left, left)
            self._expire(now if self._granted - self._spent <= left else inf)
        return True

    # --- what the link does

    @property
    def _life(self) -> float:
        return min(self._link.lease, self.period / SLOTS)

    def tell(self, now: float, *, leaving: bool = False) -> Told | None:
        """Return what is to be told and asked in an exchange now; None for nothing.

        Args:
            leaving: all is given back.
        """
        if self._is_quiet:
            self._told_at = now
            return None
        self._expire(inf if leaving else now)
        self._measure(now)
        debt = self._spent - self._granted
        if debt > 0:
            self._count(now, debt)
            self._charge += debt
            self._granted = self._spent
        want = 0 if leaving else self._wanted(now)
        if not (want or self._used or self._charge or self._left is not None):
            return None
        oldest = floor((now - self.period) / self.period * GRAINS)
        used = {grain: units for grain, units in self._used.items() if grain >= oldest and units}
        charge, left = self._charge, self._left
        self._used, self._charge, self._left, self._wished = {}, 0.0, None, 0.0
        entry = LimitEntry(self._name, self.amount, self.period, self._cap, want, charge, left)
        return Told(entry, used, self.receive)

    @property
    def _is_quiet(self) -> bool:
        """Whether nobody has asked for it lately, and all is told: of a thousand limits most are, each time."""
        busy = self._asked or self._demand or self._wished or self._used or self._charge or self._lots or self._line
        return not busy and self._left is None and self._spent <= self._granted

    def _measure(self, now: float) -> None:
        seconds = now - self._told_at
        if self._asked:  # who asks so seldom would give back all that was had ahead
            self._is_rare = now - self._active_at > self._life and self._asked <= self._typical
            self._active_at = now
        if seconds > 0 and (self._asked or self._demand):
            self._demand += (1 - exp(-seconds / _MEMORY)) * (self._asked / seconds - self._demand)
            self._demand = self._demand if self._demand > _ROUNDING else 0.0
            self._asked = 0.0
        self._told_at = now

    def _wanted(self, now: float) -> int:
        """Return the units to ask for: those that are waited for, and what the next second needs."""
        ready = 0.0
        if now - self._asked_at < max(self._life, self._link.tick) and not (self._is_far or self._is_rare):
            horizon = min(max(1.0, 2 * self._link.tick), self._life)
            most = self.amount * BURST / max(1, self._link.processes)  # so little is in the hands of all together
            ready = min(max(self._typical, min(self._demand * horizon, most)), self._cap)
        self._low = ready / 2
        return max(0, ceil(max(self._lacking + ready, self._wished) - (self._granted - self._spent) - _ROUNDING))

    def receive(self, grant: Grant, want: int, asked_at: float, now: float) -> None:
        """Take over what an exchange brought.

        Args:
            want: what was asked for.
            asked_at: when, which is when the lease begins.
        """
        if grant.got < want:  # it was all that there was
            seconds = max(now - self._heard_at, self._link.tick / 5)
            fair = self.per_second / max(1, self._link.processes)
            flow = self._flow + _WEIGHT * (grant.got / seconds - self._flow)
            self._flow = min(self.per_second, max(fair, flow))
        self._fill, self._heard_at = grant.fill, now
        self._free_at = self._next_at = now
        self._shut_until = -inf
        if grant.got < want:
            self._free_at += grant.wait
            self._next_at += max(min(grant.wait, _LOOK), self._link.tick)
            self._shut_until = self._next_at
        if not (self._smooth and self.period == SMOOTHED):
            self._stand_in = None  # it knows of its own alone
        self._expire(now)
        if grant.got:
            self._granted += grant.got
            self._lots.append((asked_at + self._life, self._granted))
            self._until = self._lots[0][0]
        before = self._spent
        self._serve(now)
        self._is_far = now - asked_at > self._life  # what is not used at once is at its end when it arrives
        if self._is_far and self._spent > before:  # so it counts from now on
            self._count(asked_at, before - self._spent)
            self._count(now, self._spent - before)
        self._expire(now)
        if self._line or (want and self._granted - self._spent < self._low):
            self._link.ask(self._next_at)

    def void(self, now: float) -> None:
        """Forget all leases: the server has lost its data."""
        self._lots.clear()
        self._until, self._since = -inf, now
        self._granted = self._spent
        self._used, self._charge, self._left = {}, 0.0, None

    def look_again(self) -> None:
        """Wake those who wait: the server has gone, or is back."""
        self._stand_in = None
        for entry in self._line:
            _wake(entry)

    # --- within

    def _serve(self, now: float) -> None:
        """Give what is at hand to those in line, first come, first served."""
        while self._line and (free := self._granted - self._spent) > _ROUNDING:
            first = self._line[0]
            part = min(first.lacks, free)
            first.lacks -= part
            self._lacking -= part
            self._spent += part
            if first.lacks > _ROUNDING:
                return
            first.lacks = 0.0
            self._line.popleft()
            rest = first.amount - min(first.amount, self._cap)
            if rest > 0:  # larger than what may go at once
                self._count(now, rest)
                self._charge += rest
            _wake(first)

    def _leave_line(self, entry: SharedEntry) -> None:
        """Take one out of the line; what it had already is given back."""
        if entry in self._line:
            self._line.remove(entry)
            self._lacking -= entry.lacks
            had = entry.needed - entry.lacks
            if had > 0:
                self._count(entry.counted, -had)
                self._charge -= had
        entry.lacks = 0.0

    def _expire(self, now: float) -> None:
        """Give back what is left of leases that have ended."""
        if now < self._until:
            return
        while self._lots and self._lots[0][0] <= now:
            until, end = self._lots.popleft()
            unspent = end - self._spent
            if unspent > 0:
                self._spent += unspent
                self._count(until - self._life, -unspent)
                self._charge -= unspent
        self._until = self._lots[0][0] if self._lots else -inf

    def _count(self, at: float, units: float) -> None:
        grain = floor(at / self.period * GRAINS)
        self._used[grain] = self._used.get(grain, 0.0) + units

    def _stands_in(self, now: float) -> Rate | None:
        """Return the rate that holds without the server; None where nothing is let through then."""
        if self._stand_in is None and self._link.policy != "refuse":
            used = self._fill if now - self._heard_at < self.period else 0.0
            self._stand_in = stand_in_for(self.amount, self.period, self._link, used, now, smooth=self._smooth)
        return None if self._link.policy == "refuse" else self._stand_in


def _wake(entry: SharedEntry) -> None:
    if entry.ready is not None and not entry.ready.done():
        entry.ready.set_result(None)
