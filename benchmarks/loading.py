"""What it costs to load a file: its YAML, its checks, its plan, by the number of models."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.engine import file_of
from router.config import load_text
from router.config.diagnostics import Findings
from router.config.yaml_reader import read_yaml
from router.plan.compile import compile_plan

ROUNDS = 7
MODELS = (10, 1000)


def _best(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def costs(models: int) -> tuple[float, float, float]:
    """Seconds of CPU for (reading the YAML, all of loading, compiling the plan), each the best of some rounds."""
    text = file_of(models)
    loaded = load_text(text, env={})
    return (
        _best(lambda: read_yaml(text, Findings("routes.yaml", text))),
        _best(lambda: load_text(text, env={})),
        _best(lambda: compile_plan(loaded)),
    )


def main() -> None:
    for models in MODELS:
        yaml, loading, plan = (each * 1e3 for each in costs(models))
        parts = f"YAML {yaml:.1f}, checks {loading - yaml:.1f}, plan {plan:.1f}"
        print(f"a file of {models:>4} models: {loading + plan:6.1f} ms CPU: {parts}")


if __name__ == "__main__":
    main()
