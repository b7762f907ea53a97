"""What every verb is: its help is a page of a manual, and it takes its FILE wherever that stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from providers.errors import SignalboxError
from providers.spelling import did_you_mean
from router.cli.mistakes import failure_of
from router.cli.names import files_of, names_of
from router.cli.terminal import has_colours

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_HEADING = re.compile(r"^(?:Usage|[A-Z][a-z ]+(?=:$))", re.MULTILINE)
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EXITS = {0: "done", 1: "it failed, or FILE has errors", 2: "wrong usage, or FILE can't be read"}


class _Page(click.Command):
    """Help with examples and exit codes, in colours on a terminal.

    Args:
        examples: lines as one would type them, each with what it does after a `#`.
        exits: what each exit code means.
    """

    def __init__(
        self, *args: Any, examples: Sequence[str] = (), exits: Mapping[int, str] | None = None, **more: Any
    ) -> None:
        more["context_settings"] = {**SETTINGS, **(more.get("context_settings") or {})}
        super().__init__(*args, **more)
        self.examples = examples
        self.exits = EXITS if exits is None else exits

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        if self.exits:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), means) for code, means in self.exits.items()])

    def get_help(self, ctx: click.Context) -> str:
        """The page, its headings bold."""
        text = super().get_help(ctx)
        return _HEADING.sub(lambda found: click.style(found[0], bold=True), text) if has_colours() else text


class _Word(str):
    """A word of the command line, which is told from an equal one by its identity."""

    __slots__ = ()


class FileOption(click.Option):
    """`-f/--file`, which also stands among the arguments without its name.

    Args:
        texts: whether the other arguments may be names of files or free text, so that only an ending tells which
            one is the routes.yaml.
    """

    def __init__(self, *args: Any, texts: bool = False, **more: Any) -> None:
        super().__init__(*args, **more)
        self.texts = texts

    def is_meant(self, word: str) -> bool:
        """Whether a word among the arguments is the FILE: by its ending, or since a file has this name."""
        if word.endswith((".yaml", ".yml")) and not any(map(str.isspace, word)):
            return True
        return not self.texts and _is_file(word)


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # too long for a name, or with a NUL: a text
        return False


class Verb(_Page):
    """A command that takes its FILE (`FileOption`) by `-f` and among its arguments, in any place."""

    allow_extra_args = True  # they are refused here, in our words

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            left = super().parse_args(ctx, self._named(ctx, args))
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # not all that click raises know it
            raise
        if left and not ctx.resilient_parsing:
            usage = f"{ctx.command_path} {' '.join(self.collect_usage_pieces(ctx))}"
            raise click.UsageError(f'"{left[0]}" is one argument too many: {usage}', ctx)
        return left

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (SignalboxError, OSError) as error:
            raise failure_of(error) from None

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        pieces = super().collect_usage_pieces(ctx)
        return pieces if self._file is None else [*pieces, "[FILE]"]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Options, and where all other arguments are there, the FILE."""
        found = super().shell_complete(ctx, incomplete)
        missing = self._file is not None and self.given_file(ctx) is None
        return [*found, *items(files_of(incomplete), incomplete)] if missing and incomplete[:1] != "-" else found

    def given_file(self, ctx: click.Context) -> str | None:
        """The FILE that the command line names."""
        name = "" if self._file is None else str(self._file.name)
        source = ctx.get_parameter_source(name)
        return ctx.params[name] if source is click.core.ParameterSource.COMMANDLINE else None

    @property
    def _file(self) -> FileOption | None:
        return next((option for option in self.params if isinstance(option, FileOption)), None)

    def _named(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The command line with the FILE behind its option."""
        option = self._file
        if option is None:
            return args
        words = [_Word(word) for word in args]
        only_options = click.Command(None, params=[each for each in self.params if isinstance(each, click.Option)])
        found, loose, _ = only_options.make_parser(ctx).parse_args(list(words))
        others = any(isinstance(each, click.Argument) for each in self.params)
        meant = [word for word in loose if word and (not others or option.is_meant(word))]
        given = found.get(str(option.name))
        if isinstance(given, str):  # so a word that looks like a file is what else may stand there
            meant = [] if others else [_Word(given), *meant]
        if len(meant) > 1 and not ctx.resilient_parsing:
            raise click.UsageError(f'two are given where one FILE can be: "{meant[0]}" and "{meant[1]}"', ctx)
        if not meant or isinstance(given, str):
            return args
        return [option.opts[-1], meant[0], *(word for word in words if word is not meant[0])]


class Verbs(_Page, click.Group):
    """A group of verbs, which says which one may be meant; alone it prints its help, or does what it does alone."""

    command_class = Verb

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not (args or self.invoke_without_command or ctx.resilient_parsing):
            click.echo(ctx.get_help(), color=has_colours())
            ctx.exit(0)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = did_you_mean(args[0], known)
            raise click.UsageError(f'there is no command "{args[0]}"{near}; commands: {", ".join(known)}', ctx)
        return super().resolve_command(ctx, args)


def completing(*kinds: str) -> Any:
    """What completes an argument: names of the FILE of these sections ("routes", "providers", "models"), and files."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        given = ctx.command.given_file(ctx) if isinstance(ctx.command, Verb) else None
        return items((*names_of(given or "routes.yaml", kinds), *(() if given else files_of(incomplete))), incomplete)

    return complete


def items(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Those that begin so."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word) for word in dict.fromkeys(words) if word.startswith(incomplete)]
