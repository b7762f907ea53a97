"""What the command shows of targets that are routes: the tree with its odds, the origins, the answers of each chain."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

FILE = """\
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}, d: {kind: fake}}
routes:
  chat: {targets: {split: 80, d/model: 20}, fallbacks: [{to: d/last, on: [timeout]}]}
  split: {targets: {stable: 75, candidate: 25}, fallbacks: [d/last]}
  stable: {targets: [a/one], fallbacks: [b/two], retry: {same_target: 3}}
  candidate: {targets: {b/x: 1, c/y: 1}}
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "routes.yaml").write_text(FILE)
    return str(tmp_path / "routes.yaml")


def told(verb: str, *args: str) -> str:
    command = import_module(f"router.cli.{verb}").command
    result = CliRunner().invoke(command, list(args), standalone_mode=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_explain_draws_the_tree_with_its_odds(path: str) -> None:
    lines = [line.split("  cost")[0] for line in told("explain", "chat", path).splitlines()[1:-2]]
    assert lines == [
        "  first  (weighted)",
        "     80%  split",
        "          first  (weighted)",
        "             75%  stable",
        "                  first",
        "                    100%  a/one",
        "                  then",
        "                    100%  b/two",
        "             25%  candidate",
        "                  first  (weighted)",
        "                     50%  b/x",
        "                     50%  c/y",
        "          then",
        "            100%  d/last",
        "     20%  d/model",
        "  only on timeout",
        "    100%  d/last",
    ]


def test_explain_says_the_same_to_machines(path: str) -> None:
    tiers = json.loads(told("explain", "chat", path, "--json"))["tiers"]
    assert [(tier["chain"], tier["share"], [offer["target"] for offer in tier["offered"]]) for tier in tiers] == [
        ("split > stable", 0.6, ["a/one"]),
        ("split > stable", 0.6, ["b/two"]),
        ("split > candidate", 0.2, ["b/x", "c/y"]),
        ("split", 0.8, ["d/last"]),
        ("", 0.2, ["d/model"]),
        ("", 1.0, ["d/last"]),
    ]


def test_show_has_the_share_of_each_chain_and_the_origin_of_its_policies(path: str) -> None:
    text = told("show", "chat", path)
    assert "tier 1  of split > stable (60%)  1 target" in text
    assert f"retry.same_target 3         routes.stable.retry  {path}:5" in text
    views = json.loads(told("show", "chat", path, "--json"))["routes"][0]["tiers"]
    assert [(view["chain"], view["level"], view["gate"]) for view in views] == [
        ("split > stable", 0, None),
        ("split > stable", 1, 0),
        ("split > candidate", 0, None),
        ("split", 2, 0),
        ("", 0, None),
        ("", 3, None),
    ]
    assert [[branch["share"] for branch in view["branches"]] for view in views][2] == pytest.approx([0.1, 0.1])


def test_simulate_counts_the_answers_of_each_chain(path: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("duration: 1m\ntraffic: [{route: chat, rate: 5/s}]\n")
    scenario = str(tmp_path / "s.yaml")
    counts = json.loads(told("simulate", path, "-s", scenario, "--json"))["routes"]["chat"]
    answered, chains = counts["answered"], counts["chains"]
    assert abs(chains["split > stable"] - answered * 0.6) <= 2
    assert abs(chains["split > candidate"] - answered * 0.2) <= 2
    assert "answers by chain: split > stable" in told("simulate", path, "-s", scenario)
