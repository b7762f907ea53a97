"""The units of routes.yaml: every right form is read exactly, every other is refused with the right one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from router.config import units

AMOUNTS = st.integers(1, 10_000) | st.decimals(min_value="0.001", max_value=9999, places=3)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (units.duration, "250ms", 0.25),
        (units.duration, "5s", 5),
        (units.duration, "1.5h", 5400),
        (units.duration, "2m", 120),
        (units.duration, "1d", 86400),
        (units.duration, " 10 s ", 10),
        (units.count, 64, 64),
        (units.count, "200k", 200_000),
        (units.count, "1.5M", 1_500_000),
        (units.size, "512KB", 512_000),
        (units.size, "1GiB", 1024**3),
        (units.rate, "500/min", 500 / 60),
        (units.rate, "200k/minute", 200_000 / 60),
        (units.rate, "10 / s", 10),
        (units.rate, "5k/h", 5000 / 3600),
        (units.percent, "50%", 0.5),
        (units.percent, "0.1%", 0.001),
        (units.budget, "$20/d", (20, 86400)),
        (units.budget, "$1.50/hour", (1.5, 3600)),
        (units.budget, {"usd": "5/day"}, (5, 86400)),
    ],
)
def test_right_forms(read: Any, text: Any, value: Any) -> None:
    """As the documentation writes them."""
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "hint"),
    [
        (units.duration, 5, "write 5s or 5ms"),
        (units.duration, "5", "such as 250ms"),
        (units.duration, "5 sec", "such as 250ms"),
        (units.duration, "-5s", "such as 250ms"),
        (units.duration, "1e3s", "such as 250ms"),
        (units.duration, "٣s", "such as 250ms"),
        (units.duration, True, "such as 250ms"),
        (units.duration, None, "such as 250ms"),
        (units.duration, [], "this list"),
        (units.count, "1.5", "not a whole number"),
        (units.count, "5K", "such as 64"),
        (units.count, -1, "such as 64"),
        (units.size, 100, "write 100MB"),
        (units.size, "1.5B", "whole number of bytes"),
        (units.size, "1mb", "such as 512KB"),
        (units.rate, 500, "write 500/min"),
        (units.rate, "500/month", "periods: s, min, h, d"),
        (units.rate, "500", "such as 10/s"),
        (units.percent, 50, "write 50%"),
        (units.percent, "150%", "more than 100%"),
        (units.percent, "half", "such as 50%"),
        (units.budget, "20/d", "such as $20/d"),
        (units.budget, {"eur": "5/day"}, "such as $20/d"),
    ],
)
def test_other_forms_are_told_the_right_one(read: Any, text: Any, hint: str) -> None:
    """A bare number where a unit is needed, a unit that is not known, a sign."""
    with pytest.raises(ValueError, match=r".+") as caught:
        read(text)
    assert hint in str(caught.value)


@given(AMOUNTS, st.sampled_from(sorted(units.DURATIONS)))
def test_durations_are_written_as_they_are_read(amount: Any, unit: str) -> None:
    """What is read can be written, and reads back as the same value."""
    seconds = units.duration(f"{amount}{unit}")
    assert units.duration(units.format_duration(seconds)) == seconds


@given(st.integers(0, 10**12))
def test_counts_and_sizes_are_written_as_they_are_read(number: int) -> None:
    """Shortest form or not: the same number."""
    assert units.count(units.format_count(number)) == number
    assert units.size(units.format_size(number)) == number


@given(AMOUNTS, st.sampled_from(["", "k", "M"]), st.sampled_from(sorted(units.PERIODS)))
def test_rates_are_written_as_they_are_read(amount: Any, unit: str, period: str) -> None:
    """The period may change, the rate does not."""
    per_second = units.rate(f"{amount}{unit}/{period}")
    assert units.rate(units.format_rate(per_second)) == per_second


@given(st.integers(0, 10_000))
def test_percentages_are_written_as_they_are_read(hundredths: int) -> None:
    """To a hundredth of a percent."""
    fraction = units.percent(f"{hundredths / 100:.2f}%")
    assert units.percent(units.format_percent(fraction)) == fraction


@given(st.text(max_size=12))
def test_any_other_text_is_refused(text: str) -> None:
    """No text makes another error than ValueError."""
    assume(text.strip())
    for read in (units.duration, units.count, units.size, units.rate, units.percent, units.budget):
        try:
            read(text)
        except ValueError as error:
            assert str(error)  # noqa: PT017 - either end is right
