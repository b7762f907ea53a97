"""`signalbox init` writes the JSON Schema beside the file, and the line by which editors find it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.cli import group
from router.cli.init import VENDORS
from router.config import load
from router.config.json_schema import json_schema

LINE = "# yaml-language-server: $schema=routes.schema.json"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    for vendor in VENDORS:
        monkeypatch.delenv(vendor.variable, raising=False)


def init(*args: str) -> Result:
    return CliRunner().invoke(group, ["init", *args])


@pytest.mark.parametrize("path", ["routes.yaml", "conf/prod.yaml"])
def test_the_schema_lies_beside_the_file(path: str) -> None:
    Path("conf").mkdir()
    assert init(path).exit_code == 0
    assert Path(path).read_text().startswith(f"{LINE}\n")
    assert json.loads(Path(path).with_name("routes.schema.json").read_text()) == json_schema()
    assert load(path).diagnostics == ()


def test_without_a_schema_there_is_no_line() -> None:
    assert init("--no-schema").exit_code == 0
    assert "yaml-language-server" not in Path("routes.yaml").read_text()
    assert not Path("routes.schema.json").exists()


def test_printed_the_file_names_no_schema_that_is_not_there() -> None:
    assert "yaml-language-server" not in init("-").stdout


def test_a_schema_that_is_there_is_left_as_it_is() -> None:
    Path("routes.schema.json").write_text("{}")
    assert init().exit_code == 0
    assert Path("routes.schema.json").read_text() == "{}"


def test_as_json_it_says_what_it_wrote() -> None:
    told = json.loads(init("--json").stdout)
    assert told == {"file": "routes.yaml", "schema": "routes.schema.json", "vendors": [], "ollama_models": []}
