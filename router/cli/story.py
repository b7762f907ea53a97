"""The story of `signalbox demo` where there is no terminal: vendors answer, one breaks, the next one answers."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from providers.errors import SignalboxError
from providers.types import CompletionResponse
from router.cli.common import failed
from router.cli.terminal import echo, secho
from router.router import Router
from router.views.money import dollars
from router.views.trace import Trace

if TYPE_CHECKING:
    from providers.simulator import Simulator

_ROUTES = """\
version: 1
providers:
  openai:    {{kind: openai,    base_url: "{openai}",    api_key: demo}}
  anthropic: {{kind: anthropic, base_url: "{anthropic}", api_key: demo}}
  ollama:    {{kind: ollama,    base_url: "{ollama}"}}
models:
  luna:  {{provider: openai,    id: gpt-6-luna,       price: {{input: 0.25, output: 2}}}}
  haiku: {{provider: anthropic, id: claude-haiku-5-5, price: {{input: 1, output: 5}}}}
  qwen:  {{provider: ollama,    id: "qwen3:4b",       price: {{input: 0, output: 0}}}}
routes:
  chat:
    targets: [luna]
    fallbacks: [haiku, qwen]
"""

_STEPS = (
    ("luna", "Why is the sky blue?"),
    ("haiku", "What is a signal box?"),
    ("qwen", "Write a haiku about railways."),
)


@dataclass
class _Row:
    """One line of the summary."""

    asked: str
    response: CompletionResponse
    first_token: float
    trace: Trace


@dataclass
class _Run:
    """One run of the demo: the router, its vendors, and the answers so far."""

    router: Router
    simulator: Simulator
    rows: list[_Row] = field(default_factory=list)


def tell() -> int:
    """Start simulated vendors on loopback, break one, and watch the route go on. Gives the exit code."""
    try:
        asyncio.run(_run())
    except SignalboxError as error:
        raise failed(error, verbose=True) from None
    return 0


async def _run() -> None:
    from providers.simulator import Simulator
    from router.gateway.local import served_locally

    async with Simulator(seed=7) as simulator:
        for name in ("openai", "anthropic", "ollama"):
            simulator.vendor(name).set(first_token=0.15, tokens_per_second=160)
        urls = {name: simulator.base_url(name) for name in ("openai", "anthropic", "ollama")}
        async with Router.from_text(_ROUTES.format(**urls), env={}) as router, served_locally(router) as url:
            await _print_run(_Run(router, simulator), url)


async def _print_run(run: _Run, url: str) -> None:
    from router.gateway.local import curl_lines

    _heading("Signalbox demo", f"three simulated vendors at {run.simulator.url}, one routes.yaml over them")
    _say("From another terminal, while this runs, in each of the four protocols:")
    _say(_indent("\n".join(curl_lines(url, "chat"))) + "\n")
    _say("Each vendor in its own protocol:")
    for target, prompt in _STEPS:
        await _ask(run, target, prompt)
    _heading("A fault", "openai now answers 503; the route chat is [luna], then haiku, then qwen")
    run.simulator.vendor("openai").set(error_rate=1.0, error="overloaded")
    await _ask(run, "chat", "Why is the sky blue?")
    _say(_indent(run.rows[-1].trace.render()))
    _heading("Mended", "openai answers again")
    run.simulator.vendor("openai").mend()
    run.simulator.vendor("openai").set(first_token=0.15, tokens_per_second=160)
    await _ask(run, "chat", "What is a signal box?")
    _summary(run.rows)
    if sys.stdout.isatty():  # time to try the command lines
        _say("  It still serves, at the addresses above. Ctrl-C ends it.")
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def _ask(run: _Run, route: str, prompt: str) -> None:
    loop = asyncio.get_running_loop()
    began, first = loop.time(), 0.0
    secho(f"\n  {route} ", fg="cyan", bold=True, nl=False)
    secho(f"{prompt}\n  ", dim=True, nl=False)
    column = 2
    async with run.router.stream(route, prompt) as stream:
        async for chunk in stream:
            first = first or loop.time() - began
            column = _write(chunk.text, column)
    echo()
    run.rows.append(_Row(route, stream.response, first, stream.trace))


def _write(text: str, column: int, width: int = 92) -> int:
    """Stream text with line breaks at words; returns the column it ended in."""
    for piece in _pieces(text):
        if piece == "\n" or (column + len(piece) > width and column > 2):
            echo("\n  ", nl=False)
            column = 2
            piece = piece.lstrip()
        echo(piece, nl=False)
        column += len(piece)
    sys.stdout.flush()
    return column


def _pieces(text: str) -> list[str]:
    """Split a text into words with the space before them, and line breaks on their own."""
    pieces: list[str] = []
    for number, line in enumerate(text.split("\n")):
        if number:
            pieces.append("\n")
        head, *words = line.split(" ")
        pieces += [piece for piece in (head, *(f" {word}" for word in words)) if piece]
    return pieces


def _summary(rows: list[_Row]) -> None:
    _heading("Summary", "")
    secho(
        f"  {'asked':<8}{'answered by':<30}{'attempts':>8}{'first token':>14}{'tokens':>9}{'cost':>12}",
        bold=True,
    )
    for row in rows:
        answer = row.response
        cost = dollars(answer.cost, fine=True)
        tokens = "-" if answer.usage.output_tokens is None else str(answer.usage.output_tokens)
        echo(
            f"  {row.asked:<8}{answer.provider + '/' + answer.model:<30}{len(row.trace.attempts):>8}"
            f"{row.first_token * 1000:>11.0f} ms{tokens:>9}{cost:>12}"
        )
    echo("\n  Next: `signalbox init` writes a routes.yaml of your own, `signalbox ask` and `signalbox serve` use it.")


def _heading(title: str, detail: str) -> None:
    secho(f"\n{title}", bold=True, nl=False)
    secho(f"  {detail}" if detail else "", dim=True)


def _say(text: str) -> None:
    echo(text)


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
