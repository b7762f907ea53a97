"""`signalbox explain` and `show` say who has which labels, who is left out, and which line says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from router.cli import explain, show

FILE = """\
providers:
  eu: {kind: fake, labels: {region: eu, retention: none}}
  us: {kind: fake, labels: {region: us}}
models:
  m: {provider: us, id: m, labels: {tier: [gold, free]}}
routes:
  chat: {targets: [m, eu/a], fallbacks: [us/z]}
  home: {targets: [eu/a], require: {region: [eu, us]}, fallbacks: [chat]}
  bound: {targets: [m, eu/a], require: {region: eu}}
serve:
  keys: {alice: {key: "sb-0123456789012345678", require: {retention: none}}}
"""
CALL = ("--require", "region=us")


def as_json(text: str) -> Any:
    return json.loads(text[text.index("{") :])  # after the note that the file has a warning


def said(tmp_path: Path, command: click.Command, *arguments: str) -> str:
    file = tmp_path / "routes.yaml"
    file.write_text(FILE)
    return (
        CliRunner()
        .invoke(command, [*arguments, "-f", str(file)], standalone_mode=False)
        .output.replace(str(tmp_path), "DIR")
    )


def test_explain_tells_who_is_excluded_with_the_line(tmp_path: Path) -> None:
    text = said(tmp_path, explain.command, "bound")
    assert "--   m  skipped: requirement  region is us, where route bound (DIR/routes.yaml:9) requires eu" in text
    assert "100%  eu/a" in text


def test_explain_takes_what_a_call_and_a_client_require(tmp_path: Path) -> None:
    text = said(
        tmp_path, explain.command, "chat", "--require", "region=us", "--require", "tier=gold", "--client", "alice"
    )
    assert (
        "m  skipped: requirement  it has no label retention, where key alice (DIR/routes.yaml:11) requires none" in text
    )
    assert "us/z  skipped: requirement  it has no label retention" in text
    assert "eu/a  skipped: requirement  region is eu, where the call requires us; it has no label tier" in text
    told = as_json(said(tmp_path, explain.command, "chat", *CALL, "--json"))
    assert [offer["target"] for tier in told["tiers"] for offer in tier["offered"]] == ["m", "us/z"]
    assert told["tiers"][0]["skipped"][0]["message"] == "region is eu, where the call requires us"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--require", "region"), "takes LABEL=TEXT, such as region=eu"),
        (("--require", "regoin=eu"), 'has a label "regoin" (did you mean "region"?)'),
        (("--client", "alic"), 'serve.keys has no client "alic" (did you mean "alice"?)'),
    ],
)
def test_explain_says_what_is_wrong_with_them(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(FILE)
    failed = CliRunner().invoke(explain.command, ["chat", *arguments, "-f", str(file)])
    assert told in str(failed.exception) + failed.output


def test_show_tells_labels_and_requirements_with_their_lines(tmp_path: Path) -> None:
    text = said(tmp_path, show.command, "bound")
    assert "requires region eu  route bound (DIR/routes.yaml:9)" in text
    assert "m = us/m  (region us, tier gold and free)  (never asked: region is us" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "labels.region us providers.us.labels DIR/routes.yaml:3" in lines
    assert "labels.tier gold and free models.m.labels DIR/routes.yaml:5" in lines
    told = as_json(said(tmp_path, show.command, "home", "--json"))
    tiers = told["routes"][0]["tiers"]
    assert [branch["labels"] for tier in tiers for branch in tier["branches"]] == [
        "region eu, retention none",
        "region us, tier gold and free",
        "region eu, retention none",
        "region us",
    ]
    assert tiers[1]["required"] == ["region eu or us: route home (DIR/routes.yaml:8)"]


def test_explain_takes_what_else_a_call_says_and_names_it(tmp_path: Path) -> None:
    asked = ("--timeout", "5s", "--avoid", "m", "--max-attempts", "2", *CALL)
    text = said(tmp_path, explain.command, "chat", *asked)
    assert "set by the call: timeout: total 5 s; avoid: m; max_attempts: 2; require: region us" in text
    assert "m  skipped: excluded  the call avoids it (avoid)" in text
    assert "at most 2 attempts within 5 s" in text
    told = as_json(said(tmp_path, explain.command, "chat", *asked, "--json"))
    assert told["of_call"]["timeout"] == "total 5 s"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--timeout", "5"), 'timeout: "5" is not a duration, such as 250ms, 5s'),
        (("--only", "su"), 'only: no provider, model or target is named "su"'),
        (("--max-attempts", "0"), "max_attempts: a whole number of at least 1 is expected"),
    ],
)
def test_explain_says_what_is_wrong_with_it(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(FILE)
    failed = CliRunner().invoke(explain.command, ["chat", *arguments, "-f", str(file)])
    assert told in str(failed.exception) + failed.output
