"""Tells of budgets: once when most of one is spent, once when all of it is, and when the period after that begins."""

from __future__ import annotations

from collections.abc import Callable

from router.state.budget_account import BudgetAccount
from router.telemetry.events import budget_changed
from router.views.events import Event

MOST = 0.8  # of a budget, when people are told
_STATES = ("", "nearly", "used_up")


class BudgetNews:
    """Looks at a budget whenever something may have changed; cheap, since it is asked at every call.

    Args:
        publish: takes the events.
        wall: seconds since 1970.
    """

    def __init__(self, publish: Callable[[Event], None], wall: Callable[[], float]) -> None:
        self._publish = publish
        self._wall = wall

    def look(self, account: BudgetAccount) -> None:
        """Tell what is new of a budget."""
        limit, spent, told = account.limit, account.spent, account.told
        reached = 2 if spent >= limit else 1 if spent >= MOST * limit else 0
        if told == (account.began, reached):
            return
        began, before = told or (account.began, 0)
        account.told = account.began, reached
        if account.began > began:
            if before:
                self._tell(account, "anew")
            before = 0
        if reached > before:
            self._tell(account, _STATES[reached])

    def _tell(self, account: BudgetAccount, state: str) -> None:
        budget, now = account.budget, self._wall()
        self._publish(
            budget_changed(
                budget.owner,
                state,
                spent=float(account.spent),
                limit=account.limit,
                period=budget.period,
                resets_at=account.ends,
                time=now,
                of_all_machines=account.of_all_machines,
            )
        )
