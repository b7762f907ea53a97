"""Tables of combinations that cost seconds: CI runs a part of them, `make cells` all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import product
from typing import TypeVar

T = TypeVar("T")
ALL = os.environ.get("SIGNALBOX_CELLS") == "all"


def each(step: int, cells: Iterable[T]) -> list[T]:
    """Every n-th of them, the first among them; all for `make cells`."""
    return list(cells)[:: 1 if ALL else step]


def crossed(first: Iterable[object], second: Iterable[object]) -> list[tuple[object, ...]]:
    """Every other pair of two short lists, as the white fields of a board: each of both is in one. All for `make
    cells`.
    """
    return each(2, product(first, second))
