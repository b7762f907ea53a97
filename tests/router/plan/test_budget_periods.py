"""When the period of a budget begins and ends: in its time zone, over changes of the clocks, at the day written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config import load_text
from router.plan.budget import Budget
from router.plan.compile import compile_plan

HOUR = 3600.0


def budget(written: str) -> Budget:
    text = f"providers: {{a: {{kind: fake}}}}\nroutes: {{chat: {{targets: [a/m], budget: {written}}}}}\n"
    found = compile_plan(load_text(text, env={})).chains["chat"].budget
    assert found is not None
    return found


def period(written: str, moment: str, zone: str = "UTC") -> tuple[str, str]:
    found, wall = budget(written), datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone)).timestamp()
    began = found.began(wall)
    ends = found.ends(began)
    assert began <= wall < ends
    first, last = (datetime.fromtimestamp(each, ZoneInfo(zone)) for each in (began, ends))
    return f"{first:%m-%d %H:%M}", f"{last:%m-%d %H:%M}"


BERLIN = "timezone: Europe/Berlin"


@pytest.mark.parametrize(
    ("written", "moment", "expected"),
    [
        (f"{{usd: 5/d, {BERLIN}}}", "2026-11-27 00:30", ("11-27 00:00", "11-28 00:00")),
        (f"{{usd: 5/d, {BERLIN}, resets: 06:00}}", "2026-11-27 05:59", ("11-26 06:00", "11-27 06:00")),
        (f"{{usd: 5/d, {BERLIN}}}", "2026-03-29 12:00", ("03-29 00:00", "03-30 00:00")),  # 23 hours
        (f"{{usd: 5/d, {BERLIN}}}", "2026-10-25 23:00", ("10-25 00:00", "10-26 00:00")),  # 25 hours
        (f"{{usd: 5/d, {BERLIN}, resets: 02:30}}", "2026-03-29 12:00", ("03-29 03:30", "03-30 02:30")),  # left out
        (f"{{usd: 5/w, {BERLIN}}}", "2026-11-27 12:00", ("11-23 00:00", "11-30 00:00")),
        (f"{{usd: 5/w, {BERLIN}, resets: friday 18:00}}", "2026-11-27 12:00", ("11-20 18:00", "11-27 18:00")),
        (f"{{usd: 5/w, {BERLIN}, resets: friday 18:00}}", "2026-11-27 19:00", ("11-27 18:00", "12-04 18:00")),
        (f"{{usd: 5/month, {BERLIN}}}", "2026-03-31 23:00", ("03-01 00:00", "04-01 00:00")),
        (f"{{usd: 5/month, {BERLIN}, resets: 15}}", "2026-11-14 12:00", ("10-15 00:00", "11-15 00:00")),
        (f"{{usd: 5/month, {BERLIN}, resets: 15 09:30}}", "2026-11-15 09:30", ("11-15 09:30", "12-15 09:30")),
        (f"{{usd: 5/month, {BERLIN}, resets: 31}}", "2026-02-27 12:00", ("01-31 00:00", "02-28 00:00")),
        (f"{{usd: 5/month, {BERLIN}, resets: 31}}", "2026-02-28 12:00", ("02-28 00:00", "03-31 00:00")),
        (f"{{usd: 5/month, {BERLIN}, resets: 30}}", "2028-03-01 12:00", ("02-29 00:00", "03-30 00:00")),
    ],
)
def test_a_period_is_that_of_the_calendar_there(written: str, moment: str, expected: tuple[str, str]) -> None:
    assert period(written, moment, "Europe/Berlin") == expected


@pytest.mark.parametrize(
    ("written", "moment", "expected"),
    [
        ("$5/d", "2026-11-27 23:59", ("11-27 00:00", "11-28 00:00")),
        ("{usd: 5/d}", "2026-11-27 23:59", ("11-27 00:00", "11-28 00:00")),
        ("{usd: $5/w}", "2026-11-29 23:59", ("11-23 00:00", "11-30 00:00")),
        ("$5/month", "2026-12-31 23:59", ("12-01 00:00", "01-01 00:00")),
        ("{usd: 5/d, resets: 06:00}", "2026-11-27 05:00", ("11-26 06:00", "11-27 06:00")),
        ("{usd: 5/w, resets: sunday}", "2026-11-28 05:00", ("11-22 00:00", "11-29 00:00")),
    ],
)
def test_without_a_zone_it_is_utc(written: str, moment: str, expected: tuple[str, str]) -> None:
    assert period(written, moment) == expected


ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
]
RESETS = {"d": ["06:00", "02:30", "00:00"], "w": ["monday", "sunday 02:30"], "month": [1, 15, 29, 31, "31 02:30"]}


@given(st.sampled_from(ZONES), st.data(), st.integers(0, 60 * 366 * 24))
def test_periods_follow_each_other_without_gap_or_overlap(zone: str, data: st.DataObject, hours: int) -> None:
    per = data.draw(st.sampled_from(sorted(RESETS)))
    resets = data.draw(st.sampled_from(RESETS[per]))
    found = budget(f"{{usd: 5/{per}, timezone: {zone}, resets: {resets}}}")
    wall = (datetime(1990, 1, 1, tzinfo=UTC) + timedelta(hours=hours)).timestamp()
    began = found.began(wall)
    ends = found.ends(began)
    assert began <= wall < ends
    assert found.began(began) == began
    assert found.began(ends) == ends, "the next one begins when this one ends"
    assert found.began(ends - 1) == began
