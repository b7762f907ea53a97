"""One budget in use: what is spent of it, period by period, and what this process may spend of it."""

from __future__ import annotations

import time
from math import inf
from typing import Protocol

from router.plan.budget import Budget
from router.plan.pricing import exact

PATIENCE = 1.0  # seconds that a share of what is left is spent without a grant, where the ledger does not answer
_LENT = 16  # the share: this part, in so many seconds
_PERIODS = 64  # of a budget, those that came last: a clock that is set back finds what was spent
_ROUNDING = 1e-9  # USD

GRANTED = "is granted to other processes"


class Keeper(Protocol):
    """Who keeps budgets where other processes see them, and grants each process what it may spend.

    `of_all_machines`: they may be on any machine, not on this one alone.
    """

    of_all_machines: bool

    def now(self) -> float:
        """Return the seconds on the clock by which what it grants ends."""
        ...

    def soon(self) -> None:
        """Exchange what was spent within a second, beside the requests."""

    async def grant(self, accounts: list[BudgetAccount], waited: float) -> None:
        """Wait until none of these is short, or nothing more is to be had for them; not for ever, and less where the
        request has `waited` for so many seconds already.
        """

    def look(self) -> None:
        """Learn what others spent, beside all else, for those who look on."""

    def on_failed_disk(self, period: Period) -> None:
        """Go on with a period of which the disk does not take what is pending."""


class Period:
    """What is spent in one period of a budget."""

    __slots__ = (
        "alone",
        "counted",
        "estimated",
        "free",
        "grant",
        "grant_ends",
        "is_whole",
        "machine",
        "most",
        "moved",
        "pending",
        "spent",
        "unknown",
        "why",
    )

    def __init__(self, grant: float) -> None:
        self.spent = 0.0  # by every process that shares the budget, as far as known
        self.pending = 0.0  # of that, what is not on disk yet
        self.counted = 0.0  # by this machine, as its disk says
        self.machine = ""  # whose disk that is
        self.alone = 0.0  # by this process, and on no disk
        self.moved = 0.0  # of both, by this process
        self.estimated = 0.0  # of what is spent, what no vendor told, by this process
        self.grant = grant  # what this process may have pending and reserved until it asks the others again
        self.grant_ends = inf  # on the clock of who grants it
        self.free = 0.0  # what nobody had been granted
        self.is_whole = True  # whether a call may begin with less than it is expected to cost
        self.unknown = False  # whether there were calls whose cost is not known
        self.most = inf  # that others say may be spent
        self.why = GRANTED  # where this process has nothing

    def move(self, usd: float, counted: float, machine: str) -> None:
        """Take over that so much of what was pending is on disk now.

        Args:
            counted: what it says then that this machine has spent.
            machine: a name for it; that of another disk, if it was deleted meanwhile.
        """
        self.pending -= usd
        self.moved += usd
        self.counted, self.machine = counted, machine
        self.spent = max(self.spent, counted + self.alone + self.pending)

    def count_alone(self) -> None:
        """Take over that no disk has what was pending: this process alone counts it."""
        usd, self.pending = self.pending, 0.0
        self.alone = exact(self.alone + usd)
        self.moved += usd
        self.grant -= usd


