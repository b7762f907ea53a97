"""What a release consists of fits together."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version

from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0].lower().replace("_", "-") for each in requirements}


def test_the_changelog_begins_with_this_version() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == PROJECT["version"]


def test_the_command_tells_the_installed_version() -> None:
    command = [sys.executable, "-m", "router.cli", "--version"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout == f"signalbox, version {version('llm-signalbox')}\n"


def test_constraints_are_pins_of_everything() -> None:
    """One version each, and no word of where it comes from; all that is asked for directly is among them."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][A-Za-z0-9.]*", line)] == []
    pinned = [line.partition("==")[0] for line in lines]
    assert pinned == sorted(set(pinned))
    # What builds the site has an environment of its own (tests/test_site.py).
    extras = [each for name, each in PROJECT["optional-dependencies"].items() if name != "docs"]
    asked = names_of(
        [*PROJECT["dependencies"], *(each for extra in extras for each in extra), "hatchling", "editables"]
    )
    assert asked - set(pinned) == set()


def test_every_supported_python_is_a_classifier() -> None:
    found = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if "Python :: 3." in each]
    assert found[0] == PROJECT["requires-python"].removeprefix(">=")
    assert found == ["3.11", "3.12", "3.13"]
