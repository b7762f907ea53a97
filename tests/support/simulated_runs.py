"""Prints the runs that docs/simulate.md shows: `make runs`. A test holds the page to what the command prints today."""

from __future__ import annotations

import re

from router.simulate import judge, simulate
from router.simulate.report import render
from router.simulate.scenario import compile_simulated, load_routes, load_scenario
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "simulate.md"
_RUN = re.compile(
    r"(?P<command>    signalbox simulate (?P<routes>docs/\S+) -s (?P<scenario>docs/\S+)\n\n)"
    r"(?P<shown>(?:(?: {4}.*)?\n)+)"
)
_TOOK = re.compile(r"simulated in [\d.]+ s")  # by this machine, this time


def _printed(routes: str, scenario: str) -> str:
    plan = compile_simulated(load_routes(ROOT / routes, env={}))
    loaded = load_scenario(ROOT / scenario, plan)
    assert loaded.scenario is not None, [found.render() for found in loaded.diagnostics]
    outcome = simulate(plan, loaded.scenario)
    lines = render(outcome, judge(outcome)).splitlines()
    return "".join(f"    {line}".rstrip() + "\n" for line in lines) + "\n"


def _made_anew(run: re.Match[str]) -> str:
    printed = _printed(run["routes"], run["scenario"])
    is_current = _TOOK.sub("", printed) == _TOOK.sub("", run["shown"])
    return run["command"] + (run["shown"] if is_current else printed)


def current() -> str:
    """Return the page with its runs as they are printed today."""
    return _RUN.sub(_made_anew, PAGE.read_text())


if __name__ == "__main__":
    PAGE.write_text(current())
