"""What LiteLLM lets a vendor, a deployment or all of the proxy spend, as a budget here.

The keys are as https://docs.litellm.ai/docs/proxy/provider_budget_routing and /docs/proxy/users have them.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from router.config.units import BUDGET_PERIODS
from router.importers.litellm.reading import Fields
from router.importers.write import number

_DURATION = re.compile(r"(\d{1,6})\s{0,3}(mo|[smhdw])")  # as LiteLLM reads it
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MONTH_OF_DAYS = range(28 * 86_400, 31 * 86_400 + 1)  # seconds that are meant as a month


class Amount(NamedTuple):
    """So many US dollars in a period that a budget here has. `told` says what is otherwise than it was written."""

    usd: float
    period: str
    told: str

    def text(self, share: float = 1.0) -> str:
        """A budget as it is written, of this share of it."""
        return f"${number(float(f'{self.usd * share:.6g}'))}/{self.period}"


def take(fields: Fields, amounts: tuple[str, ...], durations: tuple[str, ...]) -> Amount | None:
    """Take a budget out of a mapping, by the names that its amount and its duration may have; what is no budget, or
    never begins anew, stays there, to be told as not mapped.
    """
    usd = next((name for name in amounts if name in fields.left), None)
    per = next((name for name in durations if name in fields.left), None)
    if usd is None or per is None:
        return None
    written = str(fields.left[per].value)
    left = dict(fields.left)
    amount = fields.number(usd)
    made = None if amount is None else in_period(amount, written)
    if made is None:
        fields.left = left
        return None
    fields.take(*amounts, *durations)
    return made


def in_period(usd: float, duration: str) -> Amount | None:
    """The budget of so many US dollars in LiteLLM's duration; None where that is none."""
    found = _DURATION.fullmatch(duration.strip().lower())
    if found is None or not int(found[1]):
        return None
    count, unit = int(found[1]), found[2]
    if unit == "mo":
        return _divided(usd, count, "month", duration)
    seconds = count * _UNITS[unit]
    if seconds in _MONTH_OF_DAYS:
        return Amount(usd, "month", f"{duration} are a month here, by the calendar")
    period, length = max(
        ((name, length) for name, length in BUDGET_PERIODS.items() if name != "month" and length <= seconds),
        key=lambda pair: pair[1],
    )
    return _divided(usd, float(Decimal(seconds) / length), period, duration)


def _divided(usd: float, periods: float, period: str, duration: str) -> Amount:
    if periods == 1:
        return Amount(usd, period, "")
    made = Amount(usd / periods, period, "")
    return made._replace(told=f"no budget here has a period of {duration}: {made.text()} is as much")
