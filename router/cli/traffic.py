"""`signalbox simulate --traffic LOG`: the requests of a log on an edited file, before it is saved."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from router.cli.common import UNREADABLE, Failure
from router.cli.log import moment
from router.cli.names import ENDINGS
from router.cli.simulated import routes_of
from router.cli.terminal import echo, echo_json, has_colours, style
from router.plan.log import default_folder, log_rules
from router.simulate.comparison import as_dict, render, side_of, side_of_log
from router.simulate.replay import History, replay
from router.simulate.report import plain
from router.simulate.traffic import LoggedTraffic, read_traffic


def run_traffic(
    path: str,
    log_path: Path,
    between: tuple[str | None, str | None],
    against: str | None,
    seed: int,
    *,
    as_json: bool,
) -> int:
    """Run a log's requests on a file, and on the one before where that is given, and say what differs."""
    now = time.time()
    since, until = moment("--since", between[0], now, 0.0), moment("--until", between[1], now, float("inf"))
    plan = routes_of(path)
    before = None if against is None else routes_of(against)
    source = _folder_of(log_path) if log_path.name.endswith(ENDINGS) else log_path
    if not source.exists():
        raise Failure(f"there is no log at {source}", UNREADABLE, name="no_log")
    shows = sys.stderr.isatty()
    try:
        traffic = read_traffic(source, since, until, _progress("reading the log") if shows else None)
        if not traffic.requests:
            raise Failure(f"{source} has no request of that time", 1, name="no_requests")
        sides = [side_of_log(traffic)]
        for name, each in ((against or "", before), (path, plan)):
            if each is not None:
                told = _progress(f"simulating {name}") if shows else None
                others = tuple(other for other in (before, plan) if other is not None and other is not each)
                progress = None if told is None else (lambda part, _, told=told: told(part))
                sides.append(side_of(name, replay(each, traffic, plans=others, seed=seed, progress=progress)))
    except OSError as error:
        raise Failure(f"{source} can't be read: {error.strerror}", UNREADABLE) from None
    finally:
        if shows:
            click.echo("\r\x1b[K", nl=False, err=True)
    known = History(traffic, [plan, *([before] if before else [])], seed).known
    notes = list(_notes(traffic, sides[-1].outcome.places if sides[-1].outcome else {}, known))
    if as_json:
        echo_json(as_dict(traffic, sides, notes))
    else:
        echo(f"{path} on the requests of {source}")
        echo(render(traffic, sides, notes, style if has_colours() else plain))
    return 0


def _folder_of(path: Path) -> Path:
    """The folder of the log that a routes.yaml has."""
    rules = log_rules(routes_of(str(path)).file, path)
    return default_folder(path) if rules is None else rules.folder


def _notes(traffic: LoggedTraffic, places: dict[str, str], known: set[tuple[str, str]]) -> list[str]:
    notes = []
    if traffic.unreadable:
        more = ", …" if traffic.unreadable > len(traffic.places) else ""
        many = f"{traffic.unreadable:,} line{'' if traffic.unreadable == 1 else 's'}"
        notes.append(f"{many} of the log can't be read: {', '.join(traffic.places)}{more}")
    logged = {"/".join(place) for place in known}
    new = sorted(name for name, place in places.items() if place not in logged)
    if new:
        notes.append(f"never called in the log, and simulated as vendors usually are: {', '.join(new)}")
    return notes


def _progress(what: str) -> Callable[[float], None]:
    """Tells how far it is, once for each percent."""
    percent = -1

    def show(part: float) -> None:
        nonlocal percent
        done = min(100, int(part * 100))
        if done > percent:
            percent = done
            click.echo(f"\r\x1b[K{what} {done:3}%", nl=False, err=True)

    return show
