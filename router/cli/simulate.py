"""`signalbox simulate`: what a routes.yaml would do under hours of traffic and faults, before anybody depends on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from router.cli.common import UNREADABLE, Failure
from router.cli.terminal import echo, echo_json, style
from router.plan.plan import Plan

if TYPE_CHECKING:
    from router.config import Diagnostic
    from router.simulate.schema import Scenario


@click.command("simulate")
@click.argument("path", metavar="[FILE]", default="routes.yaml")
@click.option("-s", "--scenario", "scenario_path", required=True, metavar="FILE", help="Traffic, vendors and faults.")
@click.option("--seed", type=click.IntRange(min=0), help="Of all chance, in place of the scenario's own.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(path: str, scenario_path: str, seed: int | None, as_json: bool) -> int:
    """Run FILE (default: routes.yaml) under a scenario: hours in seconds, no key, no network.

    The engine is the real one, on a clock that jumps; the vendors are simulated. Exit code 0: what the scenario
    expects holds (or it expects nothing), 1: it does not, 2: a file is unreadable or invalid.
    """
    from router.simulate import judge, simulate
    from router.simulate.report import as_dict, plain, render

    plan, scenario = _load(path, scenario_path)
    progress = _progress(scenario.duration) if sys.stderr.isatty() else None
    try:
        outcome = simulate(plan, scenario, seed=seed, progress=progress)
    finally:
        if progress is not None:
            click.echo("\r\x1b[K", nl=False, err=True)
    verdicts = judge(outcome)
    if as_json:
        echo_json(as_dict(outcome, verdicts))
    else:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        echo(f"{path} under {scenario_path}")
        echo(render(outcome, verdicts, style if colour else plain), color=colour)
    return 0 if all(verdict.holds for verdict in verdicts) else 1


def _load(path: str, scenario_path: str) -> tuple[Plan, Scenario]:
    """Both files, free of errors."""
    from router.config import UnreadableFile
    from router.simulate.scenario import compile_simulated, load_routes, load_scenario

    try:
        loaded = load_routes(path)
        _refuse(path, loaded.diagnostics if loaded.file is None else ())
        plan = compile_simulated(loaded)
        scenario = load_scenario(scenario_path, plan)
    except UnreadableFile as error:
        hint = "" if Path(error.path).exists() else "; docs/simulate.md has scenarios to begin with"
        raise Failure(f"{error}{hint if error.path == scenario_path else ''}", UNREADABLE) from None
    if scenario.scenario is None:
        _refuse(scenario_path, scenario.diagnostics)
    assert scenario.scenario is not None
    return plan, scenario.scenario


def _refuse(path: str, diagnostics: tuple[Diagnostic, ...]) -> None:
    if not diagnostics:
        return
    for diagnostic in diagnostics:
        echo(diagnostic.render(), err=True)
    raise Failure(f"{path} has errors; nothing was simulated", UNREADABLE)


def _progress(duration: float) -> Callable[[float, int], None]:
    """Tells how far it is, once for each percent."""
    percent = -1

    def show(now: float, requests: int) -> None:
        nonlocal percent
        done = min(100, int(now / duration * 100))
        if done > percent:
            percent = done
            click.echo(f"\rsimulating {done:3}%  {requests:,} requests", nl=False, err=True)

    return show
