"""`signalbox ask`: one answer, as it comes."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from providers.errors import SignalboxError
from providers.printable import one_line, printable
from router.cli.call_options import params_of, takes_routing
from router.cli.common import failed, read_argument, takes_file, valid_plan
from router.cli.terminal import echo, echo_json
from router.cli.verb import Verb, completing
from router.router import Router


@click.command(
    "ask",
    cls=Verb,
    examples=[
        'signalbox ask chat "Why is the sky blue?"',
        "git diff | signalbox ask chat -s 'Write a commit message'   # the prompt from a pipe",
        'signalbox ask openai/gpt-6-luna "Hello" other.yaml -v       # a model of another file, with the trace',
        'signalbox ask chat "Hello" --json | jq .usage',
        'signalbox ask chat "Hello" --tags tier=free --avoid openai -v   # as a call that says so',
    ],
    exits={0: "a whole answer", 1: "no answer, or not all of it", 2: "wrong usage, or FILE can't be read"},
)
@click.argument("route", shell_complete=completing("routes", "models"))
@click.argument("prompt", required=False)
@takes_file(texts=True)
@click.option("-s", "--system", help="A system message.")
@click.option("-v", "--verbose", is_flag=True, help="The trace on stderr.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help='The whole response as JSON, when it is complete; a failure as {"error": …}.',
)
@click.option("--max-tokens", type=click.IntRange(min=1), help="The most tokens to answer with.")
@click.option("--temperature", type=float, help="Sampling temperature.")
@click.option("--tags", multiple=True, metavar="NAME=VALUE", help="A tag of the call; may be repeated.")
@takes_routing
@click.option("--on-stream-break", type=click.Choice(["error", "restart", "continue"]), help="As of a call.")
@click.option("--cache", type=click.Choice(["use", "skip", "refresh", "only"]), help="As `cache` of a call.")
@click.option("--caller", metavar="NAME", help="As `caller` of a call: a client's name has its budget and labels.")
@click.option("--user", metavar="NAME", help="As `user` of a call.")
def command(
    route: str,
    prompt: str | None,
    path: str,
    system: str | None,
    verbose: bool,
    as_json: bool,
    **of_call: Any,
) -> int:
    """Send PROMPT (or standard input) to ROUTE and stream the answer to stdout."""
    router = Router(valid_plan(path)[1])
    text = read_argument(prompt, "prompt")
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    try:
        asyncio.run(_ask(router, route, messages, params_of(of_call), verbose, as_json))
    except SignalboxError as error:
        raise failed(error, verbose=verbose) from None
    return 0


async def _ask(router: Router, route: str, messages: Any, params: dict[str, Any], verbose: bool, as_json: bool) -> None:
    async with router, router.stream(route, messages, **params) as stream:
        wrote, shown = "", sys.stdout.isatty()  # in a pipe the answer is exact
        try:
            async for chunk in stream:
                if chunk.text and not as_json:
                    sys.stdout.write(printable(chunk.text) if shown else chunk.text)
                    sys.stdout.flush()
                    wrote = chunk.text
        finally:
            if wrote and not wrote.endswith("\n"):
                sys.stdout.write("\n")
                sys.stdout.flush()
        if as_json:
            echo_json(stream.response.to_dict())
        elif stream.response.tool_calls:
            for call in stream.response.tool_calls:
                echo(f"{one_line(call.name)}({call.raw_arguments})")
        if verbose:
            echo(stream.trace.render(), err=True)
