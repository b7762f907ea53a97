"""`signalbox explain` says how long each target may take."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from router.cli.explain import command


def explained(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "routes.yaml"
    file.write_text("version: 1\nproviders: {a: {kind: ollama}, b: {kind: ollama, timeout: {answer: off}}}\n" + text)
    said = CliRunner().invoke(command, ["chat", "-f", str(file)], standalone_mode=False)
    return [line.strip() for line in said.output.splitlines() if "timeouts" in line]


def test_those_of_all_targets_are_said_once(tmp_path: Path) -> None:
    (line,) = explained(tmp_path, "routes: {chat: {targets: [a/m, a/n], timeout: {first_token: 5s}}}\n")
    assert line == "timeouts: connect 3s, first_token 5s, idle 1m, answer 10m"


def test_those_that_differ_are_said_of_each(tmp_path: Path) -> None:
    patient, unbounded = explained(tmp_path, "routes: {chat: {targets: [a/m], fallbacks: [b/m]}}\n")
    assert patient.startswith("timeouts of a/m: ")
    assert unbounded.startswith("timeouts of b/m: ")
    assert unbounded.endswith("answer off")
