"""A breaker counts the calls of its window, also when an edit of the file gives it another one."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from router.plan.rules import BreakerRules
from router.state.breaker import Breaker

RULES = BreakerRules(window=10, consecutive=1000, failure_rate=0.5, min_calls=10)


@pytest.mark.parametrize("window", [1.0, 100.0])
def test_of_another_window_what_is_older_counts_no_more(window: float) -> None:
    """A longer one lets go of what is older than itself, as a shorter one does."""
    breaker = Breaker(RULES, random.Random(1))
    for _ in range(9):
        breaker.failure(breaker.acquire(1000.0), 1000.0)
    breaker.follow(replace(RULES, window=window))
    for now in (1200.0, 1400.0, 1600.0):
        breaker.failure(breaker.acquire(now), now)
        assert breaker.state == "closed"


def test_successes_count_within_the_window_alone() -> None:
    """However many there were before, half of what is recent opens it."""
    breaker = Breaker(RULES, random.Random(1))
    for number in range(1000):
        breaker.success(breaker.acquire(now := 1000 + number / 1000), now)
    for number in range(5):
        breaker.success(breaker.acquire(1020.0), 1020.0)
        breaker.failure(breaker.acquire(1020.5), 1020.5)
        assert breaker.state == ("closed" if number < 4 else "open")
