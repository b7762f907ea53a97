"""Each verb's help is a page of a manual: what it is, options, examples that work, exit codes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from router.cli import group
from router.cli.verb import Verb


def _verbs(command: click.Command = group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Verb]]:
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _verbs(found, (*path, name))
    else:
        assert isinstance(command, Verb)
        yield path, command


VERBS = dict(_verbs())


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_a_page_has_all_parts(path: tuple[str, ...]) -> None:
    page = CliRunner().invoke(group, [*path, "--help"]).stdout
    parts = [page.index(part) for part in ("Usage: ", "Options:", "Examples:", "Exit codes:")]
    assert parts == sorted(parts)
    assert 1 < len(VERBS[path].examples) <= 5
    assert all(option.help for option in VERBS[path].params if isinstance(option, click.Option))


@pytest.mark.parametrize(
    "example", [line for verb in VERBS.values() for line in verb.examples if line.startswith("signalbox ")]
)
def test_every_example_can_be_typed(example: str) -> None:
    """It parses: the verb, its options and its arguments are there."""
    words = shlex.split(example.partition(" | ")[0].partition(" > ")[0], comments=True)[1:]
    context = click.Context(group)
    name, command, rest = group.resolve_command(context, words)
    while isinstance(command, click.Group):
        inner = click.Context(command, parent=context, info_name=name)
        name, command, rest = command.resolve_command(inner, rest)
    assert isinstance(command, Verb)
    command.make_context(name, list(rest), parent=context)


def test_alone_it_shows_the_verbs_in_groups() -> None:
    page = CliRunner().invoke(group, []).stdout
    parts = [page.index(title) for title in ("Begin:", "Look at a file:", "Ask:", "Run:", "Keep:")]
    assert parts == sorted(parts)
    for path in VERBS:
        assert f"\n  {path[0]} " in page
