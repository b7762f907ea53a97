"""What is public changes only on purpose, is documented, and is all that the documentation uses."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
import tomllib
from importlib import import_module

import pytest

from providers.registry import ENTRY_POINT_GROUP
from tests.support.pages import blocks
from tests.support.paths import ROOT
from tests.support.public_api import PAGE, PUBLIC, SIGNATURES, described, members, page, public_objects

RENEW = "if that is meant, renew it: python -m tests.support.public_api"


def difference(kept: str, now: str) -> str:
    return "\n".join(difflib.unified_diff(kept.splitlines(), now.splitlines(), "kept", "now", lineterm="", n=1))


def test_signatures_are_as_they_were() -> None:
    """A public name that goes, comes or changes is a change of tests/public_api.txt as well."""
    changed = difference(SIGNATURES.read_text(), described())
    assert not changed, f"what is public has changed; {RENEW}\n{changed}"


def test_the_page_lists_what_is_public() -> None:
    changed = difference(PAGE.read_text(), page())
    assert not changed, f"docs/public-api.md is not up to date; {RENEW}\n{changed}"


def test_what_is_not_imported_is_on_the_page() -> None:
    """The command and the entry-point group."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert list(project["scripts"]) == ["signalbox"]
    assert "`signalbox`" in PAGE.read_text()
    assert f"`{ENTRY_POINT_GROUP}`" in PAGE.read_text()


def is_sentence(text: str | None) -> bool:
    """Whether its first paragraph begins like a sentence, has at least two words, and ends like one."""
    first = inspect.cleandoc(text or "").partition("\n\n")[0]
    return bool(re.fullmatch(r"[A-Z`].*\s.*[.:?]", first, re.DOTALL))


def test_everything_public_has_a_docstring() -> None:
    """A sentence, of the thing itself: one that is inherited from a foreign class does not count."""
    bare = []
    for name, value in public_objects():
        if not inspect.isclass(value) and not callable(value):
            continue
        if not is_sentence(value.__doc__):
            bare.append(name)
        if isinstance(value, type):
            bare += [
                f"{name}.{member}"
                for member, code in members(value)
                if not member.startswith("_") and not is_sentence(code.__doc__)
            ]
    assert bare == []


@pytest.mark.parametrize(("place", "source"), blocks("python"), ids=[place for place, _ in blocks("python")])
def test_the_documentation_imports_what_is_public(place: str, source: str) -> None:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("providers", "router", "tui"):
            assert node.module in PUBLIC
            assert {alias.name for alias in node.names} <= set(import_module(node.module).__all__)
