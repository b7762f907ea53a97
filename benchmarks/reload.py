"""Editing a file of 500 lines while 50 calls are under way: what it costs, and that nothing is lost.

    python -m benchmarks.reload [SAVES] [SECONDS]      default: 1000 saves in 60 s, a third of them invalid

It ends with exit code 1 when a request failed or something was left behind.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.support.saving import CALLS, measure


def _progress(saves: int, number: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{number} of {saves} saves ", end="", file=sys.stderr, flush=True)


def main() -> int:
    saves = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    logging.getLogger("signalbox").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), saves, seconds, on_save=partial(_progress, saves)))
    print(f"{found.saves} saves in {seconds:g} s, {found.answered} calls answered, {len(found.failures)} failed")
    print(
        f"save to swap, {CALLS} calls under way: median {statistics.median(found.swaps) * 1000:.0f} ms, "
        f"p95 {found.p(0.95) * 1000:.0f} ms"
    )
    for trouble in (*found.failures[:5], *found.left_behind):
        print(f"  {trouble}")
    return 1 if found.failures or found.left_behind else 0


if __name__ == "__main__":
    sys.exit(main())
