"""The page of a package index: README.md with links that work there."""

from __future__ import annotations

import re
import tomllib

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

from hatch_build import readable, urls
from tests.support.paths import ROOT

AT = "https://code.example/team/signalbox"
README = (ROOT / "README.md").read_text()
RELATIVE = re.compile(r"\]\((?![a-z]+:|#)[^)]*\)|(?:src|srcset|href)=\"(?![a-z]+:|#)[^\"]*\"")


@pytest.mark.parametrize(
    ("written", "there", "nowhere"),
    [
        ("[a](docs/a.md)", f"[a]({AT}/blob/v1/docs/a.md)", "a"),
        ("[a](./docs/a.md#b)", f"[a]({AT}/blob/v1/docs/a.md#b)", "a"),
        ("[`a[0]`](a.py)", f"[`a[0]`]({AT}/blob/v1/a.py)", "`a[0]`"),
        ('[a](a.md "why")', f'[a]({AT}/blob/v1/a.md "why")', "a"),
        ("![a](p/a.svg)", f"![a]({AT}/raw/v1/p/a.svg)", "a"),
        ("[![a](a.svg)](a.md)", f"[![a]({AT}/raw/v1/a.svg)]({AT}/blob/v1/a.md)", "a"),
        ("![a](a.svg) [b](b.md)", f"![a]({AT}/raw/v1/a.svg) [b]({AT}/blob/v1/b.md)", "a b"),
        ('<img alt="a" src="a.svg">', f'<img alt="a" src="{AT}/raw/v1/a.svg">', ""),
        ('<a href="a.md">a</a>', f'<a href="{AT}/blob/v1/a.md">a</a>', "<a>a</a>"),
        ("[a]: docs/a.md", f"[a]: {AT}/blob/v1/docs/a.md", "[a]: #"),
    ],
)
def test_a_link_leads_to_the_file_of_the_version(written: str, there: str, nowhere: str) -> None:
    assert readable(written, AT, "1") == there
    assert readable(written, "", "1") == nowhere


@pytest.mark.parametrize(
    "written", ["[a](https://x.example/a)", "[a](#a)", "`[a](b)`", "```\n[a](b)\n```\n", "a\n\n    x = 1\n", "[a] (b)"]
)
def test_what_leads_somewhere_already_and_code_stay(written: str) -> None:
    assert readable(written, AT, "1") == readable(written, "", "1") == written


@pytest.mark.parametrize("repository", [AT, ""])
def test_the_page_has_no_relative_link(repository: str) -> None:
    code = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
    page = readable(README, repository, "1")
    assert RELATIVE.findall(code.sub("", README)), "README.md itself has them"
    assert RELATIVE.findall(code.sub("", page)) == []
    assert code.findall(page) == code.findall(README)


def test_an_index_has_its_own_names_for_the_links() -> None:
    assert list(urls(AT, "1")) == ["Homepage", "Documentation", "Source", "Changelog", "Issues"]
    assert urls("", "1") == {}


def test_the_build_takes_the_address_of_pyproject() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    config["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"] = f"{AT}/"
    built = ProjectMetadata(str(ROOT), PluginManager(), config).core
    assert built.urls == urls(AT, built.version or "")
    assert built.readme == readable(README, AT, built.version or "")
