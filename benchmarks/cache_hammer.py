"""Many processes on one cache folder, some killed hard: no wrong answer, no lost write, nobody stuck.

python -m benchmarks.cache_hammer [SECONDS]     default: 60 s, 8 processes, two of them killed
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.support.hammering import hammer


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as folder:
        found = hammer(Path(folder), processes=8, killed=2, operations=0, seconds=seconds)
    print(
        f"8 processes, 2 killed, {seconds:g} s: {found.reads} reads, {found.writes} writes, {len(found.wrong)} wrong, "
        f"{len(found.lost)} lost, {found.stuck} stuck"
    )
    return 1 if found.wrong or found.lost or found.stuck else 0


if __name__ == "__main__":
    sys.exit(main())
