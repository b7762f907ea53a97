"""So many US dollars a period, as the file says it. Who spends how much is `router.state.spending`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from router.config.sections import BudgetAmount

_MONTH = 2_629_746.0  # seconds of a mean month, by which the file's `month` is known


_PERIODS = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day", 604_800: "a week", _MONTH: "a month"}


_MONDAY = 4 * 86_400.0  # 1970-01-05, in seconds since 1970


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget of so many US dollars in so many seconds. `owner` says whose it is: "route chat", "provider
    openai" or "key alice".
    """

    owner: str
    usd: float
    per: float

    @property
    def period(self) -> str:
        """The length of its period in words, such as "a day"."""
        return _PERIODS.get(self.per) or f"{self.per:g} s"

    def began(self, wall: float) -> float:
        """Return when the current period began, in seconds since 1970. Months are those of the calendar in UTC."""
        if self.per != _MONTH:
            return wall - (wall - _MONDAY) % self.per
        day = datetime.fromtimestamp(wall, UTC)
        return datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()

    def ends(self, began: float) -> float:
        """Return when the period that began then ends."""
        if self.per != _MONTH:
            return began + self.per
        return self.began(began + 32 * 86_400.0)


def budget_of(scope: str, name: str, written: BudgetAmount | None) -> Budget | None:
    """Compile the budget of a route, a provider or a client's key.

    Args:
        scope: "route", "provider" or "key".
        written: what the file says; None when it sets no budget.
    """
    return None if written is None else Budget(f"{scope} {name}", written.usd, written.per)
