"""The budgets that machines spend together: each process tells what its machine has spent, and leases dollars."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import inf

from router.plan.budget import Budget
from router.plan.plan import Plan
from router.shared.link import Link
from router.shared.purse import SharedPurse, Told
from router.state.any_rate import PATIENCE
from router.state.budget_account import BudgetAccount, Period
from router.state.spending import Spending

_LEAST = 0.01  # seconds that one waits who has waited for others things already
_SOON = 0.25  # seconds after a call until its cost is told
_EVERY = 10.0  # seconds after which a budget is told of again, though there is nothing new
_LOOK = 2.0  # the same, while somebody looks on
_AT_ONCE = 100  # budgets that are looked at in one exchange though nobody spends them
_LOOKED = 5.0  # seconds after a look that somebody looks on


class SharedBudgets:
    """All budgets of a process that it shares, over one link; their keeper.

    Args:
        wall: this machine's clock, in seconds since 1970.
    """

    of_all_machines = True

    def __init__(self, link: Link, spending: Spending, wall: Callable[[], float]) -> None:
        self.link = link
        self._spending = spending
        self._own_wall = wall
        self._offset = 0.0  # seconds that the server's clock is ahead
        self._plan: Plan | None = None
        self._purses: dict[tuple[str, float, float], SharedPurse] = {}
        self._busy: dict[SharedPurse, None] = {}  # those that somebody spends, or that are not settled
        self._is_more = False  # whether others have to be told of as well
        self._turn = 0  # of the accounts: whose it is to be looked at
        self._replied = asyncio.Event()
        self._is_asked = False
        self._looked_at = -inf
        self._is_looked_at = False  # since it was told last

    def adopt(self, plan: Plan) -> None:
        """Keep all budgets of a plan but those of providers that say they are not shared."""
        self._plan = plan
        for purse in self._purses.values():
            purse.renew()
        self.link.ask(asyncio.get_running_loop().time())

    # --- what their spending asks

    def has(self, budget: Budget) -> bool:
        """Say whether it keeps this one."""
        return self._plan is not None and self._plan.is_shared(budget)

    def now(self) -> float:
        """Return the seconds on the clock of the event loop."""
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        """Return the seconds since 1970 by the server's clock, as far as it was heard."""
        return self._own_wall() + self._offset

    def soon(self) -> None:
        """Tell what was spent, beside the requests."""
        if self._spending.ledger is not None:
            self._spending.ledger.soon()
        if not self._is_asked:
            self._is_asked = True
            self.link.ask(asyncio.get_running_loop().time() + _SOON)

    def look(self) -> None:
        """Learn what others spent, for those who look on."""
        self._is_looked_at = True
        if self._spending.ledger is not None:
            self._spending.ledger.look()

    async def grant(self, accounts: list[BudgetAccount], waited: float) -> None:
        """Wait until none of these is short, or nothing more is to be had for them, for one reply or some."""
        loop = asyncio.get_running_loop()
        began, purses = loop.time(), self._current(accounts)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE if self.refuses else max(_LEAST, PATIENCE - waited)):
                while not self.link.away and (short := [purse for purse in purses if purse.account.is_short]):
                    self.link.ask(loop.time())
                    self._replied.clear()
                    await self._replied.wait()
                    purses = self._current(accounts)
                    if any(purse.is_young for purse in short):
                        break
                    if all(purse.was_refused for purse in short if purse.account.is_short):
                        return
        for purse in self._current(accounts):
            is_told_no = purse.was_refused and purse.answered >= began
            if purse.account.is_short and (not is_told_no or self.link.away or purse.is_young):
                purse.lend(loop.time())

    def on_failed_disk(self, period: Period) -> None:
        """Tell what is pending as what this process counts alone: it is as good as written once it is told."""
        period.count_alone()

    # --- what the link asks

    @property
    def process(self) -> str:
        """The name of this process, for what it counts alone: the same on every link."""
        return self._spending.name

    @property
    def processes(self) -> int:
        """How many share."""
        return self.link.processes

    @property
    def lease(self) -> float:
        """The seconds that what is not asked for stays leased."""
        return self.link.lease

    @property
    def is_away(self) -> bool:
        """Whether the server does not answer."""
        return self.link.away

    @property
    def refuses(self) -> bool:
        """Whether nothing is spent without the server but what is leased."""
        return self.link.rules.budgets_away == "refuse"

    def name(self, what: str) -> str:
        """Return what something is called at the server: a keyed hash."""
        return self.link.name(what)

    def tell(self, now: float, *, leaving: bool) -> Iterator[Told]:
        """Return what is to be told now of each budget."""
        self._is_asked = False
        self._hear(now)
        if self._is_looked_at:
            self._looked_at, self._is_looked_at = now, False
        every = _LOOK if now - self._looked_at < _LOOKED else _EVERY
        busy, self._busy = self._busy, {}
        self._is_more = False
        for purse in busy | dict.fromkeys(self._next(all_of_them=leaving)):
            if purse.account.keeper is not self:
                continue
            self._count(purse.period)
            if (told := purse.tell(now, every, leaving=leaving)) is not None:
                self._is_more |= purse.has_more or (purse not in busy and len(self._spending.accounts) > _AT_ONCE)
                yield told
            if purse.is_busy:
                self._busy[purse] = None

    def void(self, now: float) -> None:
        """Tell all totals again: the server has lost its data."""
        for purse in self._purses.values():
            purse.void()
        self._turn = 0
        self.link.ask(now)

    def look_again(self) -> None:
        """Wake those who wait for dollars."""
        self._replied.set()

    # --- within

    def _next(self, *, all_of_them: bool) -> Iterator[SharedPurse]:
        """Yield the purses of some accounts, in turn: a gateway may have thousands of clients, most of them idle."""
        accounts = list(self._spending.active)
        if not all_of_them and len(accounts) > _AT_ONCE:
            begin = self._turn if self._turn < len(accounts) else 0
            self._turn = begin + _AT_ONCE
            accounts = accounts[begin : self._turn]
        if len(self._purses) > 2 * len(self._spending.accounts) + _AT_ONCE:  # of periods that have ended
            self._purses = {key: purse for key, purse in self._purses.items() if purse.is_current or purse.is_busy}
        for account in accounts:
            if account.keeper is self:
                account.turn(self.wall())
                for began, period in account.unwritten:
                    yield self._purse(account, began, period)

    def _current(self, accounts: list[BudgetAccount]) -> list[SharedPurse]:
        """Return the purses that are spent now, which are told of in the next exchange."""
        purses = [self._purse(account, account.began, account.period) for account in accounts]
        self._busy |= dict.fromkeys(purses)
        return purses

    def _purse(self, account: BudgetAccount, began: float, period: Period) -> SharedPurse:
        key = account.budget.owner, account.budget.per, began
        purse = self._purses.get(key)
        if purse is None or purse.period is not period:
            name = self.link.name(f"budget {account.budget.owner} {account.budget.per:g}")
            purse = self._purses[key] = SharedPurse(f"{name}:{began:.0f}", account, began, period, self)
        return purse

    def _count(self, period: Period) -> None:
        """Count in memory what is on no disk."""
        if self._spending.ledger is None and period.pending:
            period.count_alone()

    def heard(self, now: float) -> None:
        """Take note of a reply: those who waited for it go on."""
        self._hear(now)
        self._replied.set()
        if self._is_more:
            self.link.ask(now)

    def _hear(self, now: float) -> None:
        if self.link.ahead is not None:
            self._offset = now + self.link.ahead - self._own_wall()
