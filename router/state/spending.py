"""Adds up what was spent, against the budgets of the file: one more reason to leave a target alone.

A budget's period is a fixed one of the calendar in UTC: an hour begins at :00, a day at midnight, a week on Monday.
What a call will cost is reserved when it begins and corrected when it ends, so that calls under way count.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from providers.types import Price, Usage
from router.plan.budget import Budget
from router.plan.plan import Plan
from router.plan.pricing import cost, exact
from router.plan.target import Target
from router.views.money import exact_dollars

log = logging.getLogger("signalbox.spending")

PATIENCE = 1.0  # seconds that a request waits for the ledger; then a share of what is left is spent without it
_TRIES = 5  # times that it does
_LENT = 16  # the share: this part, in so many seconds
_FIRST_ANSWER = 4096  # tokens reserved at most for an answer of unknown length while none has been seen
_FADING = 0.2  # of the way back to shorter answers, with each of them
_ANSWERS = 1024  # targets whose answers are remembered
_PERIODS = 64  # of a budget, those that came last: a clock that is set back finds what was spent


@dataclass(frozen=True, slots=True)
class Spent:
    """A budget in use: `usd` of `limit` in a period of `per` seconds that ends at `resets_at` (seconds since 1970).

    `usd` is None where nothing is known: all that was called has no known price. With `at_least` it leaves out calls of
    unknown price. `estimated` of it are for calls of this process whose vendor told no usage.
    """

    scope: str
    name: str
    usd: float | None
    limit: float
    per: float
    resets_at: float
    at_least: bool = False
    estimated: float = 0.0


class Keeper(Protocol):
    """Who keeps budgets where other processes see them."""

    def soon(self) -> None:
        """Exchange what was spent within a second, beside the requests."""

    async def sync(self) -> None:
        """Exchange it now; returns when that is done."""

    def look(self) -> None:
        """Learn what others spent, beside all else, for those who look on."""


class Period:
    """What is spent in one period of a budget."""

    __slots__ = ("estimated", "free", "grant", "grant_ends", "pending", "spent", "unknown")

    def __init__(self, grant: float) -> None:
        self.spent = 0.0  # by every process that shares the budget, as far as known
        self.pending = 0.0  # of that, what is not on disk yet
        self.estimated = 0.0  # of that, what no vendor told, by this process
        self.grant = grant  # what this process may spend and reserve until it asks the others again
        self.grant_ends = inf  # on the clock of the machine, which its processes share
        self.free = 0.0  # what nobody had been granted
        self.unknown = False  # whether there were calls whose cost is not known


def _unwatched(account: BudgetAccount) -> None:
    """Tell nobody of a budget."""


class BudgetAccount:
    """One budget, and what is spent of it, period by period.

    A period that has begun is never begun again, whatever the wall clock does: each has its own sum.

    Args:
        shared: other processes spend it too, so that each spends only what it was granted.
    """

    __slots__ = (
        "_lent_at",
        "_periods",
        "began",
        "budget",
        "expected",
        "idle",
        "period",
        "reserved",
        "shared",
        "unpriced",
        "waiting",
    )

    def __init__(self, budget: Budget, wall: float, *, shared: bool = False) -> None:
        self.budget = budget
        self.shared = shared
        self._periods: dict[float, Period] = {}
        self.reserved = 0.0
        self.expected = 0.0  # what the last call was expected to cost
        self.waiting = 0  # requests that wait for a grant
        self._lent_at = -inf
        self.idle = 0  # exchanges since a request asked for it
        self.unpriced = False  # whether the plan has targets that it can't count, since their price is not known
        self.began = budget.began(wall)
        self.period = self._of(self.began)

    def _of(self, began: float) -> Period:
        period = self._periods.get(began)
        if period is None:
            period = self._periods[began] = Period(0.0 if self.shared else inf)
            if len(self._periods) > _PERIODS:
                del self._periods[next(iter(self._periods))]
        return period

    def turn(self, wall: float) -> None:
        """Turn to the period of this moment."""
        began = self.budget.began(wall)
        if began != self.began:
            self.began, self.period = began, self._of(began)

    def share(self) -> None:
        """Spend from now on only what is granted."""
        self.shared = True
        for period in self._periods.values():
            period.grant = 0.0

    @property
    def unwritten(self) -> list[tuple[float, Period]]:
        """The current period, and those of which something is not on disk yet."""
        return [(began, period) for began, period in self._periods.items() if period is self.period or period.pending]

    @property
    def spent(self) -> float:
        """What is spent in this period, as far as known."""
        return self.period.spent

    @property
    def ends(self) -> float:
        """When the current period ends, in seconds since 1970."""
        return self.budget.ends(self.began)

    @property
    def is_used_up(self) -> bool:
        """Whether nothing is left of the budget, as far as known."""
        return self.period.spent + self.reserved >= self.budget.usd

    @property
    def is_short(self) -> bool:
        """Whether this process has used up what it was granted, while something may be left."""
        period = self.period
        if period.grant == inf or self.is_used_up:
            return False
        return period.pending + self.reserved >= period.grant or time.monotonic() > period.grant_ends

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
        return self.is_used_up or self.period.pending + self.reserved >= self.period.grant


class Charge:
    """The cost of one call to the budgets that it counts for."""

    __slots__ = ("_expected", "_price", "_spending", "_target", "accounts")

    def __init__(
        self, spending: Spending, accounts: tuple[BudgetAccount, ...], target: Target, prompt: int, answer: int
    ):
        self._spending = spending
        self.accounts = accounts
        self._target = target.identity
        self._price: Price | None = target.capabilities.price
        self._expected = exact(cost(self._price, Usage(prompt, answer)) or 0.0)
        for account in accounts:
            account.reserved += self._expected
            account.expected = self._expected

    def settle(self, usage: Usage, *, estimated: bool) -> None:
        """Replace what was reserved by what the call has cost, now that it has ended.

        Args:
            usage: both counts known; 0 and 0 for a call that cost nothing.
            estimated: the vendor did not tell all of it.
        """
        for account in self.accounts:
            account.reserved -= self._expected
        if not usage.input_tokens and not usage.output_tokens:
            return
        if usage.output_tokens and not estimated:
            self._spending.learn(self._target, usage.output_tokens)
        self._spending.charge(self.accounts, cost(self._price, usage), estimated=estimated)


class Spending:
    """The budgets of a plan, by account.

    Args:
        wall: the wall clock, in seconds since 1970: budgets outlive the process.

    `keeper` keeps them on disk; None keeps them in memory alone. `watch` is called with each budget that is asked for
    or charged, for who tells of them.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self.keeper: Keeper | None = None
        self.watch: Callable[[BudgetAccount], None] = _unwatched
        self.accounts: dict[str, BudgetAccount] = {}
        self._known: dict[tuple[str, float], BudgetAccount] = {}  # by owner and period, those that edits took away too
        self._answers: dict[str, float] = {}  # tokens, by target

    def adopt(self, plan: Plan) -> None:
        """Take over the budgets of a plan; what was spent in the same kind of period stays spent."""
        for sentence in plan.uncounted:
            log.warning(sentence)
        wall, self.accounts = self._wall(), {}
        uncounted = plan.uncounted_owners
        for budget in plan.budgets:
            account = self._known.get((budget.owner, budget.per))
            if account is None:
                account = BudgetAccount(budget, wall)
                self._known[budget.owner, budget.per] = account
            if self.keeper is not None and not account.shared:
                account.share()
            account.budget = budget
            account.unpriced = budget.owner in uncounted
            self.accounts[budget.owner] = account

    def inherit(self, parent: Spending) -> None:
        """Know what was spent when the process was forked; what is not on disk yet, the parent writes."""
        for owner, account in self.accounts.items():
            known = parent.accounts.get(owner)
            if known is not None and known.began == account.began:
                account.period.spent = known.period.spent

    def over(self, budgets: Iterable[Budget | None], target: Target) -> tuple[BudgetAccount, float] | None:
        """Return a budget that the target must not use any more, and the seconds until its next period; None when there
        is none.

        A target whose price is known to be nothing is never over budget.
        """
        price = target.capabilities.price
        if price is not None and price.input == 0 and price.output == 0:
            return None
        for account in self._accounts_of(budgets):
            if account.is_empty:
                return account, account.ends - self._wall()
        return None

    def used_up(self, budget: Budget, *, here: bool = False) -> tuple[BudgetAccount, float] | None:
        """Return a budget's account, and the seconds until its next period, when nothing is left of it; `here` is
        also when what is left is granted to other processes.
        """
        for account in self._accounts_of((budget,)):
            if account.is_empty if here else account.is_used_up:
                return account, account.ends - self._wall()
        return None

    def _accounts_of(self, budgets: Iterable[Budget | None]) -> list[BudgetAccount]:
        wall, accounts = self._wall(), []
        for budget in budgets:
            account = None if budget is None else self.accounts.get(budget.owner)
            if account is not None:
                account.turn(wall)
                self.watch(account)
                accounts.append(account)
        return accounts

    async def ready(self, budgets: Iterable[Budget | None]) -> None:
        """Wait until this process has been granted something of each of these budgets, or nothing is left of it.

        It returns at once but for the first request after idleness, and where others spend the same budget quickly.
        """
        if self.keeper is None:
            return
        accounts = self._accounts_of(dict.fromkeys(budgets))
        for account in accounts:
            account.idle = 0
            account.waiting += 1
        try:
            for _ in range(_TRIES):
                try:
                    async with asyncio.timeout(PATIENCE):
                        await self._granted(accounts)
                    return
                except TimeoutError:
                    for account in accounts:
                        account.lend()
        finally:
            for account in accounts:
                account.waiting -= 1

    async def _granted(self, accounts: list[BudgetAccount]) -> None:
        """Exchange until none of these is short, or nothing more is to be had for them."""
        assert self.keeper is not None
        while short := [account for account in accounts if account.is_short]:
            await self.keeper.sync()
            if all(account.is_short and account.period.free <= 0 for account in short):
                return

    def begin_charge(
        self, budgets: Iterable[Budget | None], target: Target, prompt: int, max_tokens: int | None
    ) -> Charge | None:
        """Reserve the cost of a call that begins now; None when it counts for no budget."""
        accounts = tuple(self._accounts_of(budgets))
        if not accounts:
            return None
        charge = Charge(self, accounts, target, prompt, self._expected_answer(target, max_tokens))
        if self.keeper is not None:
            self.keeper.soon()
        return charge

    def _expected_answer(self, target: Target, max_tokens: int | None) -> int:
        """Return the tokens to reserve for an answer: what bounds it, else what the target's answers are like."""
        bound = target.bound(max_tokens)
        if bound is not None:
            return bound
        known = target.capabilities.max_output_tokens
        seen = self._answers.get(target.identity, _FIRST_ANSWER)
        return round(seen if known is None else min(seen, known))

    def learn(self, target: str, answer: int) -> None:
        """Learn how long a target's answers are: a longer one counts at once, shorter ones bit by bit."""
        seen = self._answers.get(target)
        if seen is None and len(self._answers) >= _ANSWERS:
            del self._answers[next(iter(self._answers))]
        self._answers[target] = answer if seen is None else max(answer, seen + _FADING * (answer - seen))

    def charge(self, accounts: Iterable[BudgetAccount], usd: float | None, *, estimated: bool = False) -> None:
        """Add what a call has cost; None is unknown."""
        wall = self._wall()
        for account in accounts:
            account.turn(wall)
            if usd is None:
                account.period.unknown = True
                continue
            period, amount = account.period, exact(max(0.0, usd))
            period.spent += amount
            period.pending += amount
            if estimated:
                period.estimated += amount
            self.watch(account)
        if usd and self.keeper is not None:
            self.keeper.soon()

    def report(self) -> tuple[Spent, ...]:
        """Return all budgets as they are now, as far as known; what others spent meanwhile is learned for the next
        time.
        """
        if self.keeper is not None:
            self.keeper.look()
        wall = self._wall()
        budgets = []
        for account in self.accounts.values():
            account.turn(wall)
            scope, _, name = account.budget.owner.partition(" ")
            budget, spent = account.budget, account.spent
            unknown = account.unpriced or account.period.unknown
            usd = None if unknown and not spent else round(spent, 10)
            at_least = unknown and usd is not None
            estimated = round(account.period.estimated, 10)
            budgets.append(Spent(scope, name, usd, budget.usd, budget.per, account.ends, at_least, estimated))
        return tuple(budgets)


def why_over(account: BudgetAccount, seconds: float) -> str:
    """Say that a budget is used up, and when it begins anew: in so many seconds."""
    budget = account.budget
    used = f"{exact_dollars(float(f'{account.spent:.3g}'))} of {exact_dollars(budget.usd)} {budget.period}"
    how = "is used up" if account.is_used_up else "is granted to other processes"
    return f"the budget of {budget.owner} {how} ({used}); it begins anew in {_rough(seconds)}"


def _rough(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
