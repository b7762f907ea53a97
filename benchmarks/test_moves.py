"""How far a reader has to walk, and what Python executes for a call, stay within bounds."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from benchmarks.bytecodes import PARTS
from tests.support.paths import ROOT

# Moves from one file to another. Some of them are what carries HTTP: without aiohttp's sessions a call costs half of
# what it did, and goes five times more between the two files that do their work. Five more ask what of files, of tools,
# of large parts and of labels is to be kept, which most requests have none of.
MOST = {"a plain call": 69, "a cache miss": 91}


@pytest.mark.slow
def test_a_call_moves_between_files_seldom() -> None:
    command = [sys.executable, "-m", "benchmarks.moves"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    found = {
        what: int(moves) for what, moves in re.findall(r"^(.+): \d+ files, (\d+) moves", done.stdout, re.MULTILINE)
    }
    assert found.keys() == MOST.keys()
    assert {what for what, moves in found.items() if moves > MOST[what]} == set(), found


MOST_BYTECODES = 4900  # 4,606 with Python 3.11


@pytest.mark.slow
def test_a_call_executes_few_bytecodes() -> None:
    """All that it executes belongs to a part, and none of them is empty."""
    command = [sys.executable, "-m", "benchmarks.bytecodes"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    total = int(re.findall(r"^a plain call: (\d+) bytecodes", done.stdout)[0])
    parts = {name: int(count) for count, name in re.findall(r"^ +(\d+) +\d+%  (.+)", done.stdout, re.MULTILINE)}
    assert sum(parts.values()) == total <= MOST_BYTECODES
    assert parts.keys() == {*PARTS, "aiohttp", "asyncio"}
