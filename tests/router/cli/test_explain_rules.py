"""`signalbox explain`, `show` and `simulate` with a route's rules."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

FILE = """\
providers: {a: {kind: fake}, b: {kind: fake}, c: {kind: fake}, d: {kind: fake}}
routes:
  chat:
    when:
      - {if: {tags: {tier: free}}, to: cheap}
      - {if: {prompt_tokens: "> 32k"}, to: long}
      - {if: {needs: [vision]}, to: c/eyes}
      - {if: {hours: 22:00-06:00, days: mon-fri, timezone: Europe/Berlin}, to: cheap}
    targets: [a/one]
  cheap: [b/small, b/smaller]
  long: d/long
"""
NOON = ("--at", "2026-11-27T12:00")


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "routes.yaml").write_text(FILE)
    return str(tmp_path / "routes.yaml")


def run(verb: str, *args: str) -> str:
    command = import_module(f"router.cli.{verb}").command
    result = CliRunner().invoke(command, list(args), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.mark.parametrize(
    ("options", "line", "targets"),
    [
        (NOON, None, ["a/one"]),
        (("--tags", "tier=free", *NOON), 5, ["b/small", "b/smaller"]),
        (("--tags", "tier=paid", "--tags", "team=x", *NOON), None, ["a/one"]),
        (("--prompt-tokens", "40k", *NOON), 6, ["d/long"]),
        (("--prompt-tokens", "32000", *NOON), None, ["a/one"]),
        (("--needs", "images", *NOON), 7, ["c/eyes"]),
        (("--needs", "tools,vision", *NOON), 7, ["c/eyes"]),
        (("--at", "2026-11-27T23:00"), 8, ["b/small", "b/smaller"]),
        (("--at", "2026-11-27T22:30+01:00"), 8, ["b/small", "b/smaller"]),
    ],
)
def test_explain_says_which_rule_of_which_line_decides(
    path: str, options: tuple[str, ...], line: int | None, targets: list[str]
) -> None:
    told = json.loads(run("explain", "chat", path, "--json", *options))
    assert [offer["target"] for offer in told["tiers"][0]["offered"]] == targets
    held = [rule["rule"] for rule in told["rules"] if rule["holds"]]
    assert [rule.startswith(f"{path}:{line}: if ") for rule in held] == ([] if line is None else [True])
    text = run("explain", "chat", path, *options)
    assert ("none of the route's rules holds" in text) == (line is None)


def test_explain_says_why_the_others_do_not_hold(path: str) -> None:
    text = run("explain", "chat", path, "--prompt-tokens", "40k", *NOON)
    assert "if tags.tier is free → cheap  no: tags.tier is not set" in text
    assert "if prompt_tokens > 32k → long  holds\n  " in text  # what follows from it is next
    assert "if needs vision → c/eyes  not asked" in text
    assert "no: it is Fri 13:00" in run("explain", "chat", path, *NOON)  # in Berlin


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tags", "tier"), "--tags takes NAME=VALUE"),
        (("--tags", "a b=c"), "--tags: "),
        (("--prompt-tokens", "many"), "--prompt-tokens takes a number"),
        (("--needs", "visoin"), 'did you mean "vision"'),
        (("--at", "noon"), "--at takes a time"),
    ],
)
def test_what_is_supposed_wrongly_is_told(path: str, options: tuple[str, str], words: str) -> None:
    with pytest.raises(Exception, match=words):
        run("explain", "chat", path, *options)


def test_show_has_the_rules_with_their_lines(path: str) -> None:
    text = run("show", "chat", path)
    assert f"when  if tags.tier is free → cheap  {path}:5" in text


def test_simulate_gives_traffic_tags_needs_and_hours(path: str, tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text("""\
duration: 2h
begins: 2026-11-27T20:00
traffic:
  - {route: chat, rate: 2/min, tags: {tier: free}}
  - {route: chat, rate: 2/min, prompt: 40k}
  - {route: chat, rate: 2/min, needs: vision}
  - {route: chat, rate: 2/min}
expect:
  c/eyes: {requests: "> 100"}
""")
    counts = json.loads(run("simulate", path, "-s", str(scenario), "--json"))["routes"]["chat"]
    rules = {rule.rpartition("→ ")[2] if "→" in rule else "": 0 for rule in counts["rules"]}
    for rule, number in counts["rules"].items():
        rules[rule.rpartition("→ ")[2] if "→" in rule else ""] += number
    assert set(rules) == {"cheap", "long", "c/eyes", ""}
    night = [number for rule, number in counts["rules"].items() if "22:00-06:00" in rule]
    assert 80 < night[0] < 160  # of one line, in the second of the two hours
    assert "c/eyes: " not in run("simulate", path, "-s", str(scenario)).partition("Targets")[2].partition("Calls")[0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{route: chat, rate: 1/s, needs: eyes}", 'no need is named "eyes"'),
        ("{route: chat, rate: 1/s, tags: {tier: 3}}", "this must be the value of a tag"),
        ("{route: chat, rate: 1/s}\nbegins: noon", "this must be a date and time"),
    ],
)
def test_what_no_traffic_has_is_told(path: str, tmp_path: Path, line: str, words: str) -> None:
    from router.config import load
    from router.plan.compile import compile_plan
    from router.simulate.scenario import scenario_from

    loaded = scenario_from(f"duration: 1m\ntraffic:\n  - {line}\n", compile_plan(load(path, env={})))
    assert any(words in found.message for found in loaded.diagnostics)


def test_the_tags_of_a_clients_key_go_before_those_of_its_call(tmp_path: Path) -> None:
    written = tmp_path / "routes.yaml"
    written.write_text(FILE + "serve: {keys: {anna: {key: sb-1234567890abcdefghij, tags: {tier: free}}}}\n")
    for of_call in ((), ("--tags", "tier=paid")):
        told = json.loads(run("explain", "chat", str(written), "--json", "--client", "anna", *of_call, *NOON))
        assert [offer["target"] for offer in told["tiers"][0]["offered"]] == ["b/small", "b/smaller"]
