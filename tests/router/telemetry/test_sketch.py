"""Quantiles from buckets against those from the durations themselves."""

from __future__ import annotations

import statistics
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.telemetry import sketch
from router.telemetry.sketch import Sketch

durations = st.lists(st.floats(1e-3, 600), min_size=1, max_size=300)


@given(durations, st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_its_promise(values: list[float], share: float) -> None:
    """At most 3.2 % off the duration below which that share lies."""
    buckets: Sketch = {}
    sketch.count(buckets, array("d", values))
    [found] = sketch.quantiles(buckets, share)
    exact = next(each for place, each in enumerate(sorted(values), 1) if place >= share * len(values))
    assert found == pytest.approx(exact, rel=0.032)


@given(durations, durations)
def test_adding_is_exact(one: list[float], other: list[float]) -> None:
    """Two sketches added are the sketch of all; what is taken away again leaves no trace."""
    whole: Sketch = {}
    parts: list[Sketch] = [{}, {}]
    sketch.count(whole, array("d", [*one, *other]))
    sketch.count(parts[0], array("d", one))
    sketch.count(parts[1], array("d", other))
    added = dict(parts[0])
    sketch.add(added, parts[1])
    assert added == whole
    sketch.subtract(added, parts[1])
    assert added == parts[0]


def test_nothing_has_no_quantile_and_zero_is_a_duration() -> None:
    assert sketch.quantiles({}, 0.5, 0.9) == [None, None]
    buckets: Sketch = {}
    sketch.count(buckets, array("d", [0.0, 0.0]))
    assert sketch.quantiles(buckets, 0.5) == [pytest.approx(0.0, abs=1e-6)]


def test_a_minute_at_any_rate_fits_in_a_few_hundred_bytes() -> None:
    """From a millisecond to ten minutes there are fewer than 330 buckets."""
    buckets: Sketch = {}
    sketch.count(buckets, array("d", [0.001 * 1.01**step for step in range(1350)]))
    assert len(buckets) < 330
    assert statistics.mean(buckets.values()) > 1
