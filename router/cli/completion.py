"""`signalbox completion`: has a shell complete verbs, options, routes, providers, models and files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
from click.shell_completion import get_completion_class

from router.cli.bash import register
from router.cli.common import UNREADABLE, Failure
from router.cli.terminal import echo
from router.cli.verb import Verbs

_BEGIN, _END = "# >>> signalbox completion >>>", "# <<< signalbox completion <<<"
_OF_ZSH = """\
if ! (( $+functions[compdef] )); then autoload -Uz compinit && compinit; fi
[ -r {script} ] && . {script}"""


class _Shell(NamedTuple):
    """Where a shell's script goes, and what its start-up file says to load it; fish needs no such line."""

    script: Callable[[], Path]
    start_up: Callable[[], Path] | None
    line: str = "[ -r {script} ] && . {script}"


def _home(variable: str, *otherwise: str) -> Path:
    """The folder that a variable names, or one in the user's home."""
    return Path(os.environ.get(variable) or Path.home().joinpath(*otherwise))


def _data(name: str) -> Path:
    return _home("XDG_DATA_HOME", ".local", "share") / "signalbox" / name


_SHELLS = {
    "bash": _Shell(lambda: _data("completion.bash"), lambda: Path.home() / ".bashrc"),
    "zsh": _Shell(lambda: _data("completion.zsh"), lambda: _home("ZDOTDIR") / ".zshrc", _OF_ZSH),
    "fish": _Shell(lambda: _home("XDG_CONFIG_HOME", ".config") / "fish" / "completions" / "signalbox.fish", None),
}
_argument = click.argument("shell", metavar="[bash|zsh|fish]", required=False, type=click.Choice(list(_SHELLS)))


@click.group(
    "completion",
    cls=Verbs,
    examples=["signalbox completion install", "signalbox completion remove"],
)
def command() -> None:
    """Completion by the Tab key: verbs, options, files, and the routes, models and providers of the routes.yaml."""


@command.command(
    "install",
    examples=[
        "signalbox completion install               # for the shell of $SHELL",
        "signalbox completion install zsh",
        'eval "$(signalbox completion install bash --print)"   # for this session alone',
    ],
    exits={0: "it is in place", 1: "a file can't be written", 2: "which shell? or wrong usage"},
)
@_argument
@click.option("--print", "only_print", is_flag=True, help="Print the script, and write nothing.")
def install(shell: str | None, only_print: bool) -> int:
    """Write the script for a shell (default: that of $SHELL) to your own folder, and have the shell load it.

    A marked block of .bashrc or .zshrc loads it; fish looks by itself. To do it again changes nothing.
    """
    name, text = _script(shell)
    if only_print:
        echo(text, nl=False)
        return 0
    target = _SHELLS[name]
    script = target.script()
    _write(script, text)
    echo(f"{script}: written")
    if target.start_up is not None:
        start_up = target.start_up()
        block = target.line.format(script=_quoted(script))
        before = _read(start_up)
        after = _without_block(before)
        after += ("" if not after or after.endswith("\n") else "\n") + f"{_BEGIN}\n{block}\n{_END}\n"
        if before != after:
            _write(start_up, after)
        echo(f"{start_up}: loads it")
    echo(f"next: open a new {name}, and press Tab after `signalbox `")
    return 0


@command.command("remove", examples=["signalbox completion remove", "signalbox completion remove zsh"])
@_argument
def remove(shell: str | None) -> int:
    """Take away what `install` has written."""
    target = _SHELLS[_chosen(shell)]
    script = target.script()
    script.unlink(missing_ok=True)
    echo(f"{script}: removed")
    if target.start_up is not None:
        start_up = target.start_up()
        before = _read(start_up)
        if before != (after := _without_block(before)):
            _write(start_up, after)
            echo(f"{start_up}: no longer loads it")
    return 0


def _chosen(shell: str | None) -> str:
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in _SHELLS:
        what = f"{name} is not known" if name else "SHELL is not set"
        raise Failure(f"for which shell? {what}; name one: {', '.join(_SHELLS)}", UNREADABLE)
    return name


def _script(shell: str | None) -> tuple[str, str]:
    """The shell, and the script that has it ask `signalbox`."""
    name = _chosen(shell)
    register()
    kind = get_completion_class(name)
    assert kind is not None  # click has these three
    made = kind(click.Command("signalbox"), {}, "signalbox", "_SIGNALBOX_COMPLETE")
    return name, made.source_template % made.source_vars()


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "'\\''") + "'"


def _without_block(text: str) -> str:
    """A start-up file without our block."""
    before, begin, rest = text.partition(f"{_BEGIN}\n")
    _, end, after = rest.partition(f"{_END}\n")
    return before + after if begin and end else text


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""


def _write(path: Path, text: str) -> None:
    """Write a file, through a link to what it leads to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise Failure(f"{path} can't be written: {error.strerror}") from None
