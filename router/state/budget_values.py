"""One budget for each user, team and the like: an account for each value that was asked for lately."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from providers.embeddings import AnyRequest
from router.plan.budget import Budget, value_of
from router.state.budget_account import BudgetAccount

MOST = 10_000  # values in memory: of more, those go that were asked for the longest ago
TOP = 10  # values of each budget that are shown: those that have spent the most
HIGH = 1_000  # values of each budget that are told apart which have spent more than somebody wants to hear of
_AT_A_TIME = 16  # values that are looked at when another comes: those in use stay


class ValueBudgets:
    """The accounts of values, which stand in `accounts` beside those of budgets that are one for all.

    Those that go have nothing under way. What they have spent stays with who keeps budgets: the disk, or the server
    that machines share; where nobody does, it is forgotten.

    Args:
        accounts: all of a router's, by owner; it is changed.
        make: makes an account, which is kept by whoever keeps them now. The number is of accounts that went before.
    """

    def __init__(self, accounts: dict[str, BudgetAccount], make: Callable[[Budget, int], BudgetAccount]) -> None:
        self.accounts = accounts
        self.active: dict[str, BudgetAccount] = {}  # those that were asked for since they were written last
        self._make = make
        self._written: dict[str, Budget] = {}  # as the file says them, by whose they are
        self._last: dict[str, BudgetAccount] = {}  # the one that was asked for last is the last
        self._tops: dict[str, dict[str, BudgetAccount]] = {}
        self._highs: dict[str, dict[str, BudgetAccount]] = {}  # of the newest period, by whose they are
        self.high_from = 1.0  # the part of a budget from which on a value's is among `high`
        self._gone = 0

    def __bool__(self) -> bool:
        """Whether the file has such budgets."""
        return bool(self._written)

    def adopt(self, budgets: dict[str, Budget], accounts: dict[str, BudgetAccount], wall: float) -> None:
        """Take over the budgets of a plan, by owner; the values of those that stay have spent what they have."""
        before, self._written, self.accounts = self._written, budgets, accounts
        self._tops, self._highs = {owner: {} for owner in budgets}, {owner: {} for owner in budgets}
        kept, self._last, self.active = self._last, {}, {}
        for owner, account in kept.items():
            whose = account.budget.written_at
            old, new = before.get(whose), budgets.get(whose)
            if old is None or new is None or (old.by, old.per) != (new.by, new.per):
                continue
            account.change(_changed(account.budget, new), wall)
            self._last[owner] = self.accounts[owner] = self.active[owner] = account
            self.rank(account, wall)

    def of(self, budget: Budget, request: AnyRequest) -> Budget:
        """Return the budget of the value that a request has."""
        assert budget.by is not None, "it is one for all"
        value = value_of(budget.by, request)
        known = self._last.get(budget.owner_of(value))
        return budget.of_value(value) if known is None else known.budget

    def account(self, budget: Budget) -> BudgetAccount | None:
        """Return the account of a value's budget, made on first use; None for one that the file has no more."""
        owner = budget.owner
        account = self._last.pop(owner, None)
        if account is None:
            if budget.written_at not in self._written:
                return None
            self._make_room()
            account = self.accounts[owner] = self._make(budget, self._gone)
        self._last[owner] = self.active[owner] = account
        return account

    def rank(self, account: BudgetAccount, wall: float) -> None:
        """Have an account among those that are shown if it has spent more than one of them, and among the high ones."""
        if account.spent_at(wall) >= self.high_from * account.limit:
            self.note_high(account)
        top = self._tops.get(account.budget.written_at)
        owner = account.budget.owner
        if top is None or owner in top:
            return
        if len(top) >= TOP:
            least = min(top, key=lambda name: top[name].spent_at(wall))
            if top[least].spent_at(wall) >= account.spent_at(wall):
                return
            del top[least]
        top[owner] = account

    def top(self, wall: float) -> Iterator[BudgetAccount]:
        """Yield those that have spent the most, of each budget in turn."""
        for top in self._tops.values():
            yield from sorted(top.values(), key=lambda account: -account.spent_at(wall))

    def note_high(self, account: BudgetAccount) -> None:
        """Look whether it is among the high ones when these are asked for."""
        highs = self._highs.get(account.budget.written_at)
        if highs is None:
            return
        if highs and next(iter(highs.values())).began < account.began:
            highs.clear()
        if len(highs) < HIGH:
            highs[account.budget.owner] = account

    def high(self, wall: float) -> Iterator[BudgetAccount]:
        """Yield those that have spent `high_from` of theirs, of each budget in turn."""
        for highs in self._highs.values():
            for account in highs.values():
                if account.spent_at(wall) >= self.high_from * account.limit:
                    yield account

    @property
    def written(self) -> tuple[Budget, ...]:
        """The budgets as the file says them."""
        return tuple(self._written.values())

    def rest(self) -> None:
        """Look no more after those that have nothing to be written, until they are asked for again."""
        for owner in [owner for owner, account in self.active.items() if account.is_settled]:
            del self.active[owner]

    def _make_room(self) -> None:
        if len(self._last) < MOST:
            return
        oldest = [owner for owner, _ in zip(self._last, range(_AT_A_TIME), strict=False)]
        owner = next((owner for owner in oldest if self._last[owner].is_settled), None)
        if owner is None:
            return  # all of them are in use
        account = self._last.pop(owner)
        written_at = account.budget.written_at
        for place in (self.accounts, self.active, self._tops.get(written_at, {}), self._highs.get(written_at, {})):
            place.pop(owner, None)
        self._gone += 1


def _changed(budget: Budget, new: Budget) -> Budget:
    """The budget of a value, by the terms of a new plan."""
    return Budget(budget.owner, new.usd, new.per, None, budget.of, new.timezone, new.resets)
