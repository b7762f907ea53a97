"""What was spent, against the budgets of the file: one more reason to leave a target alone.

A budget's period is a fixed one of the calendar in UTC: an hour begins at :00, a day at midnight, a week on Monday.
What a call will cost is reserved when it begins and corrected when it ends, so that calls under way count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from providers.types import Price, Usage
from router.plan.budget import Budget
from router.plan.pricing import cost
from router.plan.target import Target

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
    """Budgets that nobody keeps."""


class BudgetAccount:
    """What one budget has left."""

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
        return self.budget.ends(self.began)

    @property
    def is_empty(self) -> bool:
        return self.spent + self.reserved >= self.budget.usd


class Charge:
    """What one call costs the budgets that it counts for."""

    __slots__ = ("_expected", "_price", "_prompt", "_spending", "purses")

    def __init__(
        self, spending: Spending, purses: tuple[BudgetAccount, ...], price: Price | None, prompt: int, answer: int
    ):
        self._spending = spending
        self.purses = purses
        self._price = price
        self._prompt = prompt
        self._expected = cost(price, Usage(prompt, answer)) or 0.0
        for purse in purses:
            purse.reserved += self._expected

    def settle(self, usage: Usage | None, answered: int) -> None:
        """The call has ended.

        Args:
            usage: what the vendor counted; None where it did not say.
            answered: tokens of the answer that came, roughly, for when it did not say; below 0: nothing was charged.
        """
        real = None if usage is None else cost(self._price, usage)
        if real is None:
            real = 0.0 if answered < 0 else cost(self._price, Usage(self._prompt, answered)) or 0.0
        for purse in self.purses:
            purse.reserved = max(0.0, purse.reserved - self._expected)
        self._spending.charge(self.purses, real)


class Spending:
    """The budgets of a plan, by purse.

    Args:
        wall: the wall clock, in seconds since 1970: budgets outlive the process.

    `changed` is called after every charge, for what keeps them on disk.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self.changed: Callable[[], None] = _nothing
        self.purses: dict[str, BudgetAccount] = {}

    def adopt(self, budgets: Iterable[Budget]) -> None:
        """Take over the budgets of a plan; what was spent in the same kind of period stays spent."""
        wall, had, self.purses = self._wall(), self.purses, {}
        for budget in budgets:
            purse = had.get(budget.purse)
            if purse is None or purse.budget.per != budget.per:
                purse = BudgetAccount(budget, wall)
            purse.budget = budget
            self.purses[budget.purse] = purse

    def over(self, budgets: Iterable[Budget | None], target: Target) -> tuple[BudgetAccount, float] | None:
        """A budget that the target must not use any more, and the seconds until its next period; None: there is none.

        A target whose price is known to be nothing is never over budget.
        """
        price = target.capabilities.price
        if price is not None and price.input == 0 and price.output == 0:
            return None
        for budget in budgets:
            purse = None if budget is None else self.purses.get(budget.purse)
            if purse is None:
                continue
            wall = self._wall()
            purse.turn(wall)
            if purse.is_empty:
                return purse, purse.ends - wall
        return None

    def bill(
        self, budgets: Iterable[Budget | None], target: Target, prompt: int, max_tokens: int | None
    ) -> Charge | None:
        """For a call that begins now; None when it counts for no budget."""
        found = [self.purses.get(budget.purse) for budget in budgets if budget is not None]
        purses = tuple(purse for purse in found if purse is not None)
        if not purses:
            return None
        answer = _USUAL_ANSWER if max_tokens is None else max_tokens
        return Charge(self, purses, target.capabilities.price, prompt, answer)

    def charge(self, purses: Iterable[BudgetAccount], usd: float) -> None:
        if usd <= 0:
            return
        wall = self._wall()
        for purse in purses:
            purse.turn(wall)
            purse.spent += usd
            purse.pending += usd
        self.changed()

    def report(self) -> tuple[Spent, ...]:
        """All budgets as they are now."""
        wall = self._wall()
        found = []
        for purse in self.purses.values():
            purse.turn(wall)
            scope, _, name = purse.budget.purse.partition(" ")
            budget = purse.budget
            found.append(Spent(scope, name, purse.spent, budget.usd, budget.per, purse.ends))
        return tuple(found)
