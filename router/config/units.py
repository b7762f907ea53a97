"""The units of routes.yaml: durations, counts, sizes, rates, percentages and budgets, read and written.

A reader takes what YAML gave (a string or a number) and raises ValueError with a message that shows the
right form. A formatter writes the shortest text that reads back as the same value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple, TypeGuard

from router.config.interpolate import shown

DURATIONS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
COUNTS = {"": Decimal(1), "k": Decimal(1_000), "M": Decimal(1_000_000)}
SIZES = {
    "B": Decimal(1),
    "KB": Decimal(1000),
    "MB": Decimal(1000**2),
    "GB": Decimal(1000**3),
    "KiB": Decimal(1024),
    "MiB": Decimal(1024**2),
    "GiB": Decimal(1024**3),
}
PERIODS = {"s": Decimal(1), "min": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
_PERIOD_WORDS = {"sec": "s", "second": "s", "minute": "min", "hour": "h", "day": "d", "week": "w"}
# A month is one of the calendar; these are the seconds of a mean one.
BUDGET_PERIODS = {**PERIODS, "w": Decimal(604_800), "month": Decimal(2_629_746)}

_MEANS_OFF = frozenset(
    ("", "none", "no", "null", "~", "never", "false", "true", "disabled", "inf", "infinite", "unlimited")
)
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
_AMOUNT = rf"({_NUMBER})\s{{0,9}}([A-Za-z]*)"
_RATE = rf"({_NUMBER}\s{{0,9}}[kM]?)\s{{0,9}}/\s{{0,9}}([a-z]+)"
_PERCENT = rf"({_NUMBER})\s{{0,9}}%"
_BUDGET = rf"\$\s{{0,9}}({_NUMBER})\s{{0,9}}/\s{{0,9}}([a-z]+)"


class Allowance(NamedTuple):
    """So much in any `period` of that many seconds: `250/d` is (250, 86400)."""

    amount: float
    period: float

    @property
    def per_second(self) -> float:
        """The same as a mean flow."""
        return self.amount / self.period


def duration(value: object) -> float:
    """Seconds of `250ms`, `5s`, `2m`, `1h`, `1d`.

    Raises:
        ValueError: another form; a bare number needs a unit.
    """
    if _is_number(value):
        raise ValueError(f"a duration needs a unit: write {shown(value)}s or {shown(value)}ms")
    return float(_amount(value, DURATIONS, "a duration, such as 250ms, 5s, 2m, 1h or 1d"))


class OtherWordForOff(ValueError):
    """Somebody means no limit and says so in another way than the language does."""

    def __init__(self) -> None:
        super().__init__("no limit is written as off; else a duration, such as 5s, is expected")


def limit(value: object) -> float | str:
    """A duration above 0, or `off`: the one word for no limit. Raises ValueError."""
    if value == "off":
        return "off"
    text = "null" if value is None else str(value).strip().lower()
    if text == "off" or text.lstrip("-+.") in _MEANS_OFF or re.fullmatch(r"0+(\.0*)?|-[0-9.]+", text):
        raise OtherWordForOff
    seconds = duration(value)
    if not seconds > 0:
        raise ValueError("this must be more than 0; no limit is written as off")
    return seconds


def count(value: object) -> int:
    """A whole number, plain or as `200k`, `1.5M`. Raises ValueError."""
    form = "a count, such as 64, 200k or 1.5M"
    number = _amount(str(value) if _is_number(value) else value, COUNTS, form)
    if number != number.to_integral_value():
        raise ValueError(f"{_quoted(value)} is not a whole number")
    return int(number)


def size(value: object) -> int:
    """Bytes of `512KB` (1000s) or `512KiB` (1024s). Raises ValueError; a bare number needs a unit."""
    if _is_number(value):
        raise ValueError(f"a size needs a unit: write {shown(value)}MB or {shown(value)}KB")
    number = _amount(value, SIZES, "a size, such as 512KB, 1MB or 1GB")
    if number != number.to_integral_value():
        raise ValueError(f"{_quoted(value)} is not a whole number of bytes")
    return int(number)


def rate(value: object) -> float:
    """Per second, of `500/min`, `200k/min`, `10/s`, `5k/h`, `1M/d`. Raises ValueError."""
    amount, period = _rate(value)
    return float(amount / period)


def allowances(value: object) -> tuple[Allowance, ...]:
    """One rate or a list of them, each with its own period: `500/min`, `[60/min, 1000/d]`. Raises ValueError.

    Less than one in a period is one in a longer period: `0.5/s` is one in two seconds.
    """
    written = value if isinstance(value, list | tuple) else [value]
    if not written:
        raise ValueError("a list of rates needs one at least, such as [60/min, 1000/d]")
    found = []
    for amount, period in map(_rate, written):
        if amount <= 0:
            raise ValueError("this must be more than 0")
        scale = min(Decimal(1), amount)
        found.append(Allowance(float(amount / scale), float(period / scale)))
    return tuple(found)


def _rate(value: object) -> tuple[Decimal, Decimal]:
    if _is_number(value):
        raise ValueError(f"a rate needs a period: write {shown(value)}/min or {shown(value)}/s")
    form = "a rate, such as 10/s, 500/min, 200k/min or 5k/h"
    found = re.fullmatch(_RATE, value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{_quoted(value)} is not {form}")
    return _amount(found[1], COUNTS, form), _period(found[2], value, form)


def percent(value: object) -> float:
    """The fraction (0 to 1) of `50%`. Raises ValueError."""
    if _is_number(value):
        meant = f"{_plain(_decimal(float(value)) * 100)}% or " if 0 < float(value) < 1 else ""
        raise ValueError(f"a percentage needs its sign: write {meant}{shown(value)}%")
    found = re.fullmatch(_PERCENT, value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{_quoted(value)} is not a percentage, such as 50%")
    fraction = Decimal(found[1]) / 100
    if fraction > 1:
        raise ValueError(f"{_quoted(value)} is more than 100%")
    return float(fraction)


def budget(value: object) -> tuple[float, float]:
    """(US dollars, seconds) of `$20/d`, `$300/month` or `{usd: 20/day}`. Raises ValueError."""
    form = "a budget, such as $20/d, $300/month or {usd: 20/day}"
    if isinstance(value, Mapping) and set(value) == {"usd"}:
        value = f"${value['usd']}"
    found = re.fullmatch(_BUDGET, value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{_quoted(value)} is not {form}")
    return float(Decimal(found[1])), float(_period(found[2], value, form, BUDGET_PERIODS))


def format_budget(amount: tuple[float, float]) -> str:
    """`budget` backwards: `$20/d`."""
    usd, per = amount
    period = next((name for name, seconds in BUDGET_PERIODS.items() if float(seconds) == per), f"{per:g}s")
    return f"${_plain(_decimal(usd))}/{period}"


def format_duration(seconds: float) -> str:
    """`duration` backwards, in the largest unit that gives a short number."""
    return _format(_decimal(seconds), DURATIONS)


def format_count(number: int) -> str:
    """`count` backwards: `200k`, `1.5M`, `64`."""
    return _format(Decimal(number), COUNTS)


def format_size(number: int) -> str:
    """`size` backwards: `512KB`, `1GiB`."""
    return _format(Decimal(number), SIZES)


def format_rate(per_second: float) -> str:
    """`rate` backwards: the period in which the number is short."""
    exact = [
        (f"{_plain(amount)}/{period}", period)
        for period, seconds in PERIODS.items()
        if float((amount := round(_decimal(per_second) * seconds, 9)) / seconds) == per_second
    ]
    return min(exact, key=lambda pair: len(pair[0]))[0] if exact else f"{_plain(_decimal(per_second))}/s"


def format_allowance(allowance: Allowance) -> str:
    """An allowance as it is written, such as `500/min`; `1 in 2 s` where no period has its length."""
    for unit, seconds in PERIODS.items():
        if float(seconds) == allowance.period:
            amount = _decimal(allowance.amount)
            whole = amount == amount.to_integral_value()
            return f"{format_count(int(amount)) if whole else _plain(amount)}/{unit}"
    return f"{_plain(_decimal(allowance.amount))} in {format_duration(allowance.period)}"


def format_percent(fraction: float) -> str:
    """`percent` backwards: 0.5 is `50%`."""
    return f"{_plain(_decimal(fraction) * 100)}%"


def _amount(value: object, units: Mapping[str, Decimal], form: str) -> Decimal:
    found = re.fullmatch(_AMOUNT, value.strip()) if isinstance(value, str) else None
    if found is None or found[2] not in units:
        raise ValueError(f"{_quoted(value)} is not {form}")
    return Decimal(found[1]) * units[found[2]]


def _period(word: str, value: object, form: str, periods: Mapping[str, Decimal] = PERIODS) -> Decimal:
    name = _PERIOD_WORDS.get(word, word)
    if name not in periods:
        raise ValueError(f"{_quoted(value)} is not {form} (periods: {', '.join(periods)})")
    return periods[name]


def _format(number: Decimal, units: Mapping[str, Decimal]) -> str:
    # Division may be inexact (a second in days): only forms that read back as the same value count.
    texts = [f"{_plain(amount)}{unit}" for unit, one in units.items() if (amount := number / one) * one == number]
    return min((text for text in texts if "E" not in text), key=len)


def _decimal(number: float) -> Decimal:
    return Decimal(repr(float(number)))


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _is_number(value: object) -> TypeGuard[int | float]:
    """Whether YAML saw a number (a variable that holds one counts as text, and needs its unit as well)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _quoted(value: object) -> str:
    return f'"{shown(value)}"' if isinstance(value, str) else f"this {_kind(value)}"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return f"{str(value).lower()}"
    if isinstance(value, dict):
        return "mapping"
    return "list" if isinstance(value, list | tuple) else "value"
