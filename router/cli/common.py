"""What the verbs share: finding the file, saying what is wrong with it, and running a call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from providers.errors import ProviderError, SignalboxError
from router.cli.terminal import echo
from router.errors import RouteExhausted

if TYPE_CHECKING:
    from router.config import LoadResult
    from router.monitor.fleet.feed import SharedFeed

file_option = click.option(
    "-f", "--file", "path", default="routes.yaml", show_default=True, metavar="FILE", help="The routes.yaml."
)

INVALID, UNREADABLE = 1, 2


class Failure(click.ClickException):
    """A clear line on stderr and an exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        setattr(self, "exit_code", code)  # noqa: B010 - click declares it as a class variable

    def show(self, file: Any = None) -> None:
        echo(f"signalbox: {self.format_message()}", err=True)


def load_file(path: str) -> LoadResult:
    """The file as loaded, errors and all; exits with 2 when it can't be read."""
    from router.config import UnreadableFile, load

    try:
        return load(path)
    except UnreadableFile as error:
        hint = "; name another, or write one: `signalbox init`" if not Path(path).exists() else ""
        raise Failure(f"{error}{hint}", UNREADABLE) from None


def valid_file(path: str) -> LoadResult:
    """The file, free of errors; prints the diagnostics and exits with 1 when it is not."""
    loaded = load_file(path)
    if loaded.file is None:
        for diagnostic in loaded.diagnostics:
            echo(diagnostic.render(), err=True)
        raise Failure(f"{path} has errors; nothing was done", INVALID)
    return loaded


def shared_feed(path: str) -> SharedFeed:
    """The feed of all processes that share as a file says; no router is needed here."""
    from router.plan.compile import compile_plan

    plan = compile_plan(valid_file(path))
    if plan.shared is None or "fleet" not in plan.shared.share:
        raise Failure(f"{path} does not say over which server: `shared: {{url: …, secret: …, share: [limits, fleet]}}`")
    if plan.shared.is_local:
        raise Failure("the workers of one `signalbox serve` are no fleet: `signalbox status` and `dash` show them")
    from router.monitor.fleet.feed import SharedFeed

    return SharedFeed(plan, Path(path).absolute())


def failed(error: SignalboxError, *, verbose: bool) -> Failure:
    """What to say of a call that failed."""
    message = str(error)
    trace = getattr(error, "trace", None)
    if verbose and trace is not None and not isinstance(error, RouteExhausted):
        message += f"\n{trace.render()}"
    if isinstance(error, ProviderError) and error.partial is not None:
        message += "\nthe answer above is not complete"
    return Failure(message)


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
