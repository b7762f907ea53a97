"""The files of a simulation, free of errors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.common import UNREADABLE, Failure, InvalidFile
from router.plan.plan import Plan

if TYPE_CHECKING:
    from router.config import Diagnostic, UnreadableFile


def routes_of(path: str) -> Plan:
    """A routes.yaml, of which no variable of a connection has to be set."""
    from router.config import UnreadableFile
    from router.simulate.scenario import compile_simulated, load_routes

    try:
        loaded = load_routes(path)
    except UnreadableFile as error:
        raise unreadable(error, "name another, or write one: `signalbox init`") from None
    refuse(path, loaded.diagnostics if loaded.file is None else ())
    return compile_simulated(loaded)


def unreadable(error: UnreadableFile, hint: str) -> Failure:
    """Make the failure of a file that can't be read; the hint is for one that is missing."""
    more = "" if Path(error.path).exists() else f"; {hint}"
    return Failure(f"{error}{more}", UNREADABLE, name="unreadable_file", file=error.path)


def refuse(path: str, diagnostics: tuple[Diagnostic, ...]) -> None:
    """Refuse a file that has errors."""
    if diagnostics:
        raise InvalidFile(path, diagnostics, "simulated", UNREADABLE)
