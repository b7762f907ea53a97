"""`signalbox check`: is this file right, and if not, what, where and how to mend it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from router.cli.common import INVALID, load_file
from router.cli.terminal import echo, echo_json
from router.config.diagnostics import MAX_TOLD
from router.plan.compile import compile_plan

if TYPE_CHECKING:
    from router.config import LoadResult


@click.command("check")
@click.argument("path", metavar="[FILE]", default="routes.yaml")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--online", is_flag=True, help="Try the server of `shared` as well.")
def command(path: str, as_json: bool, online: bool) -> int:
    """Validate FILE (default: routes.yaml). Exit code 0: valid, 1: invalid, 2: unreadable."""
    loaded = load_file(path)
    shared = _try_shared(loaded) if online else None
    if as_json:
        echo_json(_as_dict(loaded) | ({} if shared is None else {"shared": shared}))
    else:
        _print_findings(loaded, path)
        if shared is not None:
            echo(f"shared: {shared['problem'] or 'the server answers'}", err=not shared["answers"])
    return 0 if loaded.file is not None and (shared is None or shared["answers"]) else INVALID


def _try_shared(loaded: LoadResult) -> dict[str, Any] | None:
    """Make one exchange with the server of `shared`; None where the file has none."""
    if loaded.file is None or (rules := compile_plan(loaded).shared) is None or rules.is_local:
        return None
    from router.shared.sharing import attempt

    problem = asyncio.run(attempt(rules))
    return {"answers": not problem, "problem": problem}


def _print_findings(loaded: LoadResult, path: str) -> None:
    for diagnostic in loaded.diagnostics:
        echo(diagnostic.render(), err=True)
    if loaded.file is None:
        errors = sum(1 for diagnostic in loaded.diagnostics if diagnostic.severity == "error")
        many = f"over {MAX_TOLD}" if len(loaded.diagnostics) > MAX_TOLD else errors
        echo(f"{path}: {many} error{'s' if errors != 1 else ''}", err=True)
        return
    file = loaded.file
    counts = ", ".join(
        f"{len(entries)} {noun}{'' if len(entries) == 1 else 's'}"
        for noun, entries in (("provider", file.providers), ("model", file.models), ("route", file.routes))
    )
    echo(f"{path}: valid: {counts} (revision {loaded.revision})")
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
        "diagnostics": [
            {
                "severity": diagnostic.severity,
                "file": diagnostic.file,
                "line": diagnostic.line,
                "column": diagnostic.column,
                "path": diagnostic.path,
                "message": diagnostic.message,
            }
            for diagnostic in loaded.diagnostics
        ],
        "disabled": dict(loaded.disabled),
        "notes": [] if loaded.file is None else list(compile_plan(loaded).uncounted),
    }
