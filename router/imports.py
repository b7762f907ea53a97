"""Imports of many modules at once."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Import with the garbage collector paused: it would look through all that is new again and again, which takes a
    tenth of the time, and none of it is garbage. Once more at the end would take 20 ms, so what there is counts as old.
    """
    if not gc.isenabled():
        yield
        return
    known = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > known and not gc.get_freeze_count():  # what somebody has frozen stays so
            gc.freeze()
            gc.unfreeze()  # to the oldest generation, and not looked through
        gc.enable()
