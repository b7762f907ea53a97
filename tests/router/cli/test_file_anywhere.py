"""Every verb that reads a routes.yaml takes it by its name alone, in any place, and by `-f`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.cli import group

OTHER = """\
providers: {a: {kind: fake}}
routes: {chat: {targets: [a/m], cache: 1h}, only-here: a/m}
"""
USUAL = "providers: {a: {kind: fake}}\nroutes: {usual: a/m}\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("routes.yaml").write_text(USUAL)
    Path("other.yaml").write_text(OTHER)
    Path("no-ending").write_text(OTHER)
    Path("request.json").write_text(json.dumps({"messages": [{"role": "user", "content": "hi"}]}))


def run(*args: str) -> Result:
    return CliRunner().invoke(group, args)


@pytest.mark.parametrize("how", [["-f", "other.yaml"], ["--file", "other.yaml"], ["--file=other.yaml"], ["other.yaml"]])
@pytest.mark.parametrize(
    "verb",
    [
        ["check"],
        ["show", "only-here"],
        ["show"],
        ["explain", "only-here"],
        ["explain", "only-here", "-p", "hi"],
        ["explain", "only-here", "request.json"],
        ["ask", "only-here", "hi"],
        ["models"],
        ["models", "a"],
        ["cache", "stats"],
        ["cache", "clear", "--route", "only-here"],
        ["cache", "why", "chat", "-p", "hi"],
        ["cache", "why", "chat", "request.json"],
    ],
    ids=" ".join,
)
def test_both_ways_at_the_end_and_at_the_beginning(verb: list[str], how: list[str]) -> None:
    name = 2 if verb[0] == "cache" else 1
    for args in ([*verb, *how], [*verb[:name], *how, *verb[name:]]):
        done = run(*args)
        assert "only-here" not in done.stderr, args  # the usual file has no such route
        assert done.exit_code == 0, (args, done.output)


def test_a_file_without_the_ending_is_one_where_it_exists() -> None:
    assert "only-here" in run("show", "no-ending").stdout
    assert "only-here" in run("show", "only-here", "no-ending").stdout
    assert run("check", "no-ending").exit_code == 0


def test_a_word_is_a_route_where_no_file_has_the_name() -> None:
    assert 'is named "nowhere"' in run("show", "nowhere").stderr


def test_a_route_with_the_name_of_a_file_is_meant_beside_f() -> None:
    Path("chat").write_text("hello")
    told = run("show", "chat").stderr
    assert '"chat" was taken as the FILE' in told
    assert run("show", "chat", "-f", "other.yaml").exit_code == 0


@pytest.mark.parametrize("prompt", ["What is in routes.yaml", "request.json", "no-ending"])
def test_a_prompt_that_speaks_of_a_file_is_a_prompt(prompt: str) -> None:
    """Of a verb that takes free text, one word with the ending alone is the FILE."""
    done = run("ask", "usual", prompt)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout  # the route of the usual file answers


@pytest.mark.parametrize(
    "args",
    [
        ["check", "other.yaml", "routes.yaml"],
        ["check", "-f", "other.yaml", "routes.yaml"],
        ["show", "other.yaml", "routes.yaml"],
        ["serve", "other.yaml", "routes.yaml"],
    ],
)
def test_two_files_are_one_too_many(args: list[str]) -> None:
    done = run(*args)
    assert done.exit_code == 2
    assert "other.yaml" in done.stderr
    assert "routes.yaml" in done.stderr


def test_an_option_keeps_its_value_when_a_file_of_the_same_name_stands_beside_it() -> None:
    done = run("simulate", "other.yaml", "-s", "other.yaml")
    assert "nothing was simulated" in done.stderr  # it is no scenario; the FILE was found
    assert '"-s" needs' not in done.stderr


def test_words_behind_two_dashes_are_found_as_well() -> None:
    assert run("show", "--", "only-here", "other.yaml").exit_code == 0
