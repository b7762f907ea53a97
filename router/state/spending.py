"""Adds up what was spent, against the budgets of the file: one more reason to leave a target alone.

A budget's period is a fixed one of the calendar: an hour begins at :00, and if the file does not say otherwise a day at
midnight in UTC, a week on Monday.
What a call will cost is reserved when it begins and corrected when it ends, so that calls under way count.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from providers.embeddings import AnyRequest
from providers.types import Price, Usage
from router.plan.budget import Budget
from router.plan.plan import Plan
from router.plan.pricing import cost, exact
from router.plan.target import Target
from router.state.budget_account import BudgetAccount, Keeper
from router.state.budget_values import ValueBudgets
from router.views.money import exact_dollars

log = logging.getLogger("signalbox.spending")

_FIRST_ANSWER = 4096  # tokens reserved at most for an answer of unknown length while none has been seen
_FADING = 0.2  # of the way back to shorter answers, with each of them
_ANSWERS = 1024  # targets whose answers are remembered


@dataclass(frozen=True, slots=True)
class Spent:
    """A budget in use: `usd` of `limit` in a period of `per` seconds that ends at `resets_at` (seconds since 1970).

    `usd` is None where nothing is known: all that was called has no known price. With `at_least` it leaves out calls of
    unknown price. `estimated` of it are for calls of this process whose vendor told no usage. One `of_all_machines` is
    what all of them spend together, as far as it was heard. `of` says which value's it is, such as "user alice", where
    each has a budget; "" for one for all.
    """

    scope: str
    name: str
    usd: float | None
    limit: float
    per: float
    resets_at: float
    at_least: bool = False
    estimated: float = 0.0
    of_all_machines: bool = False
    of: str = ""

    @property
    def owner(self) -> str:
        """Whose it is, such as "route chat" or "route chat, user alice"."""
        return f"{self.scope} {self.name}{', ' if self.of else ''}{self.of}"


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
            account.begun += self._expected
            if self._expected:
                account.expected = self._expected

    def settle(self, usage: Usage, *, estimated: bool, told: float | None = None) -> None:
        """Replace what was reserved by what the call has cost, now that it has ended.

        Args:
            usage: both counts known; 0 and 0 for a call that cost nothing.
            estimated: the vendor did not tell all of it.
            told: the USD that the vendor itself says it costs, which count before any price.
        """
        for account in self.accounts:
            account.reserved -= self._expected
        if told is not None:
            self._spending.charge(self.accounts, told)
        if not usage.input_tokens and not usage.output_tokens:
            return
        if usage.output_tokens and not estimated:
            self._spending.learn(self._target, usage.output_tokens)
        if told is None:
            self._spending.charge(self.accounts, cost(self._price, usage), estimated=estimated)


def _unwatched(account: BudgetAccount) -> None:
    """Tell nobody of a budget."""


class Fleet(Keeper, Protocol):
    """Who keeps budgets that machines spend together."""

    def has(self, budget: Budget) -> bool:
        """Say whether it keeps this one."""
        ...

    def wall(self) -> float:
        """Return the seconds since 1970 by the clock that all of them go by."""
        ...


class Spending:
    """The budgets of a plan, by account.

    Args:
        wall: the wall clock, in seconds since 1970: budgets outlive the process.

    `name` is a random one, for what is counted here alone. `ledger` keeps them on disk, `fleet` has some of them in
    common with other machines; None: nobody does. `keeper` is the one of both to tell of what is new. `watch` is called
    with each budget that is asked for or charged, for who tells of them.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = self._own_wall = wall
        self.name = secrets.token_hex(16)
        self.ledger: Keeper | None = None
        self.fleet: Fleet | None = None
        self.keeper: Keeper | None = None
        self.watch: Callable[[BudgetAccount], None] = _unwatched
        self.accounts: dict[str, BudgetAccount] = {}
        self.is_used = False  # the file has budgets
        self.values = ValueBudgets(self.accounts, self._make)
        self._ones: tuple[BudgetAccount, ...] = ()  # budgets that are one for all
        self._uncounted: frozenset[str] = frozenset()
        self._known: dict[tuple[str, float], BudgetAccount] = {}  # by owner and period, those that edits took away too
        self._answers: dict[str, float] = {}  # tokens, by target

    def adopt(self, plan: Plan) -> None:
        """Take over the budgets of a plan; what was spent in the same kind of period stays spent."""
        for sentence in plan.uncounted:
            log.getChild("unpriced").warning(sentence)
        wall, self.accounts = self._wall(), {}
        by_value = {budget.owner: budget for budget in plan.budgets if budget.by is not None}
        self.values.high_from = min([1.0, *(rule.above for rule in plan.alerts if rule.on == "budget")])
        self._uncounted = plan.uncounted_owners
        for budget in plan.budgets:
            if budget.by is not None:
                continue
            account = self._known.get((budget.owner, budget.per))
            if account is None:
                account = self._known[budget.owner, budget.per] = BudgetAccount(budget, wall)
            account.change(budget, wall)
            self.accounts[budget.owner] = account
        self._ones = tuple(self.accounts.values())
        self.values.adopt(by_value, self.accounts, wall)
        self.is_used = bool(self.accounts or self.values)
        for account in self.accounts.values():
            account.unpriced = account.budget.written_at in self._uncounted
        self.keep()

    @property
    def active(self) -> tuple[BudgetAccount, ...]:
        """The budgets that are one for all, and those of values of which something may be to be written."""
        return (*self._ones, *self.values.active.values()) if self.values.active else self._ones

    def wall(self) -> float:
        """Return the seconds since 1970, by the clock that its periods go by."""
        return self._wall()

    def open(self, budgets: Iterable[Budget]) -> None:
        """Have the budgets of these values in use."""
        for budget in budgets:
            if (account := self.values.account(budget)) is not None:
                self.values.rank(account, self._wall())
                self.values.note_high(account)

    def _make(self, budget: Budget, serial: int) -> BudgetAccount:
        account = BudgetAccount(budget, self._wall(), serial)
        account.unpriced = budget.written_at in self._uncounted
        account.keep(self._keeper_of(budget))
        return account

    def of(self, budgets: Iterable[Budget | None], request: AnyRequest) -> tuple[Budget | None, ...]:
        """Return these budgets, of those with one for each value that of this request's."""
        return tuple(
            budget if budget is None or budget.by is None else self.values.of(budget, request) for budget in budgets
        )

    def keep(self) -> None:
        """Have each budget kept by whoever is there by now."""
        self.keeper = self.fleet or self.ledger
        self._wall = self._own_wall if self.fleet is None else self.fleet.wall
        for account in (*self._known.values(), *self.accounts.values()):
            account.keep(self._keeper_of(account.budget))

    def _keeper_of(self, budget: Budget) -> Keeper | None:
        return self.fleet if self.fleet is not None and self.fleet.has(budget) else self.ledger

    def inherit(self, parent: Spending) -> None:
        """Know what was spent when the process was forked; what is not on disk yet, the parent writes."""
        for known in parent.accounts.values():
            budget = known.budget
            account = self.values.account(budget) if budget.of else self.accounts.get(budget.owner)
            if account is not None and known.began == account.began:
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

    def used_up(
        self, budget: Budget, request: AnyRequest | None = None, *, here: bool = False
    ) -> tuple[BudgetAccount, float] | None:
        """Return a budget's account, and the seconds until its next period, when nothing is left of it; `here` is
        also when what is left is granted to other processes. Of one for each value it is that of the request's.
        """
        budgets = (budget,) if request is None else self.of((budget,), request)
        for account in self._accounts_of(budgets):
            if account.is_empty if here else account.is_used_up:
                return account, account.ends - self._wall()
        return None

    def _accounts_of(self, budgets: Iterable[Budget | None]) -> list[BudgetAccount]:
        wall, accounts = self._wall(), []
        for budget in budgets:
            if budget is None:
                continue
            account = self.values.account(budget) if budget.of else self.accounts.get(budget.owner)
            if account is not None:
                account.turn(wall)
                self.watch(account)
                accounts.append(account)
        return accounts

    async def ready(self, budgets: Iterable[Budget | None], waited: float = 0.0) -> None:
        """Wait until this process has been granted something of each of these budgets, or nothing is left of it.

        It returns at once but for the first request after idleness, and where others spend the same budget quickly.

        Args:
            waited: seconds that the request has waited for the server of what is shared.
        """
        accounts = self._accounts_of(dict.fromkeys(budgets))
        for account in accounts:
            account.idle = 0
        short = [account for account in accounts if account.is_short]
        if not short:
            return
        for account in short:
            account.waiting += 1
        try:
            for keeper in dict.fromkeys(account.keeper for account in short):
                if keeper is not None:
                    await keeper.grant([account for account in short if account.keeper is keeper], waited)
        finally:
            for account in short:
                account.waiting -= 1

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
            if account.budget.of:
                self.values.rank(account, wall)
            self.watch(account)
        if usd and self.keeper is not None:
            self.keeper.soon()

    def report(self, *, top: bool = False) -> tuple[Spent, ...]:
        """Return all budgets as they are now, as far as known; what others spent meanwhile is learned for the next
        time.

        Args:
            top: of budgets with one for each value those alone that have spent the most.
        """
        if self.keeper is not None:
            self.keeper.look()
        wall = self._wall()
        accounts = (*self._ones, *self.values.top(wall)) if top else tuple(self.accounts.values())
        return tuple(_spent(account, wall) for account in accounts)

    def high(self) -> tuple[Spent, ...]:
        """Return the budgets of values of which more is spent than an alert of the file tells of, or all."""
        wall = self._wall()
        return tuple(_spent(account, wall) for account in self.values.high(wall))


def _spent(account: BudgetAccount, wall: float) -> Spent:
    account.turn(wall)
    scope, name = account.budget.whose
    budget, spent = account.budget, account.spent
    unknown = account.unpriced or account.period.unknown
    usd = None if unknown and not spent else round(spent, 10)
    at_least = unknown and usd is not None
    estimated = round(account.period.estimated, 10)
    return Spent(
        scope,
        name,
        usd,
        account.limit,
        budget.per,
        account.ends,
        at_least,
        estimated,
        account.of_all_machines,
        budget.of,
    )


def why_over(account: BudgetAccount, seconds: float) -> str:
    """Say that a budget is used up, and when it begins anew: in so many seconds."""
    budget = account.budget
    used = f"{exact_dollars(float(f'{account.spent:.3g}'))} of {exact_dollars(account.limit)} {budget.period}"
    used += ", of all machines" if account.of_all_machines else ""
    how = "is used up" if account.is_used_up else account.period.why
    return f"the budget of {budget.owner} {how} ({used}); it begins anew in {_rough(seconds)}"


def _rough(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
