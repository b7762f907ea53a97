"""The runs that docs/simulate.md shows are what the command prints today."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.support.simulated_runs import PAGE, RUN, indented, is_the_same, run

RUNS = list(RUN.finditer(PAGE.read_text()))


def test_the_page_shows_all_worked_scenarios() -> None:
    page = PAGE.read_text()
    assert page.count("    signalbox simulate docs/") == page.count(" simulated in ") == len(RUNS)
    names = {path.name.partition(".")[0] for path in (PAGE.parent / "scenarios").iterdir()}
    shown = [re.findall(r"scenarios/(\w+)", each["words"]) for each in RUNS]
    assert sorted(shown) == [[name, name] for name in sorted(names)]


@pytest.mark.slow
@pytest.mark.parametrize("shown", RUNS, ids=lambda shown: shown["words"].split("/")[-1])
async def test_the_page_is_current(shown: re.Match[str]) -> None:
    """`make runs` makes it anew. Each runs without a key and holds; a pipe gets the report alone, without colour."""
    done = await asyncio.to_thread(run, shown["words"])
    assert (done.code, done.err) == (0, "")
    assert is_the_same(indented(done.out), shown["shown"])
    assert "\x1b" not in done.out
    assert "✓" in done.out
    assert [line for line in done.out.splitlines() if len(line) > 80] == []
    for words in ("Routes  ", "Targets  ", "Calls a second", "Expected"):
        assert words in done.out
