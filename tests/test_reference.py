"""The pages of docs/reference say what the program goes by."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

from providers.errors import CONSEQUENCES
from router.cli import group
from router.config.json_schema import json_schema
from tests.support.paths import ROOT
from tests.support.public_api import public_objects
from tests.support.reference import FOLDER, PAGES

MAKERS = {"command.md": "click", "language.md": "pydantic"}  # whose words are in a page; other releases have others


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name: str) -> None:
    """After a change that is meant, `python -m tests.support.reference` renews it."""
    maker = MAKERS.get(name)
    if maker and f"{maker}=={version(maker)}" not in (ROOT / "constraints.txt").read_text().splitlines():
        pytest.skip(f"made with the {maker} of constraints.txt")
    assert (FOLDER / name).read_text() == PAGES[name]()


def test_every_key_of_the_language_is_there_with_its_form_and_meaning() -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGES["language.md"](), re.M | re.S))
    schema = json_schema()
    assert len(sections) == len(schema["$defs"]) + 1
    keys = sum(len(section["properties"]) for section in (schema, *schema["$defs"].values()))
    rows = [
        row for text in sections.values() for row in re.findall(r"^\| (`\w+`) \| (.+?) \| .* \| (.+) \|$", text, re.M)
    ]
    assert len(rows) == keys


@pytest.mark.parametrize(
    "row",
    [
        "| `connect` | duration or `off` | `3s` |",
        "| `max_entry` | size | `1MB` |",
        "| `budget` | share | `20%` |",
    ],
)
def test_defaults_are_those_in_force(row: str) -> None:
    assert row.split("|")[1:4] in [line.split("|")[1:4] for line in PAGES["language.md"]().splitlines()]


def test_everything_else_is_complete() -> None:
    """Each code of an error, verb of the command and public name has its place."""
    errors, command, api = (PAGES[name]() for name in ("errors.md", "command.md", "api.md"))
    assert [code for code in CONSEQUENCES if f"| `{code}` |" not in errors] == []
    at_a_glance = (FOLDER.parent / "commands.md").read_text()
    assert [verb for verb in group.list_commands(None) if f"`signalbox {verb}" not in at_a_glance] == []  # type: ignore[arg-type]  # it looks at no context
    assert [verb for verb in group.list_commands(None) if f"## signalbox {verb}\n" not in command] == []  # type: ignore[arg-type]  # it looks at no context
    missing = [name for name, _ in public_objects() if not re.search(rf"(### |`){re.escape(name)}\b", api)]
    assert [name for name in missing if name.rpartition(".")[0] in ("router", "providers", "providers.fake")] == []
