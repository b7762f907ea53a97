"""The command `signalbox`: one file a verb, each imported when it runs."""

from __future__ import annotations

import io
import itertools
import logging
import os
import sys
from importlib import import_module

import click

from router.cli.mistakes import failure_of
from router.cli.terminal import has_colours
from router.cli.verb import Verbs

_GROUPS = {
    "Begin": {
        "init": "Write a routes.yaml from the keys and servers that this machine has.",
        "import": "Make a routes.yaml out of the configuration of another tool, such as LiteLLM's.",
        "demo": "The dashboard over simulated vendors under traffic: no key, no network.",
        "completion": "Have your shell complete verbs, options, routes, providers and files.",
    },
    "Look at a file": {
        "check": "Validate a routes.yaml.",
        "show": "The compiled chains, every value with where it came from.",
        "explain": "Without a call: who would be asked, in which order, and who not.",
        "simulate": "A routes.yaml under hours of simulated traffic and faults, in seconds.",
        "schema": "The JSON Schema of routes.yaml, for editors.",
    },
    "Ask": {
        "ask": "One streamed answer on stdout.",
        "models": "What the providers offer now, with window, price and capabilities.",
    },
    "Run": {
        "serve": "The routes of a file over HTTP, in the protocols of OpenAI, Anthropic and Ollama.",
        "dash": "The dashboard: watch the running routers and act on them; or start one on a file.",
        "log": "The requests in the log on disk of a file.",
        "status": "The running routers and how they are.",
        "alerts": "Whether the alerts of a file arrive.",
        "health": "Whether a server is well: for health checks of containers.",
    },
    "Keep": {
        "cache": "The stored answers: statistics, forgetting them, and why a request is a hit or not.",
        "key": "A new key for a client of `signalbox serve`.",
        "prices": "The prices that are known: from when they are, and fetching the newest.",
        "tokens": "Tokenizer vocabularies: what is in place, and fetching the rest.",
    },
}
_VERBS = sorted(verb for verbs in _GROUPS.values() for verb in verbs)

# Named, not imported: the dashboard is above this package and comes with verbs of its own. `import` is Python's word.
_ELSEWHERE = {"dash": "tui.commands.dash", "demo": "tui.commands.demo", "import": "router.cli.import_"}


class _Command(Verbs):
    """Loads a verb's module only when it is called, so that `--help` and errors come at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return _VERBS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command: click.Command = import_module(_ELSEWHERE.get(cmd_name, f"router.cli.{cmd_name}")).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, _VERBS))
        for title, verbs in _GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{verb:{width}}", says) for verb, says in verbs.items()])


@click.group(
    cls=_Command,
    examples=[
        "signalbox init                      # a first routes.yaml",
        "signalbox check                     # is it right?",
        'signalbox ask chat "Hello"          # one answer',
        "signalbox serve                     # the routes over HTTP",
        "signalbox VERB --help               # more of a verb, with examples",
    ],
    exits={},
)
@click.version_option(package_name="llm-signalbox", prog_name="signalbox")
def group() -> None:
    """Routes LLM calls as one YAML file says."""


def main() -> None:
    """The entry point: Ctrl-C and a closed pipe end it at once, without a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # half a character of an answer is no reason to break off
    if "_SIGNALBOX_COMPLETE" in os.environ:
        from router.cli.bash import register

        register()
    # `signalbox check` tells these once, other verbs how many there are.
    logging.getLogger("signalbox.spending.unpriced").setLevel(logging.ERROR)
    try:
        code = group.main(prog_name="signalbox", standalone_mode=False, color=has_colours() or None)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("\ninterrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except click.ClickException as error:
        sys.exit(_tell(error))


def _tell(error: click.ClickException) -> int:
    """Say what went wrong, as JSON where that is asked for, and return the exit code."""
    failure = failure_of(error)
    words = itertools.takewhile(lambda word: word != "--", sys.argv[1:])
    if "--json" in words:
        failure.show_json()
    else:
        failure.show()
    return failure.exit_code
