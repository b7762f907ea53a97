"""Counting work instead of timing it: how many functions are entered does not depend on the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def functions_entered() -> Iterator[Callable[[], int]]:
    """Gives what tells how many functions, Python's and C's, this thread has entered meanwhile."""
    entered = 0

    def on_event(frame: object, event: str, argument: object) -> None:
        nonlocal entered
        entered += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        yield lambda: entered
    finally:
        sys.setprofile(before)
