"""What docs/from-litellm.md shows is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from providers.openai.dialects import DIALECTS
from router.cli import group
from router.importers.litellm import import_litellm
from router.importers.litellm.vendors import UNSUPPORTED, VENDORS
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "from-litellm.md").read_text()


def block(head: str) -> str:
    found = re.search(rf"^```{head}\n(.*?)^```", PAGE, re.M | re.S)
    assert found is not None
    return found[1]


def test_the_example_becomes_what_the_page_says() -> None:
    """To the letter, but for comments and empty lines."""
    made = import_litellm(block("yaml litellm"), Path("config.yaml"))
    lines = (re.sub(r"\s*#( .*)?$", "", line) for line in made.text.splitlines())
    assert [line for line in lines if line] == block("yaml made").splitlines()
    assert [note.what for note in made.notes if note.sort == "left out"] == ["litellm_settings.callbacks"]


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AZURE_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, f"{name.lower()}-of-a-test")
    (tmp_path / "config.yaml").write_text(block("yaml litellm"))
    commands = [shlex.split(line.removeprefix("$ signalbox ")) for line in block("console").splitlines()]
    assert [words[0] for words in commands] == ["import", "check", "explain", "serve"]
    for words in commands[:-1]:  # the last one ends with Ctrl-C
        run = CliRunner().invoke(group, words, standalone_mode=False)
        assert run.exception is None
        assert run.return_value == 0, run.output


def test_each_vendor_of_the_page_is_in_the_table() -> None:
    """Each prefix under "Vendors", and whether it is supported."""
    rows = PAGE.partition("## Vendors")[2].partition("## ")[0].splitlines()
    for row in (row for row in rows if row.startswith("| ") and "---" not in row):
        names = re.findall(r"`([a-z_]+)`", row.split("|")[1])
        known = UNSUPPORTED if "not at all" in row else VENDORS
        assert set(names) <= set(known), row
        if "dialect" in row:
            assert all(VENDORS[name].dialect in DIALECTS for name in names)
