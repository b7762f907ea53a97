"""`needs` of a line of traffic: its requests go by the rules and capabilities that an app's would go by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from router.cli.simulate import command
from router.simulate.needing import NEEDED

FILE = """
providers: {a: {kind: ollama}, b: {kind: ollama, base_url: "http://b"}}
models:
  plain: {provider: a, id: m, capabilities: {CAPABILITY}}
  able: {provider: b, id: m}
routes:
  ruled: {targets: [plain], when: [{if: {needs: NEED}, to: able}]}
  capable: {targets: [plain], fallbacks: [able]}
  checked: {targets: [able], accept: {valid_json: true}}
"""


def simulated(folder: Path, need: str, route: str, stream: bool = True) -> dict[str, Any]:
    can = "" if need in ("json_mode", "thinking") else f"{need}: false"
    path, scenario = folder / "routes.yaml", folder / "scenario.yaml"
    path.write_text(FILE.replace("NEED", need).replace("CAPABILITY", can))
    scenario.write_text(
        f"duration: 1m\ntraffic: [{{route: {route}, rate: 1/s, needs: {need}, stream: {str(stream).lower()}}}]\n"
    )
    result = CliRunner().invoke(command, [str(path), "-s", str(scenario), "--json"], standalone_mode=False)
    assert result.exception is None, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("need", NEEDED)
def test_a_rule_leads_them(tmp_path: Path, need: str, stream: bool) -> None:
    found = simulated(tmp_path, need, "ruled", stream)
    assert found["routes"]["ruled"]["failed"] == 0
    assert found["targets"]["able"]["answers"] > 30


@pytest.mark.parametrize("need", [need for need in NEEDED if need not in ("json_mode", "thinking")])
def test_who_lacks_it_is_passed_over(tmp_path: Path, need: str) -> None:
    found = simulated(tmp_path, need, "capable")
    assert found["routes"]["capable"]["failed"] == 0
    assert found["targets"]["plain"]["calls"] == 0
    assert found["targets"]["able"]["answers"] > 30


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("need", ["json_mode", "json_schema"])
def test_answers_that_are_checked_are_taken(tmp_path: Path, need: str, stream: bool) -> None:
    found = simulated(tmp_path, need, "checked", stream)
    assert found["routes"]["checked"]["failed"] == 0
    assert found["targets"]["able"]["calls"] == found["routes"]["checked"]["requests"]


def test_two_forms_of_an_answer_are_an_error(tmp_path: Path) -> None:
    path, scenario = tmp_path / "routes.yaml", tmp_path / "scenario.yaml"
    path.write_text("providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n")
    scenario.write_text("duration: 1m\ntraffic: [{route: chat, rate: 1/s, needs: [json_mode, json_schema]}]\n")
    result = CliRunner().invoke(command, [str(path), "-s", str(scenario)])
    assert result.exit_code != 0
    assert "one form of answer" in result.output
