"""`signalbox simulate`: what a routes.yaml would do under hours of traffic and faults, before anybody depends on it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from router.cli.common import UNREADABLE, Failure, json_option, takes_file
from router.cli.names import files_of
from router.cli.simulated import refuse, routes_of, unreadable
from router.cli.terminal import echo, echo_json, has_colours, style
from router.cli.verb import Verb, items
from router.plan.plan import Plan

if TYPE_CHECKING:
    from router.simulate.schema import Scenario


@click.command(
    "simulate",
    cls=Verb,
    examples=[
        "signalbox simulate -s outage.yaml --seed 7",
        "signalbox simulate -s outage.yaml --json | jq .expectations   # in CI: exit 1 when one does not hold",
        "signalbox simulate --traffic logs --since 1d                  # yesterday's requests on the edited file",
        "signalbox simulate new.yaml --traffic logs --against routes.yaml",
    ],
    exits={0: "what the scenario expects holds, or it expects nothing", 1: "it does not", 2: "a file is wrong"},
)
@takes_file()
@click.option(
    "-s",
    "--scenario",
    "scenario_path",
    metavar="SCENARIO",
    help="A file with traffic, vendors and faults.",
    shell_complete=lambda ctx, param, incomplete: items(files_of(incomplete), incomplete),
)
@click.option(
    "--traffic",
    "log_path",
    metavar="LOG",
    type=click.Path(path_type=Path),
    help="A log of requests, which are run again: its folder, one file of it, or the routes.yaml that has it.",
)
@click.option("--since", metavar="WHEN", help="Of LOG those that began since: 1d (ago), or a time.")
@click.option("--until", metavar="WHEN", help="Of LOG those that began until then.")
@click.option("--against", metavar="FILE", help="Run LOG on this file too, as it was before.")
@click.option("--seed", type=click.IntRange(min=0), help="Of all chance, in place of the scenario's own.")
@json_option
def command(
    path: str,
    scenario_path: str | None,
    log_path: Path | None,
    since: str | None,
    until: str | None,
    against: str | None,
    seed: int | None,
    as_json: bool,
) -> int:
    """Run FILE (default: routes.yaml) under a scenario, or on the requests of a log: hours in seconds, no key, no
    network.

    The engine is the real one, on a clock that jumps; the vendors are simulated.
    """
    if (scenario_path is None) == (log_path is None):
        raise Failure("give a scenario (-s) or a log of requests (--traffic)", UNREADABLE)
    if log_path is not None:
        from router.cli.traffic import run_traffic

        return run_traffic(path, log_path, (since, until), against, 1 if seed is None else seed, as_json=as_json)
    if since or until or against:
        raise Failure("--since, --until and --against go with --traffic", UNREADABLE)
    assert scenario_path is not None
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
        echo(f"{path} under {scenario_path}")
        echo(render(outcome, verdicts, style if has_colours() else plain))
    return 0 if all(verdict.holds for verdict in verdicts) else 1


def _load(path: str, scenario_path: str) -> tuple[Plan, Scenario]:
    """Both files, free of errors."""
    from router.config import UnreadableFile
    from router.simulate.scenario import load_scenario

    plan = routes_of(path)
    try:
        scenario = load_scenario(scenario_path, plan)
    except UnreadableFile as error:
        hint = "a scenario says traffic and faults: `signalbox schema --scenario` prints what it may say"
        raise unreadable(error, hint) from None
    if scenario.scenario is None:
        refuse(scenario_path, scenario.diagnostics)
    assert scenario.scenario is not None
    return plan, scenario.scenario


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
