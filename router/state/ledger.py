"""What was spent, kept on disk: across restarts, and shared by all processes that run the same file.

One SQLite file in the user's state folder. Each process adds what it spent about once a second and learns what
the others did; a process that is killed loses at most that second. The disk never delays a request, and one
that fails is a warning.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from providers import forks
from router.state.spending import BudgetAccount, Spending

log = logging.getLogger("signalbox.spending")

EVERY = 1.0  # seconds between two writes
_PATIENCE = 5.0  # seconds that SQLite waits for another process
_KEPT = 40 * 86_400.0  # seconds after which an old period is forgotten

_TABLE = """
create table if not exists spent (
    app text, purse text, per real, began real, usd real not null, primary key (app, purse, per, began)
) without rowid
"""
_ADD = """
insert into spent values (?, ?, ?, ?, ?)
on conflict do update set usd = usd + excluded.usd
returning usd
"""


def folder() -> Path:
    """Return the folder of the ledger: `SIGNALBOX_STATE_DIR`, else the user's state folder of the system."""
    from platformdirs import user_state_path  # here: only those with a budget need it

    configured = os.environ.get("SIGNALBOX_STATE_DIR")
    return Path(configured) if configured else user_state_path("signalbox")


class Ledger:
    """Adds up a router's budgets on disk.

    Args:
        app: what the processes that share budgets have in common: the path of their file.
        path: of the database.
    """

    def __init__(self, app: str, path: Path, spending: Spending) -> None:
        self._app = app
        self._path = path
        self._spending = spending
        self._lock = threading.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._failing = False
        spending.changed = self._soon

    def load(self) -> None:
        """Learn what was spent before. It blocks: it is for the start, when no loop runs yet."""
        amounts = self._pending()
        self._apply(amounts, self._write(amounts))

    async def flush(self) -> None:
        """Write what was spent and take over what others spent."""
        amounts = self._pending()
        if amounts:
            self._apply(amounts, await asyncio.to_thread(self._write, amounts))

    async def aclose(self) -> None:
        """Write what is not on disk yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        if any(account.pending for account in self._spending.accounts.values()):
            await self.flush()

    def on_new_loop(self) -> None:
        """Forget what was under way, which went with the old loop."""
        self._timer = self._flushing = None

    def _soon(self) -> None:
        """Write what was spent within a second, beside the requests."""
        if self._timer is None and self._flushing is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._flushing = asyncio.get_running_loop().create_task(self.flush())
        self._flushing.add_done_callback(self._end)

    def _end(self, _: object) -> None:
        self._flushing = None
        if not self._failing and any(account.pending for account in self._spending.accounts.values()):
            self._soon()  # spent meanwhile

    def _pending(self) -> list[_Amount]:
        return [_Amount(account, account.began, account.pending) for account in self._spending.accounts.values()]

    def _apply(self, amounts: list[_Amount], sums: list[float]) -> None:
        for amount, total in zip(amounts, sums, strict=False):
            account = amount.account
            if account.began == amount.began:  # else another period has begun meanwhile
                account.pending -= amount.usd
                account.spent = total + account.pending

    def _write(self, amounts: list[_Amount]) -> list[float]:
        """Add the amounts; returns the sums over all processes, nothing when the disk fails."""
        try:
            with forks.whole, self._lock, closing(self._connected()) as database, database:
                database.execute(_TABLE)
                oldest = min((amount.began for amount in amounts), default=0.0) - _KEPT
                database.execute("delete from spent where began < ?", (oldest,))
                sums = [self._add(database, amount) for amount in amounts]
        except (sqlite3.Error, OSError) as error:
            if not self._failing:
                log.warning("budgets can't be kept in %s (%s); they go on in memory", self._path, error)
            self._failing = True
            return []
        self._failing = False
        return sums

    def _add(self, database: sqlite3.Connection, amount: _Amount) -> float:
        budget = amount.account.budget
        values = (self._app, budget.owner, budget.per, amount.began, amount.usd)
        return float(database.execute(_ADD, values).fetchone()[0])

    def _connected(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return sqlite3.connect(self._path, timeout=_PATIENCE)


class _Amount(NamedTuple):
    """The amount that one account spent in a period and that is not on disk yet."""

    account: BudgetAccount
    began: float
    usd: float
