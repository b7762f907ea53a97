"""`python -m benchmarks` (`make bench-micro`): its parts, one by one, or those that are named.

Apart: `python -m benchmarks.bytecodes` and `benchmarks.moves` count in place of measuring; `benchmarks.reload`,
`benchmarks.cache_hammer` and `benchmarks.fleet` take a minute each. The comparison with other routers is
`python -m benchmarks.compare` (`make bench`).
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys

from benchmarks import balance, cache, decode, embeddings, engine, loading, shared, shared_answers, telemetry

RUNS = 7
PARTS = (engine, telemetry, cache, decode, embeddings, balance, loading, shared, shared_answers)


def import_cost(module: str) -> float:
    """Seconds of CPU (user + system) that a fresh interpreter needs to import a module, its own start excluded."""
    return _cpu(f"import {module}") - _cpu("pass")


def _cpu(code: str) -> float:
    spent = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(spent)


def main() -> None:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {part.__name__.removeprefix("benchmarks."): part for part in PARTS}
    options.add_argument(
        "part", nargs="*", choices=["import", *parts, []], metavar="part", help=", ".join(["import", *parts])
    )
    wanted = options.parse_args().part or ["import", *parts]
    for module in ("router", "providers", "router.router") if "import" in wanted else ():
        print(f"import {module:<12} {import_cost(module) * 1000:7.1f} ms CPU (median of {RUNS})")
    for name, part in parts.items():
        if name in wanted:
            part.main()


if __name__ == "__main__":
    main()
