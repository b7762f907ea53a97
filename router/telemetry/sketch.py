"""Quantiles of durations in a few hundred bytes: counts in buckets of nearly equal relative width.

A bucket's number is the upper 16 bits of the duration as a double: its exponent and 4 bits of its mantissa, so that
each octave has 16 buckets, and a bucket's middle is at most 3.2 % off any duration in it. That costs no logarithm. Two
sketches are added bucket by bucket, which is exact.

The idea is DDSketch's, with buckets that are linear within an octave as in HdrHistogram (C. Masson, J. E. Rim,
H. K. Lee: "DDSketch: A fast and fully-mergeable quantile sketch with relative-error guarantees", PVLDB 12(12), 2019,
https://doi.org/10.14778/3352063.3352135; https://hdrhistogram.org).
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias

_SHIFT = 48  # bits of a double that are left out
_UPPER = 3 if sys.byteorder == "little" else 0  # of its four parts of 16 bits, the one that is kept
_FEW = 12  # durations that are counted sooner than a Counter is made

Sketch: TypeAlias = dict[int, int]  # bucket: count


class Packed:
    """A sketch that is only kept, to be added to others later: a tenth of a dict's memory."""

    __slots__ = ("_buckets", "_counts")

    def __init__(self, sketch: Sketch) -> None:
        self._buckets = array("H", sketch)
        self._counts = array("I", sketch.values())

    def items(self) -> Iterable[tuple[int, int]]:
        """Return the buckets with their counts."""
        return zip(self._buckets, self._counts, strict=True)


def count(sketch: Sketch, durations: array[float]) -> None:
    """Put durations (seconds, doubles, not negative) into a sketch."""
    buckets = memoryview(durations).cast("B").cast("H")[_UPPER::4]
    if len(buckets) > _FEW:
        add(sketch, Counter(buckets))
        return
    for bucket in buckets:
        sketch[bucket] = sketch.get(bucket, 0) + 1


def add(sketch: Sketch, other: Mapping[int, int] | Packed) -> None:
    """Add another sketch to this one."""
    for bucket, count in other.items():
        sketch[bucket] = sketch.get(bucket, 0) + count


def subtract(sketch: Sketch, other: Mapping[int, int]) -> None:
    """Take away what was added before."""
    for bucket, count in other.items():
        left = sketch[bucket] - count
        if left:
            sketch[bucket] = left
        else:
            del sketch[bucket]


def lower(bucket: int) -> float:
    """The least duration of a bucket, in seconds."""
    bound: float = struct.unpack("d", struct.pack("q", bucket << _SHIFT))[0]
    return bound


@lru_cache(maxsize=4096)
def middle(bucket: int) -> float:
    """The duration that stands for a bucket, in seconds."""
    return (lower(bucket) + lower(bucket + 1)) / 2 if bucket else 0.0


def quantiles(sketch: Mapping[int, int], *shares: float) -> list[float | None]:
    """The durations below which these shares (0 to 1, rising) of all lie; None each for an empty sketch."""
    total = sum(sketch.values())
    if not total:
        return [None for _ in shares]
    values: list[float | None] = []
    buckets = iter(sorted(sketch.items()))
    passed, bucket = 0, 0
    for share in shares:
        while passed < share * total or not passed:
            bucket, count = next(buckets)
            passed += count
        values.append(middle(bucket))
    return values
