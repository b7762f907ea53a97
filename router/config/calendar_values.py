"""When the period of a budget begins, and whose it is, as routes.yaml says it."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, WithJsonSchema

from providers.spelling import did_you_mean
from router.config.interpolate import Expanded, shown
from router.config.yaml_reader import core_scalar

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FORM = "06:00, monday, monday 06:00, 15 (a day of the month), or 15 06:00"
_RESETS = r"(?:(?P<day>[a-z]+|[0-9]{1,2})(?:\s+|$))?(?:(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2}))?"
_BY = ("user", "namespace", "key")


class ResetTime(NamedTuple):
    """When a period begins: `minutes` after midnight, of a `day` of the week (0 is Monday) or of the month (from 1).

    A month that is shorter begins on its last day.
    """

    minutes: int = 0
    weekday: int | None = None
    day: int | None = None

    def check(self, period: str) -> None:
        """Raise ValueError where a period of this length (d, w or month) can't begin so."""
        if self.weekday is not None and period != "w":
            raise ValueError(f"a day of the week goes with a budget of w, not of {period}")
        if self.day is not None and period != "month":
            raise ValueError(f"a day of the month goes with a budget of month, not of {period}")

    @property
    def written(self) -> str:
        """As it stands in the file."""
        hour, minute = divmod(self.minutes, 60)
        day = WEEKDAYS[self.weekday] if self.weekday is not None else self.day
        time = f"{hour:02}:{minute:02}" if self.minutes or day is None else ""
        return " ".join(str(part) for part in (day, time) if part not in (None, ""))


def _resets(value: Any) -> ResetTime:
    value = core_scalar(value) if isinstance(value, Expanded) and value.plain else value
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    found = re.fullmatch(_RESETS, text) if text else None
    if found is None:
        raise ValueError(f"this must be when a period begins, such as {_FORM}")
    day, hour, minute = found["day"], int(found["hour"] or 0), int(found["minute"] or 0)
    if hour > 23 or minute > 59:
        raise ValueError(f"{shown(value)} is no time of day, from 00:00 to 23:59")
    if day is None:
        return ResetTime(hour * 60 + minute)
    if not day.isdigit():
        if day not in WEEKDAYS:
            raise ValueError(f"{shown(value)} names no day{did_you_mean(day, WEEKDAYS)}: write {_FORM}")
        return ResetTime(hour * 60 + minute, weekday=WEEKDAYS.index(day))
    if not 1 <= int(day) <= 31:
        raise ValueError("a day of the month is from 1 to 31; in a shorter month it is the last one")
    return ResetTime(hour * 60 + minute, day=int(day))


def _timezone(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("this must be a time zone, such as Europe/Berlin or UTC")
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # not found; no relative path; a folder
        known = available_timezones()
        if not known:
            raise ValueError("this system has no time zones: install its package tzdata") from None
        near = did_you_mean(str(value), known) or ", such as Europe/Berlin or UTC"
        raise ValueError(f'no time zone is named "{shown(value)}"{near}') from None
    return str(value)


def _by(value: Any) -> str:
    if isinstance(value, str) and (value in _BY or re.fullmatch(r"tag\.\S+", value)):
        return str(value)
    near = did_you_mean(value, _BY) if isinstance(value, str) else ""
    raise ValueError(f"this must be user, namespace, key, or tag.NAME such as tag.team{near}")


TimeZone = Annotated[
    str,
    BeforeValidator(_timezone),
    WithJsonSchema({"type": "string", "examples": ["Europe/Berlin", "America/New_York", "UTC"]}),
]
Resets = Annotated[
    ResetTime,
    PlainValidator(_resets),
    PlainSerializer(lambda at: ResetTime(*at).written),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["06:00", "monday 06:00", 15]}),
]
By = Annotated[
    str,
    BeforeValidator(_by),
    WithJsonSchema({"type": "string", "examples": ["user", "tag.team", "key"]}),
]
