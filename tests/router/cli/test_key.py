"""`signalbox key`: a key that nobody guesses, and an entry of routes.yaml that lets it in."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from router.cli.key import command
from router.config import load_text
from router.plan.compile import compile_plan


def made(*args: str) -> Result:
    return CliRunner().invoke(command, list(args))


def name_of(entry: str, key: str) -> str | None:
    """Whose key it is by a file with this entry."""
    text = f"providers: {{a: {{kind: fake}}}}\nroutes: {{chat: a/m}}\nserve:\n  keys:\n    {entry}\n"
    loaded = load_text(text, env={})
    assert loaded.diagnostics == ()
    client = compile_plan(loaded).serving.client_of(key)
    return None if client is None else client.name


def test_in_a_pipe_it_prints_the_key_and_the_entry_that_lets_it_in() -> None:
    key, entry = made("alice.2").stdout.splitlines()
    assert key.startswith("sb-")
    assert len(key) == 46
    assert name_of(entry, key) == "alice.2"


def test_as_json_it_has_all_parts() -> None:
    told = json.loads(made("my-ci", "--json").stdout)
    assert set(told) == {"name", "key", "sha256", "variable"}
    assert told["variable"] == "SB_KEY_MY_CI"
    assert name_of(f"my-ci: {{sha256: {told['sha256']}}}", told["key"]) == "my-ci"


def test_no_two_are_alike() -> None:
    assert len({made("alice").stdout for _ in range(20)}) == 20


@pytest.mark.parametrize("name", ["Alice", "a b", "", "anonymous", "-a", "ä", "a/b", "a\n"])
def test_a_name_that_the_file_would_not_take_makes_no_key(name: str) -> None:
    result = CliRunner().invoke(command, ["--", name])
    assert result.exit_code == 2
    assert "is not a name of a client" in result.stderr
    assert result.stdout == ""
