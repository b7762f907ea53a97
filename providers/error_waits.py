"""When to come back, where a vendor tells it in the body of an error and not in a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from providers.error_body import Fault, details, sub
from providers.transport.headers import parse_duration
from providers.transport.headers import retry_after as retry_after_header

_LONGEST = 366 * 86_400.0
_EPOCH, _EPOCH_MS = 1e9, 1e12
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = r"(\d{1,9}(?:\.\d{1,9})?)\s?(milli|ms|sec|s|min|m|hour|hr|h|day|d)"
_DURATION = (
    r"(?:\d{1,9}(?:\.\d{1,9})?\s?"
    r"(?:milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)[ ,]{0,2}(?:and )?){1,4}"
)
# "try again in 5m45.6s", "retry after 26 seconds", "please wait 1 minute", "resets in 2h".
_WAIT = (
    rf"\b(?:again|retry(?:ing|_after)?|wait|resets?|available|back|expires)\b[^.\d]{{0,30}}?(?<=\s)({_DURATION})(?!\w)"
)
# A number alone is meant as in the header: "Retry after 60".
_BARE = r"\bretry[- _]after:? {0,2}(\d{1,6}(?:\.\d{1,3})?)(?=$|[.,;)\]\"' ]{0,2}(?:$|[^\w ]))"
_MOMENT = (
    r"\b(?:again|retry|until|resets?|available|access)\b[^.\d]{0,30}?"
    r"(\d{4}-\d\d-\d\d(?:t| | at )\d\d:\d\d(?::\d\d)?(?:\.\d{1,9})?)\s?(z|utc|gmt|[+-]\d\d:?\d\d)"
)
_SECONDS = ("retry_after", "retryAfter", "retry_after_seconds", "resets_in_seconds", "estimated_time", "retryDelay")
_MOMENTS = ("resets_at", "reset_at", "x-ratelimit-reset")


def body_wait(fault: Fault, now: float) -> float | None:
    """Seconds to wait as the body of an error says it, None where it does not; at most a year.

    A field of its own comes first (Gemini's `retryDelay`, OpenRouter's `availability.retry_after` and
    `metadata.headers`, Hugging Face's `estimated_time`, `resets_in_seconds`), then the sentence.

    Args:
        now: the wall clock in epoch seconds.
    """
    for holder in _holders(fault):
        wait = _told(holder, now)
        if wait is not None:
            return min(wait, _LONGEST)
    return text_wait(fault.text, now)


def _holders(fault: Fault) -> Iterator[dict[str, Any]]:
    yield from details(fault)
    for one in (fault, fault.inner):
        if one is not None:
            headers = sub(sub(one.error, "metadata"), "headers")
            yield {str(key).lower(): value for key, value in headers.items()}
            yield from (sub(one.error, "availability"), sub(one.error, "metadata"), one.error, one.body)


def _told(holder: dict[str, Any], now: float) -> float | None:
    for key in _SECONDS:
        wait = _number(holder.get(key), now)
        if wait is not None:
            return wait
    wait = _number(holder.get("retry_after_ms"), now)
    if wait is not None:
        return wait / 1000
    texts = {key: value[:64] for key, value in holder.items() if isinstance(value, str)}
    wait = retry_after_header(texts, now)
    if wait is not None:
        return wait
    return next((wait for key in _MOMENTS if (wait := _number(holder.get(key), now))), None)


def _number(value: object, now: float) -> float | None:
    """Seconds from a number, a moment or a duration; None when it is none, or lies in the past."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()[:64]
    wait = parse_duration(text, now)
    if wait is not None:
        return wait
    try:
        number = float(text)
    except ValueError:
        return None
    moment = number / 1000 if number >= _EPOCH_MS else number
    return moment - now if moment >= max(_EPOCH, now) else None


def text_wait(text: str, now: float) -> float | None:
    """Seconds to wait as a sentence says it; `text` is in lower case."""
    match = re.search(_WAIT, text)
    if match:
        parts = re.findall(_PART, match[1])
        seconds = sum(float(number) * _UNITS[_unit(unit)] for number, unit in parts)
        return min(seconds, _LONGEST)
    match = re.search(_BARE, text)
    if match:
        return float(match[1])
    match = re.search(_MOMENT, text)
    if match:
        zone = "Z" if match[2] in ("z", "utc", "gmt") else match[2]
        return parse_duration(match[1].upper().replace(" AT ", " ") + zone, now)
    return None


def _unit(text: str) -> str:
    return {"milli": "ms", "sec": "s", "min": "m", "hour": "h", "hr": "h", "day": "d"}.get(text, text)
