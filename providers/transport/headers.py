"""When a vendor says to come back: Retry-After in all its forms, and the rate-limit headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from providers.error_body import NAME_CHARS
from providers.types import RemainingQuota

_NUMBER = re.compile(r"\d+(\.\d+)?")
_GO_DURATION = re.compile(r"((\d{1,15}(\.\d{1,15})?)(ms|h|m|s))+")
_GO_PART = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = 366 * 86_400.0
_ON_THE_WAY = 10.0  # seconds
_EPOCH, _EPOCH_MS = 1e9, 1e12  # a plain number above these is a moment, not a duration

# (remaining, reset) of each budget whose emptiness explains a 429.
_BUDGETS = (
    *((f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}") for kind in ("requests", "tokens")),
    *(
        (f"anthropic-ratelimit-{kind}-remaining", f"anthropic-ratelimit-{kind}-reset")
        for kind in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),  # without the prefix, as the IETF's older drafts have them
)


def parse_duration(text: str, now: float) -> float | None:
    """Seconds from now, or None when the text is no duration or moment, lies in the past, or over a year off.

    Args:
        text: seconds, a Go-like duration (`6m0s`, `120ms`), RFC 3339, an HTTP date, or epoch seconds or milliseconds.
        now: wall-clock epoch seconds.
    """
    seconds = _seconds(text.strip(), now)
    return seconds if seconds is not None and 0 <= seconds <= _LONGEST else None


def _seconds(text: str, now: float) -> float | None:
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number >= _EPOCH_MS:
            number = number / 1000 - now
        elif number >= _EPOCH:
            number -= now
        return number
    if _GO_DURATION.fullmatch(text):
        return sum(float(value) * _SECONDS[unit] for value, unit in _GO_PART.findall(text))
    when = moment(text)
    return None if when is None else when - now


def moment(text: str) -> float | None:
    """Epoch seconds of RFC 3339 or an HTTP date; None for other text."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            when = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return when.timestamp()


def vendors_time(headers: Mapping[str, str], now: float) -> float:
    """Say what time it is by the clock by which a vendor names moments: that of its answer's `Date`, where the
    machine's differs from it by more than the way takes (it was set wrong, or a laptop has just woken up).

    Args:
        headers: with lower-case names.
        now: by the machine's clock, in epoch seconds.
    """
    told = moment(headers.get("date", ""))
    return now if told is None or abs(told - now) <= _ON_THE_WAY else told


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the vendor wants to be asked again, None when it does not say.

    Args:
        headers: with lower-case names.
        now: wall-clock epoch seconds.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds) and float(milliseconds) / 1000 <= _LONGEST:
        return float(milliseconds) / 1000
    now = vendors_time(headers, now)
    if "retry-after" in headers:
        # Where a gateway and the vendor behind it have each said one, the longest holds.
        told = [headers["retry-after"], *headers["retry-after"].split(",")]
        asked = max((wait for one in told if (wait := parse_duration(one, now)) is not None), default=None)
        if asked is not None:
            return asked
    waits = [
        wait
        for remaining, reset in _BUDGETS
        if headers.get(remaining, "").strip() == "0" and reset in headers
        if (wait := parse_duration(headers[reset], now)) is not None
    ]
    return max(waits, default=None)


# The headers by one of which an answer tells what is left.
TELLING = frozenset({"x-ratelimit-limit-requests", "x-ratelimit-limit-tokens", "anthropic-ratelimit-requests-limit"})


def remaining_quota(headers: Mapping[str, str], now: float) -> RemainingQuota | None:
    """What is left of a vendor's limits after this answer; None where the headers do not tell.

    OpenAI: https://developers.openai.com/api/docs/guides/rate-limits ("Rate limits in headers"); Anthropic:
    https://platform.claude.com/docs/en/api/rate-limits ("Response headers"). A limit of 0 or below, as Azure sends
    it, means that nothing is known.

    Args:
        headers: with lower-case names.
        now: wall-clock epoch seconds.
    """
    if TELLING.isdisjoint(headers):
        return None
    now = vendors_time(headers, now)
    found: dict[str, float] = {}
    waits: list[float] = []
    for remaining, reset in _BUDGETS:
        number = _amount(headers.get(remaining))
        if number is None or (_amount(headers.get(remaining.replace("remaining", "limit"))) or 0) <= 0:
            continue
        kind = "requests" if "requests" in remaining else "tokens"
        found[kind] = min(number, found.get(kind, number))
        wait = parse_duration(headers.get(reset, ""), now) if number == 0 else None
        if wait:
            waits.append(wait)
    return RemainingQuota(found.get("requests"), found.get("tokens"), max(waits, default=None)) if found else None


def _amount(text: str | None) -> float | None:
    return float(text.strip()) if text is not None and _NUMBER.fullmatch(text.strip()) else None


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """What the vendor calls the request; headers have lower-case names."""
    found = headers.get("x-request-id") or headers.get("request-id")
    return found[:NAME_CHARS] if found else None
