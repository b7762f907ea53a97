"""What the verbs share: the FILE they take, reading it, and saying what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from router.cli.mistakes import INVALID, UNREADABLE, Failure, failed
from router.cli.names import ENDINGS, files_of
from router.cli.terminal import echo, style
from router.cli.verb import FileOption, items

if TYPE_CHECKING:
    from router.config import Diagnostic, LoadResult
    from router.monitor.fleet.feed import SharedFeed
    from router.plan.plan import Plan

__all__ = [
    "INVALID",
    "UNREADABLE",
    "Failure",
    "as_data",
    "failed",
    "json_option",
    "load_file",
    "not_empty",
    "print_finding",
    "read_argument",
    "shared_feed",
    "takes_file",
    "valid_file",
    "valid_plan",
    "without_line_end",
]

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help='For machines; errors too, as {"error": …}.')


def takes_file(*, default: str | None = "routes.yaml", texts: bool = False) -> Callable[[F], F]:
    """The FILE of a verb, as `path`: by `-f`, or among the arguments (`router.cli.verb`).

    Args:
        default: which one it is where none is given.
        texts: whether the other arguments may be other files or free text.
    """
    return click.option(
        "-f",
        "--file",
        "path",
        cls=FileOption,
        texts=texts,
        default=default,
        show_default=default is not None,
        metavar="FILE",
        help="The routes.yaml; its name alone will do, in any place.",
        shell_complete=lambda ctx, param, incomplete: items(files_of(incomplete), incomplete),
    )


def load_file(path: str) -> LoadResult:
    """The file as loaded, errors and all; exits with 2 when it can't be read."""
    from router.config import UnreadableFile, load

    try:
        return load(path)
    except UnreadableFile as error:
        hint = "; name another, or write one: `signalbox init`" if not Path(path).exists() else ""
        raise Failure(f"{error}{hint}", UNREADABLE, name="unreadable_file", file=path) from None


def valid_file(path: str) -> LoadResult:
    """The file, free of errors; prints the diagnostics and exits with 1 when it is not."""
    loaded = load_file(path)
    if loaded.file is None:
        raise InvalidFile(path, loaded.diagnostics)
    return loaded


class InvalidFile(Failure):
    """A file has errors: each is printed, with its place."""

    def __init__(self, path: str, diagnostics: tuple[Diagnostic, ...], done: str = "done", code: int = INVALID) -> None:
        taken = "" if path.endswith(ENDINGS) else f'; "{path}" was taken as the FILE, since a file has this name'
        super().__init__(
            f"{path} has errors; nothing was {done}{taken}",
            code,
            name="invalid_file",
            file=path,
            diagnostics=[as_data(diagnostic) for diagnostic in diagnostics],
        )
        self.diagnostics = diagnostics

    def show(self, file: Any = None) -> None:
        for diagnostic in self.diagnostics:
            print_finding(diagnostic)
        super().show(file)


def valid_plan(path: str, *, tells: bool = True) -> tuple[LoadResult, Plan]:
    """A file free of errors, and its plan. Warnings are told in one line, unless `tells` is False: `signalbox check`
    has them.
    """
    from router.plan.compile import compile_plan

    loaded = valid_file(path)
    plan = compile_plan(loaded)
    count = len(loaded.diagnostics) + len(plan.uncounted)
    if count and tells:
        echo(f"{count} warning{'' if count == 1 else 's'}: signalbox check {path}", err=True)
    return loaded, plan


def print_finding(found: Diagnostic) -> None:
    """A diagnostic on stderr, as `Diagnostic.render` has it; on a terminal in colours."""
    colour = "yellow" if found.severity == "warning" else "red"
    plain, *source = found.render().split("\n")
    place = f"{found.file}:{found.line}:{found.column}:"
    kind = "warning:" if found.severity == "warning" else ""
    path = f"{found.path}:" if found.path else ""
    marked = [style(place, bold=True), kind and style(kind, fg=colour, bold=True), path and style(path, fg=colour)]
    words = plain[len(" ".join(filter(None, (place, kind, path)))) :]
    echo(" ".join(filter(None, marked)) + words, err=True)
    if source:
        line, caret = source
        echo(f"{style(line, dim=True)}\n{style(caret, fg=colour, bold=True)}", err=True)


def as_data(found: Diagnostic) -> dict[str, Any]:
    """A diagnostic for JSON."""
    return {name: getattr(found, name) for name in ("severity", "file", "line", "column", "path", "message")}


def shared_feed(path: str) -> SharedFeed:
    """The feed of all processes that share as a file says; no router is needed here."""
    _, plan = valid_plan(path)
    if plan.shared is None or "fleet" not in plan.shared.share:
        raise Failure(f"{path} does not say over which server: `shared: {{url: …, secret: …, share: [limits, fleet]}}`")
    if plan.shared.is_local:
        raise Failure("the workers of one `signalbox serve` are no fleet: `signalbox status` and `dash` show them")
    from router.monitor.fleet.feed import SharedFeed

    return SharedFeed(plan, Path(path).absolute())


def read_argument(text: str | None, what: str) -> str:
    """The argument, or standard input when it is `-` or missing and something is piped in."""
    if text is not None and text != "-":
        return not_empty(text, what)
    if sys.stdin is None or sys.stdin.isatty():
        raise Failure(f"no {what} was given: add it to the command line, or pipe it in", UNREADABLE)
    try:
        return not_empty(without_line_end(sys.stdin.read()), what)
    except UnicodeDecodeError:
        raise Failure(f"the {what} on standard input is not UTF-8 text", UNREADABLE) from None


def without_line_end(text: str) -> str:
    """The text of a file or a pipe as a prompt: editors and `echo` end it with a line end that nobody meant."""
    return text.removesuffix("\n").removesuffix("\r")


def not_empty(text: str, what: str) -> str:
    """The text; Failure where there is none, since a vendor would be paid for answering nothing."""
    if not text.strip():
        raise Failure(f"the {what} is empty", UNREADABLE)
    return text
