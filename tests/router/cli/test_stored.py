"""`explain` and `cache why` say whether the answer is stored; other facts of the command are JSON as well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from router.cli import group

ROUTES = """\
cache: {path: stored}
providers: {a: {kind: fake}}
routes: {chat: {targets: [a/m], cache: 1h}, plain: a/m}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("routes.yaml").write_text(ROUTES)


def run(*args: str) -> str:
    done = CliRunner().invoke(group, args)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("verb", [["explain"], ["cache", "why"]], ids=" ".join)
def test_before_and_after_the_first_answer(verb: list[str]) -> None:
    assert "the answer is not stored" in run(*verb, "chat", "-p", "hi")
    run("ask", "chat", "hi")
    assert "the answer is stored; it is " in run(*verb, "chat", "-p", "hi")
    assert "the answer is not stored" in run(*verb, "chat", "-p", "something else")


def test_as_json() -> None:
    run("ask", "chat", "hi")
    explained = json.loads(run("explain", "chat", "-p", "hi", "--json"))["cache"]
    why = json.loads(run("cache", "why", "chat", "-p", "hi", "--json"))
    for told in (explained, why):
        assert (told["stored"], told["fresh"], told["lasts"]) == (True, True, 3600)
    assert json.loads(run("explain", "plain", "--json"))["cache"] is None
    assert json.loads(run("cache", "why", "plain", "-p", "hi", "--json"))["keeps_answers"] is False


def test_what_is_forgotten_is_json_too() -> None:
    run("ask", "chat", "hi")
    assert json.loads(run("cache", "clear", "--json"))["forgotten"] == 1
    assert json.loads(run("cache", "stats", "--json"))["entries"] == 0


def test_show_as_json_has_every_value_with_its_origin() -> None:
    shown = json.loads(run("show", "--json"))
    assert [route["route"] for route in shown["routes"]] == ["chat", "plain"]
    values = {value["key"]: value for value in shown["routes"][0]["policies"]}
    assert (values["cache.ttl"]["value"], values["cache.ttl"]["line"]) == ("1h", 3)
    assert values["retry.same_target"]["origin"] == "built in"
    by_name = json.loads(run("show", "a/m", "--json"))["routes"][0]  # a target that is called by its name
    assert by_name["tiers"][0]["branches"][0]["target"] == "a/m"
