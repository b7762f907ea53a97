"""What was spent, kept on disk: across restarts, and shared by all processes that run the same file.

One SQLite file in the user's state folder. While requests come, each process exchanges with it about once a second: it
adds what it spent, learns what the others did, and is granted what it may spend until the next time. What all processes
are granted and have spent is never more than the budget, so that many of them overspend by one answer each at most.

A process that is killed loses at most its last second, and what it was granted is free again after `HELD` seconds. A
disk that fails is a warning; the budgets go on in memory.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sqlite3
import threading
import time
from contextlib import closing, suppress
from math import inf
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from providers import forks
from providers.threads import in_thread
from router.plan.budget import Budget
from router.state.budget_account import PATIENCE, BudgetAccount, Period
from router.state.budget_values import HIGH, TOP
from router.state.spending import Spending

log = logging.getLogger("signalbox.spending")

EVERY = 1.0  # seconds between two exchanges
_SOON = 0.5  # the same at least, where a request that came or not is to count
LOOK = 2.0  # the same, for those who only look
HELD = 10.0  # seconds that a grant holds without an exchange
_IDLE = 5  # exchanges without a request, after which a grant is given back
_SHARE = 16  # a process that asks for little is granted this part of what is left
_PATIENCE = 5.0  # seconds that SQLite waits for another process
_TRIES = 5  # times that a request waits for a grant before it goes on without one
_SWEEP = 600.0  # seconds between two looks for those that are forgotten
_KEPT = 40 * 86_400.0  # seconds after which an old period is forgotten
_KEPT_OF_VALUES = 2 * 86_400.0  # the same, of one of many users and the like, from its end on

_TABLES = (
    """
create table if not exists spent (
    app text, purse text, per real, began real, usd real not null, primary key (app, purse, per, began)
) without rowid
""",
    """
create table if not exists granted (
    app text, purse text, per real, began real, process text, usd real not null, until real not null,
    primary key (app, purse, per, began, process)
) without rowid
""",
)
_NAME = (
    """
create table if not exists machine (name text)
""",
    """
