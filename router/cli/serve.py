"""`signalbox serve`: the routes of a file, over HTTP."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import click

from providers.errors import SignalboxError
from router import parent
from router.cli.common import INVALID, UNREADABLE, Failure, load_file, takes_file, valid_file, valid_plan
from router.cli.terminal import echo
from router.cli.verb import Verb
from router.config import ConfigError, UnreadableFile

if TYPE_CHECKING:
    from router.config.listen import Address
    from router.gateway.record import Record
    from router.gateway.workers import Place
    from router.plan.plan import Plan
    from router.plan.serving import Serving
    from router.router import Router

    Begun: TypeAlias = Callable[[Sequence[Address]], None]  # is told where it listens, once it does

CANNOT_LISTEN = 3
_GOODBYE = 1.0  # seconds in which a terminal has to take the last lines
_RELOAD = "signalbox.reload"
_GARBAGE = 10_000  # objects


@click.command(
    "serve",
    cls=Verb,
    examples=[
        "signalbox serve                              # routes.yaml on 127.0.0.1:4180",
        "signalbox serve prod.yaml --workers 4",
        "signalbox serve --listen :8080 --listen unix:/run/sb.sock",
        "curl 127.0.0.1:4180/v1/models                # in another terminal",
    ],
    exits={
        0: "it was asked to end",
        1: "FILE has errors",
        2: "wrong usage, or FILE can't be read",
        3: "an address can't be listened to",
    },
)
@takes_file()
@click.option("--listen", "addresses", multiple=True, metavar="ADDRESS", help="In place of serve.listen; repeatable.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes, in place of serve.workers.")
@click.option("--quiet", "-q", is_flag=True, help="No banner and no line for each request.")
def command(path: str, addresses: tuple[str, ...], workers: int | None, quiet: bool) -> int:
    """Offer the routes of FILE (default: routes.yaml) over HTTP, in the protocols of OpenAI, Anthropic and Ollama.

    Without a `serve` section it listens on 127.0.0.1:4180, for this machine alone. It follows the file. SIGTERM and
    Ctrl-C let what is under way end; a second one ends at once. SIGHUP reloads.
    """
    from router.cli.serve_lines import banner, serves

    def begun(listening: Sequence[Address]) -> None:
        if shows:
            echo(banner(path, serving, listening), err=True)
        elif not quiet:
            echo(f"signalbox: {serves(serving, listening)}", err=True)

    parent.serves = True
    shows = sys.stderr.isatty() and not quiet
    loaded, plan = valid_plan(path, tells=not quiet)
    _log_to_stderr(shows, plan.uncounted)
    if loaded.disabled and not quiet:
        left_out = ", ".join(f"{name} ({variable})" for name, variable in loaded.disabled.items())
        echo(f"left out, since a variable is not set: {left_out}", err=True)
    serving = _serving(plan.serving, addresses, workers)
    with _failures():
        if serving.workers == 1:
            _serve(path, serving, shows, begun)
            return 0
        return _with_workers(plan, path, serving, shows, begun)


def _with_workers(plan: Plan, path: str, serving: Serving, shows: bool, begun: Begun) -> int:
    from router.gateway import process  # imported once, before the workers are forked
    from router.gateway.workers import Workers
    from router.preload import preload

    preload(plan, watched=True, monitored=True)
    process.check(serving)
    _collect_rarely()  # what the workers share stays as it is
    workers = Workers(serving.workers, serving.listen, _work, path, serving, shows)
    return workers.run(begun)


def _work(place: Place, path: str, serving: Serving, shows: bool) -> None:
    """What a worker does."""
    parent.serves, parent.shares = True, place.shares
    if place.number:
        logging.getLogger(_RELOAD).setLevel(logging.CRITICAL)  # one of them tells what became of the file
    try:
        with _failures():
            _serve(path, serving, shows, lambda _: place.ready.send(place.number), place)
    except Failure as failure:
        failure.show()
        sys.exit(failure.exit_code)


def _serve(path: str, serving: Serving, shows: bool, begun: Begun, place: Place | None = None) -> None:
    from router.cli.serve_lines import request_line
    from router.gateway.in_background import InBackground
    from router.gateway.process import Process

    def show(records: Sequence[Record], dropped: int) -> int:
        for number, record in enumerate(records):
            try:
                echo(request_line(record), err=True)
            except OSError:  # the terminal is gone
                return len(records) - number
        return 0

    async def run() -> None:
        process = Process(router, serving, place=place, observers=[lines.note] if lines else [])
        await process.run(begun)

    router = _router(path)
    lines = InBackground(show) if shows else None
    _collect_rarely()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())
    if lines is not None:
        lines.close(_GOODBYE)


def _collect_rarely() -> None:
    """Have Python look for garbage only in what comes from now on, and seldom: it took a tenth of the CPU.

    Python's own first threshold is 700 objects, which one stream makes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: it saves a tenth of the CPU."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextmanager
def _failures() -> Iterator[None]:
    """Say in a line why it can't begin."""
    from router.gateway.audit import CannotWrite
    from router.gateway.listening import CannotListen
    from router.gateway.metrics import NoPrometheus
    from router.gateway.tls import BadCertificate

    try:
        yield
    except CannotListen as error:
        raise Failure(str(error), CANNOT_LISTEN) from None
    except (CannotWrite, NoPrometheus, BadCertificate) as error:
        raise Failure(str(error), INVALID) from None


def _router(path: str) -> Router:
    from router.router import Router

    try:
        return Router.from_yaml(path)
    except UnreadableFile:
        load_file(path)  # says it as all verbs do
        raise
    except ConfigError:  # it was changed in between
        valid_file(path)
        raise
    except SignalboxError as error:
        raise Failure(str(error), INVALID) from None


def _serving(serving: Serving, addresses: tuple[str, ...], workers: int | None) -> Serving:
    """What the file says, but for what the command line says."""
    try:
        serving = serving.listening_at(addresses) if addresses else serving
    except ValueError as error:
        raise Failure(f"--listen: {error}", UNREADABLE) from None
    return serving if workers is None else replace(serving, workers=workers)


class _Lines(logging.Handler):
    """What is logged, as lines of the command, but for what is known from the start."""

    def __init__(self, known: tuple[str, ...]) -> None:
        super().__init__()
        self._known = known

    def emit(self, record: logging.LogRecord) -> None:
        message = self.format(record) if record.exc_info else record.getMessage()
        if message in self._known:
            return
        if record.name == _RELOAD:  # it quotes the file and may have many errors; `signalbox check` tells them all
            message, _, more = message.partition("\n")
            message += " … (`signalbox check` tells all)" if more else ""
        try:
            echo(f"signalbox: {message}", err=True)
        except OSError:  # nobody reads it any more, which ends no request
            self.handleError(record)


def _log_to_stderr(shows: bool, known: tuple[str, ...]) -> None:
    """Warnings of everybody, and what becomes of a changed file or certificate; on a terminal a little more."""
    logging.basicConfig(level=logging.WARNING, handlers=[_Lines(known)])
    logging.getLogger("signalbox.spending.unpriced").setLevel(logging.WARNING)  # of a file that is edited
    logging.getLogger(_RELOAD).setLevel(logging.INFO)
    logging.getLogger("signalbox.gateway").setLevel(logging.DEBUG if shows else logging.INFO)
