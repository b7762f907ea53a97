"""`signalbox serve`: the routes of a file, over HTTP."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from providers.errors import SignalboxError
from router.cli.common import INVALID, UNREADABLE, Failure, load_file
from router.cli.terminal import echo
from router.config import ConfigError, UnreadableFile

if TYPE_CHECKING:
    from router.gateway.record import Observer
    from router.plan.serving import Serving
    from router.router import Router

CANNOT_LISTEN = 3


@click.command("serve")
@click.argument("path", metavar="[FILE]", default="routes.yaml")
@click.option("--listen", "addresses", multiple=True, metavar="ADDRESS", help="In place of serve.listen; repeatable.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes, in place of serve.workers.")
@click.option("--quiet", "-q", is_flag=True, help="No banner and no line for each request.")
def command(path: str, addresses: tuple[str, ...], workers: int | None, quiet: bool) -> int:
    """Offer the routes of FILE (default: routes.yaml) over HTTP, in the protocols of OpenAI, Anthropic and Ollama.

    Without a `serve` section it listens on 127.0.0.1:4180, for this machine alone. It follows the file. SIGTERM and
    Ctrl-C let what is under way end; a second one ends at once. SIGHUP reloads.

    Exit code 1: the file has errors, 2: it is unreadable, 3: an address can't be listened to.
    """
    from router.gateway.audit import CannotWrite
    from router.gateway.listening import CannotListen
    from router.gateway.metrics import NoPrometheus
    from router.gateway.tls import BadCertificate

    shows = sys.stderr.isatty() and not quiet
    _log_to_stderr()
    router = _router(path)
    serving = _serving(router, addresses)
    try:
        _run(router, serving, shows)
    except CannotListen as error:
        raise Failure(str(error), CANNOT_LISTEN) from None
    except (CannotWrite, NoPrometheus, BadCertificate) as error:
        raise Failure(str(error), INVALID) from None
    return 0


def _run(router: Router, serving: Serving, shows: bool) -> None:
    from router.cli.serve_lines import banner, request_line
    from router.gateway.process import Process

    observers: list[Observer] = [lambda record: echo(request_line(record), err=True)] if shows else []

    async def run() -> None:
        process = Process(router, serving, observers=observers)
        await process.run(lambda listening: echo(banner(router, serving, listening), err=True) if shows else None)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: it saves a tenth of the CPU."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _router(path: str) -> Router:
    """The router of a file; Failure, with every error of the file told, where there is none."""
    from router.router import Router

    try:
        return Router.from_yaml(path)
    except UnreadableFile:
        load_file(path)  # says it as all verbs do
        raise
    except ConfigError as error:
        for diagnostic in error.diagnostics:
            echo(diagnostic.render(), err=True)
        raise Failure(f"{path} has errors; nothing is served", INVALID) from None
    except SignalboxError as error:
        raise Failure(str(error), INVALID) from None


def _serving(router: Router, addresses: tuple[str, ...]) -> Serving:
    serving = router.plan.serving
    if not addresses:
        return serving
    try:
        return serving.listening_at(addresses)
    except ValueError as error:
        raise Failure(f"--listen: {error}", UNREADABLE) from None


class _Lines(logging.Handler):
    """What is logged, as lines of the command."""

    def emit(self, record: logging.LogRecord) -> None:
        message = self.format(record) if record.exc_info else record.getMessage()
        echo(f"signalbox: {message}", err=True)


def _log_to_stderr() -> None:
    """Warnings of everybody, and what becomes of a changed file or certificate."""
    logging.basicConfig(level=logging.WARNING, handlers=[_Lines()])
    for name in ("signalbox.reload", "signalbox.gateway"):
        logging.getLogger(name).setLevel(logging.INFO)
