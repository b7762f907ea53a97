"""Token buckets: never more than the rate and the burst allow, and nobody is passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.transport.token_bucket import TokenBucket

STEPS = st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 8)), max_size=60)


@given(st.floats(0.1, 50), st.floats(1, 20), STEPS)
def test_no_window_gets_more_than_its_allowance(rate: float, capacity: float, steps: list[tuple[float, float]]) -> None:
    """Between any two moments at most burst + rate x time is had (a single larger request is owed afterwards)."""
    bucket = TokenBucket(rate, capacity)
    now, taken = 0.0, []
    for pause, amount in steps:
        now += pause
        amount = min(amount, capacity)
        if bucket.wait_for(amount, now) == 0:
            bucket.take(amount, now)
            taken.append((now, amount))
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            span = taken[last][0] - taken[first][0]
            assert sum(amount for _, amount in taken[first : last + 1]) <= capacity + rate * span + 1e-6


@given(st.floats(0.1, 50), st.floats(1, 20), STEPS)
def test_the_wait_is_exact(rate: float, capacity: float, steps: list[tuple[float, float]]) -> None:
    """After it there is enough, shortly before it there is not."""
    bucket = TokenBucket(rate, capacity)
    now = 0.0
    for pause, amount in steps:
        now += pause
        wait = bucket.wait_for(amount, now)
        if wait > 1e-3:
            assert bucket.wait_for(amount, now + wait * 0.99) > 0
        now += wait + 1e-6
        assert bucket.wait_for(amount, now) == 0
        bucket.take(amount, now)


def test_what_was_reserved_can_be_given_back() -> None:
    """Up to what the bucket holds; and more can be taken than is there, to be waited for later."""
    bucket = TokenBucket(1.0, 10.0)
    bucket.take(25.0, 0.0)
    assert bucket.available(0.0) == -15.0
    assert bucket.wait_for(1.0, 0.0) == 16.0
    bucket.give_back(100.0, 0.0)
    assert bucket.available(0.0) == 10.0


@pytest.mark.parametrize(("rate", "capacity"), [(0, 1), (1, 0), (-1, 1)])
def test_a_bucket_without_flow_is_refused(rate: float, capacity: float) -> None:
    """It would let nothing through, ever."""
    with pytest.raises(ValueError, match="above 0"):
        TokenBucket(rate, capacity)
