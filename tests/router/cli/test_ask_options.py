"""`signalbox ask` says of a call what a call in an app may say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.cli.ask import command

FILE = """
providers: {a: {kind: fake, labels: {region: us}}, b: {kind: fake, labels: {region: [eu, ch]}}}
routes:
  chat:
    targets: [a/m]
    fallbacks: [b/m]
    when: [{if: {tags: {tier: free, team: x}}, to: b/free}]
    budget: {usd: 1/d, by: user}
    cache: {ttl: 1h}
cache: {path: memory}
"""


def ask(folder: Path, *args: str) -> Result:
    path = folder / "routes.yaml"
    path.write_text(FILE)
    return CliRunner().invoke(command, ["chat", "hi", str(path), *args])


@pytest.mark.parametrize(
    ("args", "target"),
    [
        ([], "a/m"),
        (["--tags", "tier=free", "--tags", "team=x"], "b/free"),
        (["--tags", "tier=free"], "a/m"),
        (["--only", "b"], "b/m"),
        (["--avoid", "a"], "b/m"),
        (["--require", "region=eu"], "b/m"),
        (["--require", "region=us", "--require", "region=eu"], "a/m"),
        (["--max-attempts", "1", "--timeout", "5s", "--on-stream-break", "restart", "--cache", "skip"], "a/m"),
    ],
)
def test_a_call_may_say_so(tmp_path: Path, args: list[str], target: str) -> None:
    result = ask(tmp_path, *args, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["target"] == target


def test_what_the_call_says_is_in_its_trace(tmp_path: Path) -> None:
    args = ("--caller", "ann", "--tags", "team=x", "--timeout", "5s", "--max-attempts", "1", "--avoid", "b")
    trace = json.loads(ask(tmp_path, *args, "--json").stdout)["trace"]
    assert (trace["caller"], trace["tags"]) == ("ann", {"team": "x"})
    assert trace["of_call"] == {"timeout": "total 5 s", "avoid": "b", "max_attempts": "1"}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--tags", "free"], '--tags takes NAME=VALUE, such as tier=free, not "free"'),
        (["--require", "eu"], '--require takes LABEL=TEXT, such as region=eu, not "eu"'),
        (["--only", "c"], 'no provider, model or target is named "c"'),
        (["--require", "regoin=eu"], 'no provider or model has a label "regoin" (did you mean "region"?)'),
        (["--timeout", "soon"], "timeout"),
        (["--cache", "no"], "'no' is not one of"),
    ],
)
def test_what_makes_no_sense_is_an_error_in_words(tmp_path: Path, args: list[str], says: str) -> None:
    result = ask(tmp_path, *args)
    assert result.exit_code != 0
    assert says in str(result.exception) + result.output
