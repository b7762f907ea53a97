"""Quantiles of durations in a few hundred bytes: counts in buckets whose borders grow by 5 %.

A bucket's middle is at most 2.5 % off any duration in it, whatever came in; two sketches are added bucket by bucket,
which is exact. The idea is DDSketch's (C. Masson, J. E. Rim, H. K. Lee: "DDSketch: A fast and fully-mergeable quantile
sketch with relative-error guarantees", PVLDB 12(12), 2019, https://doi.org/10.14778/3352063.3352135).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp, log
from typing import TypeAlias

GROWTH = 1.05
_PER_LOG = 1 / log(GROWTH)
_LEAST = 1e-6  # seconds; what is shorter counts as this
_SHIFT = 14.0  # makes the least bucket's number positive

Sketch: TypeAlias = dict[int, int]  # bucket: count


def count(sketch: Sketch, durations: Iterable[float]) -> None:
    """Put durations (seconds) into a sketch."""
    for seconds in durations:
        bucket = int((log(seconds + _LEAST) + _SHIFT) * _PER_LOG)
        sketch[bucket] = sketch.get(bucket, 0) + 1


def add(sketch: Sketch, other: Mapping[int, int]) -> None:
    """Add another sketch to this one."""
    for bucket, number in other.items():
        sketch[bucket] = sketch.get(bucket, 0) + number


def subtract(sketch: Sketch, other: Mapping[int, int]) -> None:
    """Take away what was added before."""
    for bucket, number in other.items():
        left = sketch[bucket] - number
        if left:
            sketch[bucket] = left
        else:
            del sketch[bucket]


def middle(bucket: int) -> float:
    """The duration that stands for a bucket, in seconds."""
    return max(0.0, exp((bucket + 0.5) / _PER_LOG - _SHIFT) - _LEAST)


def upper(bucket: int) -> float:
    """The border above a bucket, in seconds."""
    return exp((bucket + 1) / _PER_LOG - _SHIFT) - _LEAST


def quantiles(sketch: Mapping[int, int], *shares: float) -> list[float | None]:
    """The durations below which these shares (0 to 1, rising) of all lie; None each for an empty sketch."""
    total = sum(sketch.values())
    if not total:
        return [None for _ in shares]
    found: list[float | None] = []
    buckets = iter(sorted(sketch.items()))
    passed, bucket = 0, 0
    for share in shares:
        while passed < share * total or not passed:
            bucket, number = next(buckets)
            passed += number
        found.append(middle(bucket))
    return found
