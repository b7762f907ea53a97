"""How far a reader has to walk stays within bounds."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

MOST = {"a plain call": 60, "a cache miss": 80}  # moves from one file to another


@pytest.mark.slow
def test_a_call_moves_between_files_seldom() -> None:
    command = [sys.executable, "-m", "benchmarks.moves"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    found = {
        what: int(moves) for what, moves in re.findall(r"^(.+): \d+ files, (\d+) moves", done.stdout, re.MULTILINE)
    }
    assert found.keys() == MOST.keys()
    assert {what for what, moves in found.items() if moves > MOST[what]} == set(), found