insert into machine select ? where not exists (select 1 from machine)
""",
    "select name from machine",
)
_ADD = """
insert into spent values (?, ?, ?, ?, ?)
on conflict do update set usd = usd + excluded.usd
returning usd
"""
_FORGET = """
delete from spent where began < ? or (purse like '%, %' and began + per < ?)
"""
_MOST = """
select purse, usd from spent where app = ? and per = ? and began = ? and purse >= ? and purse < ? order by usd desc
limit ?
"""
_OTHERS = """
select coalesce(sum(usd), 0) from granted
where app = ? and purse = ? and per = ? and began = ? and process <> ? and until between ? and ?
"""


class Ledger:
    """Adds up a router's budgets on disk.

    Args:
        file: which the processes that share budgets run; however its path is spelled, it is the same one.
        path: of the database.
    """

    of_all_machines = False

    def __init__(self, file: Path, path: Path, spending: Spending) -> None:
        self._app = os.path.realpath(file)
        self._path = path
        self._spending = spending
        self._name = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._one_at_a_time = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._failing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exchanged = 0.0  # when, on the clock of the machine
        self._swept = self._counted_at = -inf  # the same
        spending.ledger = self
        spending.keep()

    def now(self) -> float:
        """Return the seconds on the clock of the machine, which its processes share."""
        return time.monotonic()

    def load(self) -> None:
        """Learn what was spent before. It blocks: it is for the start, when no loop runs yet."""
        self._spending.open(self._top())
        amounts = self._amounts()
        self._apply(amounts, self._write(amounts))

    async def flush(self) -> None:
        """Write what was spent and take over what others spent."""
        async with self._one_at_a_time:  # what is pending is written once
            amounts = self._amounts()
            if amounts:
                self._apply(amounts, await in_thread(self._write, amounts))

    async def sync(self) -> None:
        """Exchange now, or wait for the exchange that is under way."""
        if self._flushing is None:
            self._begin()
        assert self._flushing is not None
        await asyncio.wait([self._flushing])

    async def grant(self, accounts: list[BudgetAccount], waited: float) -> None:
        """Wait until none of these is short, or nothing more is to be had for them."""
        is_asked = self._flushing is None  # an exchange that is under way began without these: it tells nothing of them
        for _ in range(_TRIES):
            try:
                async with asyncio.timeout(PATIENCE):
                    while short := [account for account in accounts if account.is_short]:
                        await self.sync()
                        if is_asked and all(account.is_short and account.period.free <= 0 for account in short):
                            return
                        is_asked = True
                return
            except TimeoutError:
                for account in accounts:
                    account.lend()

    def look(self) -> None:
        """Learn what others spent, for those who look on; that is done every two seconds at most."""
        if self._loop is None or self._flushing is not None or time.monotonic() - self._exchanged < LOOK:
            return
        try:
            if asyncio.get_running_loop() is self._loop:
                self._begin()
        except RuntimeError:
            return  # who asks is on no loop

    def on_failed_disk(self, period: Period) -> None:
        """Go on in memory."""
        period.grant = inf

    async def aclose(self) -> None:
        """Write what is not on disk yet, and give back what was granted."""
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        if self._is_due:
            for account in self._spending.active:
                account.idle = _IDLE + 1
            await self.flush()

    def on_new_loop(self) -> None:
        """Forget what was under way, which went with the old loop."""
        self._timer = self._flushing = None
        self._one_at_a_time = asyncio.Lock()

    def soon(self) -> None:
        """Exchange within a second, beside the requests."""
        if self._timer is None and self._flushing is None:
            self._loop = asyncio.get_running_loop()
            self._timer = self._loop.call_later(EVERY, self._begin)

    @property
    def _is_due(self) -> bool:
        """Whether there is something to write, or a grant to renew or give back."""
        return any(
            period.pending or (0 < period.grant < inf and account.keeper is self)
            for account in self._spending.active
            for _, period in account.unwritten
        )

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flushing = asyncio.get_running_loop().create_task(self.flush())
        self._flushing.add_done_callback(self._end)

    def _end(self, _: object) -> None:
        self._flushing = None
        if not self._failing and self._is_due:
            self.soon()

    def _amounts(self) -> list[_Amount]:
        amounts, now = [], time.monotonic()
        is_later = now - self._counted_at >= _SOON  # those who wait for grants may exchange more often than it is due
        if is_later:
            self._counted_at = now
        for account in self._spending.active:
            account.idle += is_later
            if account.budget.of and not self._has_news(account):
                continue
            for began, period in account.unwritten:
                is_current = period is account.period
                wanted = account.expected * (1 + account.waiting) + period.pending
                is_idle = account.idle > _IDLE and not account.reserved
                amounts.append(
                    _Amount(
                        account,
                        period,
                        began,
                        period.pending,
                        account.reserved,
                        wanted,
                        is_current and not is_idle and account.keeper is self,
                    )
                )
        return amounts

    @staticmethod
    def _has_news(account: BudgetAccount) -> bool:
        """Whether there is something to say of one of many: what was spent, a grant that is needed or ends."""
        grant = account.period.grant
        if account.waiting or account.is_short or any(period.pending for _, period in account.unwritten):
            return True
        ends = account.idle > _IDLE or time.monotonic() > account.period.grant_ends - HELD / 2
        return 0 < grant < inf and ends

    def _apply(self, amounts: list[_Amount], sums: list[_Sum]) -> None:
        self._exchanged = time.monotonic()
        if not sums:
            for amount in amounts:
                if amount.account.keeper is not None:
                    amount.account.keeper.on_failed_disk(amount.period)
        for amount, found in zip(amounts, sums, strict=False):
            period = amount.period
            period.move(amount.usd, found.total, found.machine)
            if amount.account.keeper is self:
                period.grant, period.grant_ends, period.free = found.granted, found.ends, found.free
            else:
                period.grant -= amount.usd
        self._spending.values.rest()

    def _top(self) -> list[Budget]:
        """Return the budgets of those values that have spent the most, and of those that somebody wants to hear of."""
        found: list[Budget] = []
        part = self._spending.values.high_from
        budgets = self._spending.values.written
        if not budgets or not self._path.exists():
            return found
        with suppress(sqlite3.Error, OSError), closing(self._connected()) as database:
            for budget in budgets:
                begin = f"{budget.owner}, "
                place = self._app, budget.per, budget.began(self._spending.wall()), begin, f"{budget.owner},!"
                rows = database.execute(_MOST, (*place, HIGH)).fetchall()
                owners = [owner for at, (owner, usd) in enumerate(rows) if at < TOP or usd >= part * budget.usd]
                found += [replace(budget, owner=owner, by=None, of=owner[len(begin) :]) for owner in owners]
        return found

    def _write(self, amounts: list[_Amount]) -> list[_Sum]:
        """Add the amounts; returns the sums over all processes, nothing when the disk fails."""
        try:
            with forks.whole, self._lock, closing(self._connected()) as database, database:
                for table in _TABLES:
                    database.execute(table)
                made, named, name = _NAME
                database.execute(made)
                database.execute(named, (secrets.token_hex(16),))
                machine = f"{database.execute(name).fetchone()[0]} {self._app}"
                now = time.monotonic()  # which all processes share, and nobody sets; a restart of the machine does
                # The first of these takes the lock under which all of it is one step.
                database.execute("delete from granted where until not between ? and ?", (now, now + HELD))
                if now - self._swept > _SWEEP and amounts:
                    self._swept = now
                    oldest = min(amount.began for amount in amounts) - _KEPT
                    database.execute(_FORGET, (oldest, oldest + _KEPT - _KEPT_OF_VALUES))
                sums = [self._add(database, amount, machine) for amount in amounts]
        except (sqlite3.Error, OSError) as error:
            if not self._failing:
                log.warning("budgets can't be kept in %s (%s); they go on in memory", self._path, error)
            self._failing = True
            return []
        self._failing = False
        return sums

    def _add(self, database: sqlite3.Connection, amount: _Amount, machine: str) -> _Sum:
        budget = amount.account.budget
        place = self._app, budget.owner, budget.per, amount.began
        total = float(database.execute(_ADD, (*place, amount.usd)).fetchone()[0])
        process, now = f"{self._name}/{os.getpid()}", time.monotonic()  # a fork is another process
        others = float(database.execute(_OTHERS, (*place, process, now, now + HELD)).fetchone()[0])
        left = max(0.0, budget.usd - total - others)
        granted = _granted(left, amount) if amount.is_wanted else 0.0
        if granted:
            database.execute(
                "insert or replace into granted values (?, ?, ?, ?, ?, ?, ?)", (*place, process, granted, now + HELD)
            )
        else:
            database.execute(
                "delete from granted where app = ? and purse = ? and per = ? and began = ? and process = ?",
                (*place, process),
            )
        return _Sum(total, granted, now + HELD, left - granted, machine)

    def _connected(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return sqlite3.connect(self._path, timeout=_PATIENCE)


def _granted(left: float, amount: _Amount) -> float:
    """Return how much of what is left a process gets: for its calls under way, and for those to come as many as came
    lately, but no more than half of what others could want as well, unless that is less than one call.
    """
    rest = max(0.0, left - amount.reserved)
    most = max(rest / 2, amount.account.expected)
    return min(left, amount.reserved + min(max(amount.wanted, rest / _SHARE), most))


class _Amount(NamedTuple):
    """What one account spent in a period and is not on disk yet; what its calls under way will cost, and those to come
    as far as they can be foreseen.
    """

    account: BudgetAccount
    period: Period
    began: float
    usd: float
    reserved: float
    wanted: float
    is_wanted: bool


class _Sum(NamedTuple):
    """What all processes spent, and what this one is granted, until when on the machine's clock; `free` is the rest.
    `machine` stands for the database and the file.
    """

    total: float
    granted: float
    ends: float
    free: float
    machine: str
