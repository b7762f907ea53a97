"""`signalbox import`: a routes.yaml out of the configuration of another tool."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from router.cli.common import INVALID, UNREADABLE, Failure, print_finding
from router.cli.terminal import echo
from router.cli.verb import Verbs

if TYPE_CHECKING:
    from router.importers.litellm import Imported


@click.group("import", cls=Verbs, examples=["signalbox import litellm config.yaml -o routes.yaml"])
def command() -> None:
    """Make a routes.yaml out of the configuration of another tool."""


@command.command(
    "litellm",
    examples=[
        "signalbox import litellm config.yaml                 # prints it, with what is told of it on stderr",
        "signalbox import litellm config.yaml -o routes.yaml  # writes it",
        "signalbox check routes.yaml                          # is it right?",
    ],
    exits={0: "made", 1: "it is no such config, or FILE exists", 2: "wrong usage, or a file can't be read or written"},
)
@click.argument("path", metavar="CONFIG.yaml")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where the routes.yaml goes; - prints it (default).")
@click.option("--force", is_flag=True, help="Write over a file that exists.")
def litellm(path: str, output: str, force: bool) -> int:
    """Make a routes.yaml out of the config of LiteLLM's proxy.

    What has no counterpart is told with its line, and so is what behaves differently. No key is copied: one that stands
    in the config becomes a variable.
    """
    made = _made(Path(path))
    if output == "-":
        echo(made.text, nl=False)
    else:
        if Path(output).exists() and Path(output).samefile(path):
            raise Failure(f"{output} is the config itself, and is left as it is; name another file")
        _write(Path(output), made.text, force=force)
    _tell(made, None if output == "-" else output)
    return 0


def _made(path: Path) -> Imported:
    from router.config import ConfigError, UnreadableFile
    from router.config.loader import read_text
    from router.importers.litellm import NotLiteLLM, import_litellm

    try:
        return import_litellm(read_text(path), path)
    except UnreadableFile as error:
        raise Failure(str(error), UNREADABLE) from None
    except ConfigError as error:
        for diagnostic in error.diagnostics:
            print_finding(diagnostic)
        raise Failure(f"{path} can't be read as YAML; nothing was made of it", INVALID) from None
    except NotLiteLLM as error:
        raise Failure(str(error), INVALID) from None


def _write(path: Path, text: str, *, force: bool) -> None:
    if path.exists() and not force:
        raise Failure(f"{path} exists, and is left as it is; name another file, or write over it with --force")
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"{path} can't be written: {error.strerror}", UNREADABLE) from None


def _tell(made: Imported, output: str | None) -> None:
    """What is told of it: on stdout, where the file itself is not."""
    from router.importers.notes import HEADS

    is_printed = output is None
    if output is not None:
        parts = (("provider", made.plan.providers), ("model", made.plan.models), ("route", made.plan.routes))
        counts = ", ".join(f"{len(each)} {noun}{'' if len(each) == 1 else 's'}" for noun, each in parts)
        echo(f"{output} is written: {counts}")
    for sort, head in HEADS.items():
        told = [note for note in made.notes if note.sort == sort]
        if told:
            echo(f"\n{head}:", err=is_printed)
        for note in told:
            echo(f"  {note}", err=is_printed)
    if made.variables:
        echo(f"\nvariables that it needs: {', '.join(made.variables)}", err=is_printed)
    if output is not None:
        file = shlex.quote(output)
        echo(f"next: signalbox check {file}; signalbox explain {next(iter(made.plan.routes))} {file}")
