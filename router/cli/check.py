"""`signalbox check`: is this file right, and if not, what, where and how to mend it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from router.cli.common import INVALID, as_data, json_option, load_file, print_finding, takes_file
from router.cli.terminal import echo, echo_json, style
from router.cli.verb import Verb
from router.config.diagnostics import MAX_TOLD
from router.config.units import format_duration
from router.plan.compile import compile_plan

if TYPE_CHECKING:
    from router.cli.credentials import Fetched
    from router.config import LoadResult


@click.command(
    "check",
    cls=Verb,
    examples=[
        "signalbox check                         # routes.yaml of this folder",
        "signalbox check conf/prod.yaml --online # and try the server of `shared`, and the sources of credentials",
        "signalbox check --json | jq -r '.diagnostics[].message'",
    ],
    exits={0: "valid, perhaps with warnings", 1: "invalid", 2: "unreadable, or wrong usage"},
)
@takes_file()
@json_option
@click.option("--online", is_flag=True, help="Try the server of `shared`, and fetch credentials, as well.")
def command(path: str, as_json: bool, online: bool) -> int:
    """Validate FILE (default: routes.yaml): every error and warning with its line, column and what to do."""
    loaded = load_file(path)
    shared = _try_shared(loaded) if online else None
    fetched = _try_credentials(loaded) if online else []
    if as_json:
        told = {} if shared is None else {"shared": shared}
        echo_json(_as_dict(loaded) | told | ({"credentials": fetched} if fetched else {}))
    else:
        _print_findings(loaded, path)
        if shared is not None:
            echo(f"shared: {shared['problem'] or 'the server answers'}", err=not shared["answers"])
        for each in fetched:
            echo(f"{each['provider']}: {each['problem'] or _held(each)}", err=bool(each["problem"]))
    works = (shared is None or shared["answers"]) and not any(each["problem"] for each in fetched)
    return 0 if loaded.file is not None and works else INVALID


def _try_credentials(loaded: LoadResult) -> list[Fetched]:
    if loaded.file is None:
        return []
    from router.cli.credentials import try_all

    return try_all(compile_plan(loaded))


def _held(fetched: Fetched) -> str:
    """What came of a source that gave something, which is not shown."""
    seconds = fetched["seconds"]
    how_long = "until it is refused" if seconds is None else f"for {format_duration(round(seconds))}"
    return f"{fetched['source']} gave a credential that holds {how_long}"


def _try_shared(loaded: LoadResult) -> dict[str, Any] | None:
    """Make one exchange with the server of `shared`; None where the file has none."""
    if loaded.file is None or (rules := compile_plan(loaded).shared) is None or rules.is_local:
        return None
    from router.shared.sharing import attempt

    problem = asyncio.run(attempt(rules))
    return {"answers": not problem, "problem": problem}


def _print_findings(loaded: LoadResult, path: str) -> None:
    for diagnostic in loaded.diagnostics:
        print_finding(diagnostic)
    if loaded.file is None:
        errors = sum(1 for diagnostic in loaded.diagnostics if diagnostic.severity == "error")
        many = f"over {MAX_TOLD}" if len(loaded.diagnostics) > MAX_TOLD else errors
        echo(f"{path}: {style(f'{many} error' + ('s' if errors != 1 else ''), fg='red', bold=True)}", err=True)
        return
    file = loaded.file
    counts = ", ".join(
        f"{len(entries)} {noun}{'' if len(entries) == 1 else 's'}"
        for noun, entries in (("provider", file.providers), ("model", file.models), ("route", file.routes))
    )
    echo(f"{path}: {style('valid', fg='green', bold=True)}: {counts} (revision {loaded.revision})")
    if loaded.disabled:
        left_out = ", ".join(f"{name} ({variable})" for name, variable in loaded.disabled.items())
        echo(f"left out, since a variable is not set: {left_out}")
    plan = compile_plan(loaded)
    if plan.serving.left_out:
        echo(f"clients left out, since the variable of their key is not set: {', '.join(plan.serving.left_out)}")
    for sentence in plan.uncounted:
        echo(f"note: {sentence}")


def _as_dict(loaded: LoadResult) -> dict[str, Any]:
    return {
        "valid": loaded.file is not None,
        "revision": loaded.revision,
        "diagnostics": [as_data(diagnostic) for diagnostic in loaded.diagnostics],
        "disabled": dict(loaded.disabled),
        "notes": [] if loaded.file is None else list(compile_plan(loaded).uncounted),
    }
