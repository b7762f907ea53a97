"""So many US dollars a period, as the file says it. Who spends how much is `router.state.spending`."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from providers.embeddings import AnyRequest
from providers.printable import one_line
from router.config.calendar_values import ResetTime
from router.config.sections import BudgetPolicy
from router.views.money import exact_dollars

_MONTH = 2_629_746.0  # seconds of a mean month, by which the file's `month` is known
_WEEK, _DAY = 604_800.0, 86_400.0
_PERIODS = {1: "a second", 60: "a minute", 3600: "an hour", _DAY: "a day", _WEEK: "a week", _MONTH: "a month"}
_MONDAY = 4 * 86_400.0  # 1970-01-05, in seconds since 1970
_LONGEST_VALUE = 64  # characters of a user's name and the like, beyond which it is told by a hash


class Budget(msgspec.Struct, frozen=True):
    """A budget of so many US dollars in so many seconds. `owner` says whose it is: "route chat", "provider
    openai" or "key alice".

    One `by` something is a budget for each value of it: the file's says by what ("user", "namespace", "key" or
    "tag.NAME"), and what is spent is the budget `of` one value: of "user alice", whose owner is "route chat, user
    alice", or of all requests that have none, "route chat, no user". Days, weeks and months are those of `timezone`
    (None: UTC), and begin at `resets`.
    """

    owner: str
    usd: float
    per: float
    by: str | None = None
    of: str = ""
    timezone: str | None = None
    resets: ResetTime | None = None

    @property
    def written_at(self) -> str:
        """The owner of the budget in the file, for all values: "route chat"."""
        return self.owner[: -len(self.of) - 2] if self.of else self.owner

    @property
    def whose(self) -> tuple[str, str]:
        """Scope ("route", "shadow", "provider" or "key") and name of what it is written at."""
        scope, _, name = self.written_at.partition(" ")
        return scope, name

    @property
    def period(self) -> str:
        """The length of its period in words, such as "a day"."""
        return _PERIODS.get(self.per) or f"{self.per:g} s"

    @property
    def terms(self) -> str:
        """All of it in words, such as "$5 a day for each user, in Europe/Berlin, from 06:00"."""
        words = f"{exact_dollars(self.usd)} {self.period}"
        words += f" for each {self.by}" if self.by else ""
        words += f", in {self.timezone}" if self.timezone else ""
        return words + (f", from {self.resets.written}" if self.resets is not None else "")

    def of_value(self, value: str | None) -> Budget:
        """Return the budget of one value of what it is by; None: of the requests that have none."""
        assert self.by is not None, "it is one for all"
        owner = self.owner_of(value)
        return replace(self, owner=owner, by=None, of=owner[len(self.owner) + 2 :])

    def owner_of(self, value: str | None) -> str:
        """Return whose the budget of one value is."""
        what = (self.by or "").removeprefix("tag.")
        return f"{self.owner}, {what} {_short(value)}" if value else f"{self.owner}, no {what}"

    def began(self, wall: float) -> float:
        """Return when the current period began, in seconds since 1970. Months are those of the calendar."""
        if self.timezone is None and self.resets is None and self.per != _MONTH:
            return wall - (wall - _MONDAY) % self.per
        zone = UTC if self.timezone is None else ZoneInfo(self.timezone)
        local = datetime.fromtimestamp(wall, zone)
        began = self._begins(local)
        if began > wall:  # it is to come: the one before is running
            days = local.day if self.per == _MONTH else self.per / _DAY
            began = self._begins(local - timedelta(days))
        return began

    def ends(self, began: float) -> float:
        """Return when the period that began then ends."""
        if self.timezone is None and self.resets is None and self.per != _MONTH:
            return began + self.per
        # In the middle of the period after: it is there whatever a change of the clocks adds or takes.
        return self.began(began + (31 * _DAY if self.per == _MONTH else self.per) + _DAY / 2)

    def _begins(self, local: datetime) -> float:
        """Return when the period begins that has its beginning on this day, in this week or in this month."""
        at = self.resets or ResetTime()
        day = local
        if self.per == _MONTH:
            day = local.replace(day=min(at.day or 1, monthrange(local.year, local.month)[1]))
        elif self.per == _WEEK:
            day = local - timedelta((local.weekday() - (at.weekday or 0)) % 7)
        hour, minute = divmod(at.minutes, 60)
        # An hour that the clocks leave out is the one after it; of one that comes twice it is the first.
        return day.replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0).timestamp()


def value_of(by: str, request: AnyRequest) -> str | None:
    """Return what a request says of that by which a budget is split; None where it says nothing."""
    if by == "user":
        return request.user or request.end_user
    if by == "namespace":
        return request.namespace
    if by == "key":
        return request.caller
    return None if request.tags is None else request.tags.get(by.removeprefix("tag."))


def _short(value: str) -> str:
    """A value that is safe to show and to keep; of two that differ it is never the same."""
    shown = one_line(value)
    if shown == value and len(value) <= _LONGEST_VALUE:
        return value
    digest = blake2b(value.encode(errors="surrogatepass"), digest_size=8).hexdigest()
    return f"{shown[: _LONGEST_VALUE - 20]}…{digest}"


def budget_of(scope: str, name: str, written: BudgetPolicy | None) -> Budget | None:
    """Compile the budget of a route, a provider or a client's key.

    Args:
        scope: "route", "provider" or "key".
        written: what the file says; None when it sets no budget.
    """
    if written is None:
        return None
    usd, per = written.usd
    return Budget(f"{scope} {name}", usd, per, written.by, "", written.timezone, written.resets)
