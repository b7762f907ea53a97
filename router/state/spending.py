"""Adds up what was spent, against the budgets of the file: one more reason to leave a target alone.

A budget's period is a fixed one of the calendar in UTC: an hour begins at :00, a day at midnight, a week on Monday.
What a call will cost is reserved when it begins and corrected when it ends, so that calls under way count.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from providers.types import Price, Usage
from router.plan.budget import Budget
from router.plan.plan import Plan
from router.plan.pricing import cost
from router.plan.target import Target

log = logging.getLogger("signalbox.spending")

_USUAL_ANSWER = 500  # tokens, where a request sets no max_tokens


@dataclass(frozen=True, slots=True)
class Spent:
    """A budget in use: `usd` of `limit` in a period of `per` seconds that ends at `resets_at` (seconds since 1970)."""

    scope: str
    name: str
    usd: float
    limit: float
    per: float
    resets_at: float


def _nothing() -> None:
    """Do nothing after a charge: nobody keeps these budgets on disk."""


class BudgetAccount:
    """One budget, and what is spent of it in the current period."""

    __slots__ = ("began", "budget", "pending", "reserved", "spent")

    def __init__(self, budget: Budget, wall: float) -> None:
        self.budget = budget
        self.began = budget.began(wall)
        self.spent = 0.0  # in this period, by every process that shares the budget, as far as known
        self.pending = 0.0  # of that, what is not on disk yet
        self.reserved = 0.0

    def turn(self, wall: float) -> None:
        """Begin the next period when it is time."""
        began = self.budget.began(wall)
        if began != self.began:
            self.began, self.spent, self.pending = began, 0.0, 0.0

    @property
    def ends(self) -> float:
        """When the current period ends, in seconds since 1970."""
        return self.budget.ends(self.began)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of the budget."""
        return self.spent + self.reserved >= self.budget.usd


class Charge:
    """The cost of one call to the budgets that it counts for."""

    __slots__ = ("_expected", "_price", "_prompt", "_spending", "accounts")

    def __init__(
        self, spending: Spending, accounts: tuple[BudgetAccount, ...], price: Price | None, prompt: int, answer: int
    ):
        self._spending = spending
        self.accounts = accounts
        self._price = price
        self._prompt = prompt
        self._expected = cost(price, Usage(prompt, answer)) or 0.0
        for account in accounts:
            account.reserved += self._expected

    def settle(self, usage: Usage | None, answered: int) -> None:
        """Replace what was reserved by what the call has cost, now that it has ended.

        Args:
            usage: what the vendor counted; None where it did not say.
            answered: tokens of the answer that came, roughly, for when it did not say; below 0: nothing was charged.
        """
        real = None if usage is None else cost(self._price, usage)
        if real is None:
            real = 0.0 if answered < 0 else cost(self._price, Usage(self._prompt, answered)) or 0.0
        for account in self.accounts:
            account.reserved = max(0.0, account.reserved - self._expected)
        self._spending.charge(self.accounts, real)


class Spending:
    """The budgets of a plan, by account.

    Args:
        wall: the wall clock, in seconds since 1970: budgets outlive the process.

    `changed` is called after every charge, for what keeps them on disk.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self.changed: Callable[[], None] = _nothing
        self.accounts: dict[str, BudgetAccount] = {}

    def adopt(self, plan: Plan) -> None:
        """Take over the budgets of a plan; what was spent in the same kind of period stays spent."""
        for sentence in plan.uncounted:
            log.warning(sentence)
        wall, had, self.accounts = self._wall(), self.accounts, {}
        for budget in plan.budgets:
            account = had.get(budget.owner)
            if account is None or account.budget.per != budget.per:
                account = BudgetAccount(budget, wall)
            account.budget = budget
            self.accounts[budget.owner] = account

    def inherit(self, parent: Spending) -> None:
        """Know what was spent when the process was forked; what is not on disk yet, the parent writes."""
        for owner, account in self.accounts.items():
            known = parent.accounts.get(owner)
            if known is not None:
                account.began, account.spent = known.began, known.spent

    def over(self, budgets: Iterable[Budget | None], target: Target) -> tuple[BudgetAccount, float] | None:
        """Return a budget that the target must not use any more, and the seconds until its next period; None when there
        is none.

        A target whose price is known to be nothing is never over budget.
        """
        price = target.capabilities.price
        if price is not None and price.input == 0 and price.output == 0:
            return None
        for budget in budgets:
            account = None if budget is None else self.accounts.get(budget.owner)
            if account is None:
                continue
            wall = self._wall()
            account.turn(wall)
            if account.is_empty:
                return account, account.ends - wall
        return None

    def begin_charge(
        self, budgets: Iterable[Budget | None], target: Target, prompt: int, max_tokens: int | None
    ) -> Charge | None:
        """Reserve the cost of a call that begins now; None when it counts for no budget."""
        kept = [self.accounts.get(budget.owner) for budget in budgets if budget is not None]
        accounts = tuple(account for account in kept if account is not None)
        if not accounts:
            return None
        answer = _USUAL_ANSWER if max_tokens is None else max_tokens
        return Charge(self, accounts, target.capabilities.price, prompt, answer)

    def charge(self, accounts: Iterable[BudgetAccount], usd: float) -> None:
        if usd <= 0:
            return
        wall = self._wall()
        for account in accounts:
            account.turn(wall)
            account.spent += usd
            account.pending += usd
        self.changed()

    def report(self) -> tuple[Spent, ...]:
        """Return all budgets as they are now."""
        wall = self._wall()
        budgets = []
        for account in self.accounts.values():
            account.turn(wall)
            scope, _, name = account.budget.owner.partition(" ")
            budget = account.budget
            budgets.append(Spent(scope, name, account.spent, budget.usd, budget.per, account.ends))
        return tuple(budgets)
