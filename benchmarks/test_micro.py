"""Every part of `python -m benchmarks` runs: with the least work, since what it finds does not matter here."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from benchmarks import balance, cache, decode, embeddings, engine, loading, shared, shared_answers, telemetry
from tests.support.redis_server import PROGRAM

LEAST: dict[ModuleType, dict[str, object]] = {
    engine: {"RUNS": 1, "CALLS": 3, "CHUNKS": 3, "TARGETS": (3,)},
    telemetry: {"ROUNDS": 1, "CALLS": 3, "PROCESSES": 1, "TARGETS": (10,), "SNAPSHOTS": 1, "LEAST": 3},
    cache: {"RUNS": 1, "HITS": 3, "STORED": 1},
    decode: {"ROUNDS": 1, "CHUNKS": 10},
    embeddings: {"RUNS": 1, "CALLS": {1: 2}, "python_of": lambda *_, **__: None},  # LiteLLM alone loads for seconds
    balance: {"ROUNDS": 1, "PICKS": 10, "TARGETS": (3,)},
    loading: {"ROUNDS": 1, "MODELS": (3,)},
    shared: {"RUNS": 1, "CALLS": 3},
    shared_answers: {"RUNS": 1, "HITS": 64},
}
PARTS = importlib.import_module("benchmarks.__main__").PARTS


def test_every_part_is_among_them() -> None:
    assert set(PARTS) == LEAST.keys()


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_it_runs_and_tells_figures(
    part: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("router.shared.answers.PATIENCE", 60.0)  # which it sets, and which is put back
    monkeypatch.setattr(shared_answers, "LATE", 60.0)
    for module in (part, engine):  # whose call others compare with
        for name, value in LEAST[module].items():
            monkeypatch.setattr(module, name, value)
    part.main()
    told = capsys.readouterr().out
    assert "µs" in told or "ms" in told or (part is shared_answers and PROGRAM is None)
    assert "nan" not in told
    assert "inf" not in told
