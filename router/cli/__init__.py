"""The command `signalbox`: one file a verb, each imported when it runs."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Any

import click

from providers.printable import printable

_VERBS = {
    "ask": "One streamed answer on stdout.",
    "cache": "The stored answers: statistics, forgetting them, and why a request is a hit or not.",
    "check": "Validate a routes.yaml.",
    "dash": "The dashboard: watch the running routers and act on them; or start one on a file.",
    "demo": "The dashboard over simulated vendors under traffic: no key, no network.",
    "explain": "Without a call: who would be asked, in which order, and who not.",
    "health": "Whether a server is well: for health checks of containers.",
    "import": "Make a routes.yaml out of the configuration of another tool, such as LiteLLM's.",
    "init": "Write a routes.yaml from the keys and servers that this machine has.",
    "key": "A new key for a client of `signalbox serve`.",
    "models": "What the providers offer now, with window, price and capabilities.",
    "schema": "The JSON Schema of routes.yaml.",
    "serve": "The routes of a file over HTTP, in the protocols of OpenAI, Anthropic and Ollama.",
    "show": "The compiled chains, every value with where it came from.",
    "simulate": "A routes.yaml under hours of simulated traffic and faults, in seconds.",
    "status": "The running routers and how they are.",
    "tokens": "Tokenizer vocabularies: what is in place, and fetching the rest.",
}


# Named, not imported: the dashboard is above this package and comes with verbs of its own. `import` is Python's word.
_ELSEWHERE = {"dash": "tui.commands.dash", "demo": "tui.commands.demo", "import": "router.cli.import_"}


class _Verbs(click.Group):
    """Loads a verb's module only when it is called, so that `--help` and errors come at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command: click.Command = import_module(_ELSEWHERE.get(cmd_name, f"router.cli.{cmd_name}")).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_VERBS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            raise click.UsageError(f'there is no command "{args[0]}"; commands: {", ".join(sorted(_VERBS))}') from None


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="llm-signalbox", prog_name="signalbox")
def group() -> None:
    """Routes LLM calls as one YAML file says."""


def main() -> None:
    """The entry point: Ctrl-C and a closed pipe end it at once, without a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # half a character of an answer is no reason to break off
    try:
        code = group.main(prog_name="signalbox", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        setattr(error, "message", printable(error.message))  # noqa: B010 - click declares it as final
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("\ninterrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
