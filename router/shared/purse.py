"""One period of a budget that machines share, as a process sees it: what it tells of it, and the dollars it has leased.

Pure: time comes in, by the clock of the event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import exp, inf
from typing import Protocol

from router.plan.pricing import exact
from router.shared.budget import NANO, BudgetEntry, Standing, at_least, at_most
from router.state.budget_account import GRANTED, BudgetAccount, Period

_LASTS = 40 * 86_400  # seconds after its end that a period is remembered
_VALUE_LASTS = 2 * 86_400  # the same, of one of many users and the like
_LEASED = 4.0  # seconds that a lease is spent without a reply; the server keeps it for 5
_RENEWED = 1.0  # seconds after which a lease is told again
_FIRST = 1 / 16  # of a budget, wanted for a first call, of which nobody knows yet what it costs
_AMPLE = 16  # times as much as is lent where the server is slow, and not away, has to be left
_MEMORY = 1.0  # seconds over which demand is smoothed
_AHEAD = 1.0  # seconds for which dollars are wanted
_REFUSED = "can't be asked for, since the shared state is away (shared.budgets_away: refuse)"


class Told:
    """What is told of a budget in one exchange, which may have to be repeated.

    `granted` is what the process had pending, reserved and kept of its lease then, `moved` what it had counted by then;
    `who` counts the total that is told.
    """

    __slots__ = ("_entry", "_receive", "granted", "moved", "who")

    is_idle = True  # a lease lasts for longer than until the next exchange

    def __init__(
        self,
        entry: BudgetEntry,
        granted: float,
        moved: float,
        who: str,
        receive: Callable[[Standing, BudgetEntry, Told, float, float], None],
    ) -> None:
        self._entry = entry
        self.granted = granted
        self.moved = moved
        self.who = who
        self._receive = receive

    def entry(self, now: float) -> BudgetEntry:
        """Return it as it is told, now as at first."""
        return self._entry

    def read(self, answer: str) -> Callable[[float, float], None]:
        """Read how the budget stands; raises ValueError where that is not said."""
        return partial(self._receive, Standing.read(answer), self._entry, self)


class Asking(Protocol):
    """What a purse needs of all of them, and of the link."""

    @property
    def process(self) -> str:
        """The random name of this process, for what it counts alone."""
        ...

    @property
    def processes(self) -> int:
        """How many share."""
        ...

    @property
    def lease(self) -> float:
        """The seconds that what is not asked for stays leased."""
        ...

    @property
    def is_away(self) -> bool:
        """Whether the server does not answer."""
        ...

    @property
    def refuses(self) -> bool:
        """Whether nothing is spent without the server but what is leased."""
        ...

    def name(self, what: str) -> str:
        """Return what something is called at the server: a keyed hash."""
        ...

    def heard(self, now: float) -> None:
        """Take note of a reply."""
        ...


class SharedPurse:
    """What a process knows of one period of a budget, and has leased of it.

    Args:
        name: of the budget and the period at the server.
        link: to the server.

    `was_refused`: a call was waited for, and the last reply had nothing for it. `answered` is when that was asked for
    of which the server answered last what it grants. `has_more`: what was told last left a total out.
    """

    def __init__(self, name: str, account: BudgetAccount, began: float, period: Period, link: Asking) -> None:
        self.account = account
        self.period = period
        self.was_refused = False
        self.answered = -inf
        self.is_young = False
        self._name = name
        self._link = link
        lasts = _VALUE_LASTS if account.budget.of else _LASTS
        self._lasts = lasts + round(account.budget.ends(began) - began)
        # What counts alone only grows: an account that was forgotten and begins anew has another name.
        self._alone = f"{link.process} {account.serial}" if account.serial else link.process
        self.has_more = False
        self._known: dict[str, int] = {}  # what the server knows, by who counts it
        self._told_last = ""  # who counts it
        self._leased = 0.0
        self._told_at = self._active_at = self._measured_at = -inf
        self._begun = account.begun
        self._demand = 0.0
        self._lent = 0.0  # to those who had waited long enough, since the last reply
        self._is_heard = self._has_lent = False

    @property
    def is_current(self) -> bool:
        """Whether its period is the one that is running."""
        return self.period is self.account.period

    @property
    def is_busy(self) -> bool:
        """Whether somebody spends it, or the server doesn't know yet what was spent."""
        is_spent = self.is_current and (self._leased > 0 or self.account.waiting > 0 or self.account.reserved > 0)
        return is_spent or self.period.pending > 0 or self._is_news

    @property
    def _is_news(self) -> bool:
        return bool(self._untold())

    def _totals(self) -> dict[str, int]:
        """Return what is counted, by who does: the machine, on its disk, and this process what no disk took."""
        period = self.period
        totals = {period.machine: at_most(period.counted), self._alone: at_most(period.alone)}
        return {who: total for who, total in totals.items() if total}

    def _untold(self) -> dict[str, int]:
        """Return what the server does not know yet, by who counts it."""
        more = {who: total - self._known.get(who, 0) for who, total in self._totals().items()}
        return {who: nano for who, nano in more.items() if nano > 0}

    def _next(self, *, leaving: bool) -> str:
        """Return whose total is told next: an exchange has room for one. The last is one that no disk has."""
        news = self._untold()
        if leaving and self._alone in news:
            return self._alone
        others = [who for who in news if who != self._told_last]
        return next(iter(others or news), self.period.machine or self._alone)

    def tell(self, now: float, every: float, *, leaving: bool) -> Told | None:
        """Return what is to be told and asked in an exchange now; None for nothing.

        Args:
            every: seconds after which it is told though there is nothing new.
            leaving: all is given back.
        """
        account, period = self.account, self.period
        is_current = self.is_current
        used = period.pending + (account.reserved if is_current else 0.0)
        wanted = self._wanted(now) if is_current and not leaving else 0.0
        kept = max(0.0, min(period.grant - used, wanted))
        if kept < account.expected:
            kept = 0.0  # too little for a call, here; together with what others can't use it may do for one
        low, since = kept <= wanted / 2 and wanted > 0, now - self._told_at
        is_due = since >= every or (self._leased > 0 and since >= _RENEWED)
        if not (low or is_due or leaving or self._is_news or self._leased > 2 * (used + kept)):
            return None
        self._told_at = now
        granted = used + kept
        if granted < period.grant:  # before others can have the rest
            period.grant, self._has_lent = granted, False
        who = self._told_last = self._next(leaving=leaving)
        rest = sum(nano for other, nano in self._untold().items() if other != who)
        self.has_more = rest > 0
        entry = BudgetEntry(
            self._name,
            round(account.budget.usd * NANO),
            self._link.name(who),
            self._totals().get(who, 0),
            0 if leaving else at_least(granted) + rest,
            at_least(wanted - kept),
            at_least(account.expected) or 1,
            self._lasts,
        )
        return Told(entry, granted, period.moved, who, self._receive)

    def _wanted(self, now: float) -> float:
        """Return what the next second will probably cost, one call at least; 0 where nobody has asked lately."""
        account, seconds = self.account, now - self._measured_at
        begun, self._begun, self._measured_at = account.begun - self._begun, account.begun, now
        if seconds > 0:
            self._demand += (1 - exp(-seconds / _MEMORY)) * (begun / seconds - self._demand)
        if begun > 0 or account.waiting:
            self._active_at = now
        elif now - self._active_at >= self._link.lease:
            return 0.0
        one = account.expected or account.budget.usd * _FIRST
        return max(one * (1 + account.waiting), self._demand * _AHEAD)

    def _receive(self, standing: Standing, entry: BudgetEntry, told: Told, asked_at: float, now: float) -> None:
        period = self.period
        self._known[told.who] = standing.known
        untold = sum(self._untold().values())
        period.spent = max(period.spent, exact((standing.spent + untold) / NANO + period.pending))
        period.most = standing.limit / NANO
        self._leased = (entry.hold + standing.got) / NANO
        self.was_refused = entry.more > 0 and not standing.got
        if entry.more > 0:
            self.answered = asked_at
        self.is_young = standing.young
        if not (self._has_lent and standing.young):
            self._take(standing, told, asked_at)
        self._link.heard(now)

    def _take(self, standing: Standing, told: Told, asked_at: float) -> None:
        period = self.period
        period.grant = told.granted + standing.got / NANO - (period.moved - told.moved)
        period.grant_ends = asked_at + _LEASED
        period.why = GRANTED
        if not standing.young:
            period.free = standing.free / NANO
            period.is_whole = not standing.others and not standing.free
            self._is_heard, self._has_lent, self._lent = True, False, 0.0

    def lend(self, now: float) -> None:
        """Go on without the server: with a part of what nobody had when it was heard last, once; or with nothing. While
        it is slow and not away, with as much as those who wait need.
        """
        account, period = self.account, self.period
        used = period.pending + account.reserved
        if self._link.refuses:
            if now > period.grant_ends or period.grant <= used:
                period.grant, period.why = min(period.grant, used), _REFUSED
            return
        if self._has_lent:
            return
        left = period.free if self._is_heard else max(0.0, account.budget.usd - period.spent - account.reserved)
        if self._is_heard and not (self._link.is_away or self.is_young):
            one = account.expected or account.budget.usd * _FIRST
            more = min(one * (1 + account.waiting), left / max(1, self._link.processes) / _AMPLE - self._lent)
            if more > 0:
                self._lent += more
                period.grant, period.grant_ends = max(period.grant, used) + more, now + _LEASED
            return
        self._has_lent = period.is_whole = True
        base = period.grant if self._is_heard else used
        period.grant = base + left / max(1, self._link.processes)
        period.grant_ends = inf

    def void(self) -> None:
        """Tell the total again: the server has lost its data."""
        self._known.clear()
        self.renew()

    def renew(self) -> None:
        """Tell all again in the next exchange."""
        self._told_at = -inf