class BudgetAccount:
    """One budget, and what is spent of it, period by period.

    A period that has begun is never begun again, whatever the wall clock does: each has its own sum.

    `keeper` is asked what this process may spend, since others spend it too; None: there are no others.
    """

    __slots__ = (
        *("_lent_at", "_periods", "began", "begun", "budget", "ends", "expected", "idle", "keeper", "period"),
        *("reserved", "serial", "told", "unpriced", "waiting"),
    )

    def __init__(self, budget: Budget, wall: float, serial: int = 0) -> None:
        self.budget = budget
        self.serial = serial  # tells it from one of the same owner that was forgotten
        self.told: tuple[float, int] | None = None  # the period, and what people were told of it
        self.keeper: Keeper | None = None
        self._periods: dict[float, Period] = {}
        self.reserved = 0.0
        self.expected = 0.0  # what the last call was expected to cost that was not for nothing
        self.begun = 0.0  # what all calls were expected to cost
        self.waiting = 0  # requests that wait for a grant
        self._lent_at = -inf
        self.idle = 0  # exchanges since a request asked for it
        self.unpriced = False  # whether the plan has targets that it can't count, since their price is not known
        self.began = budget.began(wall)
        self.ends = budget.ends(self.began)  # seconds since 1970
        self.period = self._of(self.began)

    def _of(self, began: float) -> Period:
        period = self._periods.get(began)
        if period is None:
            period = self._periods[began] = Period(inf if self.keeper is None else 0.0)
            if len(self._periods) > _PERIODS:
                del self._periods[next(iter(self._periods))]
        return period

    def turn(self, wall: float) -> None:
        """Turn to the period of this moment."""
        if self.began <= wall < self.ends:
            return
        self.began = self.budget.began(wall)
        self.ends, self.period = self.budget.ends(self.began), self._of(self.began)

    def change(self, budget: Budget, wall: float) -> None:
        """Go by what a new plan says of it; what was spent of a period stays spent."""
        if budget != self.budget:
            self.budget, self.ends = budget, self.began
            self.turn(wall)

    def keep(self, keeper: Keeper | None) -> None:
        """Spend from now on only what this one grants."""
        if keeper is self.keeper:
            return
        self.keeper = keeper
        for period in self._periods.values():
            period.grant, period.grant_ends, period.is_whole = inf if keeper is None else 0.0, inf, True

    @property
    def of_all_machines(self) -> bool:
        """Whether machines spend it together."""
        return self.keeper is not None and self.keeper.of_all_machines

    @property
    def limit(self) -> float:
        """What may be spent in this period: the least that anybody says."""
        return min(self.budget.usd, self.period.most)

    @property
    def unwritten(self) -> list[tuple[float, Period]]:
        """The current period, and those of which something is not on disk yet."""
        return [(began, period) for began, period in self._periods.items() if period is self.period or period.pending]

    @property
    def spent(self) -> float:
        """What is spent in this period, as far as known."""
        return self.period.spent

    @property
    def is_settled(self) -> bool:
        """Whether nothing of it is under way, or is still to be written or given back."""
        if self.keeper is None:  # nothing is ever written
            return not (self.reserved or self.waiting)
        is_had = 0 < self.period.grant < inf
        return not (self.reserved or self.waiting or is_had or any(each.pending for each in self._periods.values()))

    def spent_at(self, wall: float) -> float:
        """Return what is spent at this moment, when another period may have begun."""
        return self.period.spent if wall < self.ends else 0.0

    @property
    def is_used_up(self) -> bool:
        """Whether nothing is left of the budget, as far as known."""
        spent = self.period.spent + self.reserved
        return spent >= self.budget.usd or spent >= self.period.most

    @property
    def is_short(self) -> bool:
        """Whether this process has used up what it was granted, while something may be left."""
        period = self.period
        if self.keeper is None or period.grant == inf or self.is_used_up:
            return False
        return self._lacks(period) or self.keeper.now() > period.grant_ends

    def _lacks(self, period: Period) -> bool:
        used = period.pending + self.reserved + _ROUNDING
        return used >= period.grant or (not period.is_whole and used + self.expected > period.grant + 2 * _ROUNDING)

    def lend(self) -> None:
        """Go on without a grant for a while, where the ledger does not answer: with a small share of what is left."""
        now, period = time.monotonic(), self.period
        if self.is_short and now - self._lent_at >= PATIENCE:
            self._lent_at = now
            period.grant = period.pending + self.reserved + (self.budget.usd - period.spent - self.reserved) / _LENT
            period.grant_ends = now + PATIENCE

    @property
    def is_empty(self) -> bool:
        """Whether no call may begin."""
        return self.is_used_up or self._lacks(self.period)
