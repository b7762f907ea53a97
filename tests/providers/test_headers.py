"""When a vendor says to come back, in all its forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.transport.headers import RemainingQuota, parse_duration, remaining_quota, retry_after

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("0", 0.0),
        ("1m30s", 90.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("Thu, 01 Jan 2026 00:00:10 GMT", 10.0),
        ("2026-01-01T00:01:00Z", 60.0),
        ("2026-01-01T01:00:30+01:00", 30.0),
        ("1767225605", 5.0),
        ("1767225605500", 5.5),
        ("Wed, 31 Dec 2025 23:59:00 GMT", None),
        ("2025-12-31T00:00:00Z", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("NaN", None),
        ("1e9", None),
        ("5 minutes", None),
        ("99999999999999999999999999", None),
        ("Thu, 01 Jan 99999999999 00:00:10 GMT", None),
        ("Thu, 01 Jan 2026 00:00:10 +99999999999999999999", None),
        ("9" * 5000, None),
    ],
)
def test_durations_and_moments(text: str, seconds: float | None) -> None:
    """Seconds, Go's durations, dates of HTTP and RFC 3339, epochs; what lies in the past or is none is None."""
    found = parse_duration(text, NOW)
    assert found == pytest.approx(seconds) if seconds is not None else found is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "3", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "3", "retry-after-ms": "9" * 400}, 3.0),
        ({"retry-after-ms": "99999999999999"}, None),
        ({"retry-after": "nonsense", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6s"}, 6.0),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "9s",
            },
            9.0,
        ),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "60s"}, None),
        (
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-01-01T00:00:20Z",
            },
            20.0,
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767225607000"}, 7.0),
    ],
)
def test_what_the_headers_say(headers: dict[str, str], seconds: float | None) -> None:
    """Retry-After first, its milliseconds before it; else the resets of the budgets that are used up."""
    assert retry_after(headers, NOW) == seconds


OPENAI = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-tokens": "1000",
    "x-ratelimit-remaining-tokens": "900",
    "x-ratelimit-reset-tokens": "6s",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:02Z",
    "anthropic-ratelimit-input-tokens-limit": "10000",
    "anthropic-ratelimit-input-tokens-remaining": "7000",
    "anthropic-ratelimit-input-tokens-reset": "2026-01-01T00:00:09Z",
    "anthropic-ratelimit-output-tokens-limit": "8000",
    "anthropic-ratelimit-output-tokens-remaining": "0",
    "anthropic-ratelimit-output-tokens-reset": "2026-01-01T00:00:30Z",
}


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        ({"retry-after": "3"}, None),
        (OPENAI, RemainingQuota(59, 900)),
        (OPENAI | {"x-ratelimit-remaining-requests": "0"}, RemainingQuota(0, 900, 1.0)),
        (OPENAI | {"x-ratelimit-remaining-tokens": "many"}, RemainingQuota(59)),
        (ANTHROPIC, RemainingQuota(49, 0, 30.0)),
        ({name: "-1" if "limit-" in name else "0" for name in OPENAI}, None),  # Azure: not known
        (dict.fromkeys(OPENAI, "0"), None),
    ],
)
def test_what_is_left(headers: dict[str, str], found: RemainingQuota | None) -> None:
    """Of requests and tokens, and how long nothing will be."""
    assert remaining_quota(headers, NOW) == found


@given(st.text(max_size=30))
def test_no_text_makes_an_error(text: str) -> None:
    """A duration that is not below 0, or None."""
    found = parse_duration(text, NOW)
    assert found is None or found >= 0
    retry_after({"retry-after": text, "retry-after-ms": text}, NOW)
    remaining_quota(dict.fromkeys(OPENAI, text), NOW)


@pytest.mark.parametrize("off", [-86_400.0, -3600.0, 3600.0, 86_400.0])
def test_a_moment_is_one_of_the_vendors_clock(off: float) -> None:
    """A machine whose clock is wrong, or a laptop that has just woken up: `Date` tells what time it is there."""
    answered = {"date": "Thu, 01 Jan 2026 00:00:00 GMT"}
    for header in ("retry-after", "anthropic-ratelimit-requests-reset"):
        for moment in ("Thu, 01 Jan 2026 00:00:30 GMT", "2026-01-01T00:00:30Z", "1767225630"):
            told = {"anthropic-ratelimit-requests-limit": "5", "anthropic-ratelimit-requests-remaining": "0"}
            told |= {header: moment} | answered
            assert retry_after(told, NOW + off) == 30.0
            if header != "retry-after":
                assert remaining_quota(told, NOW + off) == RemainingQuota(0.0, None, 30.0)


def test_a_date_that_is_none_changes_nothing() -> None:
    """Nor does one that is as far off as the way takes."""
    for date in ("", "soon", "Thu, 01 Jan 2026 00:00:04 GMT"):
        assert retry_after({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT", "date": date}, NOW) == 30.0
