"""Adds up budgets, and hands out leases of dollars. The twin of `lua/budget.lua`. Pure: time comes in."""

from __future__ import annotations

from math import floor

from router.shared.budget import BudgetEntry
from router.shared.table import Moment

_YOUNG = 2.0  # seconds in which all tell their totals again, after a loss
_LIVING = 5.0  # seconds that a lease lasts without an exchange
_LOWEST = 15.0  # seconds for which a limit holds that nobody tells any more
_SWEPT = 100  # leases at once


class _Budget:
    """What is known of one budget in one period."""

    __slots__ = ("leased", "leases", "limit", "limit_at", "lost_at", "machines", "spent")

    def __init__(self) -> None:
        self.spent = self.leased = 0
        self.limit = -1
        self.limit_at = self.lost_at = 0.0
        self.machines: dict[str, int] = {}
        self.leases: dict[str, tuple[float, int]] = {}  # when it was renewed, and how much, by the process


class BudgetTable:
    """All budgets. A machine's total only grows, so that telling it twice, or again after a loss, counts once."""

    def __init__(self) -> None:
        self._budgets: dict[str, _Budget] = {}

    def answer(self, entry: BudgetEntry, moment: Moment) -> str:
        """Take in a machine's total, and lease what is wanted, as far as it is left."""
        budget = self._budgets.setdefault(entry.name, _Budget())
        now = float(f"{moment.now:.6f}")
        known = max(budget.machines.get(entry.machine, 0), entry.total)
        budget.spent += known - budget.machines.get(entry.machine, 0)
        budget.machines[entry.machine] = known
        self._sweep(budget, moment)
        if not 0 <= budget.limit < entry.limit or now - budget.limit_at > _LOWEST:
            budget.limit, budget.limit_at = entry.limit, now
        if moment.anew and not budget.lost_at:
            budget.lost_at = now
        young = bool(budget.lost_at) and moment.now - budget.lost_at < _YOUNG
        others = budget.leased - budget.leases.get(moment.label, (0.0, 0))[1]
        rest = max(0, budget.limit - budget.spent - others - entry.hold)
        got = 0
        if not young and (rest >= entry.least or not others):
            got = min(entry.more, rest, max(floor(rest / (2 * max(1, moment.processes))), entry.least))
        lease = entry.hold + got
        budget.leased = others + lease
        budget.leases.pop(moment.label, None)
        if lease:
            budget.leases[moment.label] = now, lease
        return f"{got} {budget.spent} {known} {rest - got} {others} {budget.limit} {young:d}"

    @staticmethod
    def _sweep(budget: _Budget, moment: Moment) -> None:
        """Forget the leases of those who live no more."""
        ended = sorted((at, label) for label, (at, _) in budget.leases.items() if at <= moment.now - _LIVING)
        for _, label in ended[:_SWEPT]:
            budget.leased -= budget.leases.pop(label)[1]
