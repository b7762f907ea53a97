"""The documentation is a site that needs nothing from elsewhere, each link and anchor of which leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.check_site import faults
from tests.support.paths import ROOT

MKDOCS = ROOT / ".venv-docs" / "bin" / "mkdocs"
FOLDER = ROOT / "docs" / "site"


@pytest.mark.slow
@pytest.mark.skipif(not MKDOCS.exists(), reason="`make docs` sets up what builds the site")
def test_the_site_is_built_without_a_warning_and_stands_alone(tmp_path: Path) -> None:
    built = subprocess.run(
        [MKDOCS, "build", "--quiet", "--strict", "--config-file", FOLDER / "mkdocs.yml", "--site-dir", tmp_path],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    assert list(faults(tmp_path)) == []
    assert "Routes LLM calls" in (tmp_path / "index.html").read_text()
    assert "follows while it runs" in (tmp_path / "reference" / "api.html").read_text()


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ('<script src="https://cdn.example/a.js"></script>', "loads https://cdn.example/a.js"),
        ('<link rel="stylesheet" href="//fonts.example/css">', "loads //fonts.example/css"),
        ('<a href="gone.html">x</a>', "leads to gone.html"),
        ('<img src="gone.svg">', "leads to gone.svg"),
    ],
)
def test_what_is_loaded_from_elsewhere_or_not_there_is_seen(tmp_path: Path, page: str, fault: str) -> None:
    (tmp_path / "index.html").write_text(page)
    (found,) = faults(tmp_path)
    assert fault in found
    (tmp_path / "index.html").write_text('<a href="https://elsewhere.example/">x</a><a href="index.html#top">y</a>')
    assert list(faults(tmp_path)) == []


def test_what_builds_it_is_pinned() -> None:
    lines = (FOLDER / "requirements.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[\w.]+", line) for line in lines)
    assert {"mkdocs", "mkdocs-material", "mkdocstrings-python"} <= {line.partition("==")[0] for line in lines}


def test_every_page_is_in_the_navigation() -> None:
    """A page that nothing leads to is not found."""
    listed = set(re.findall(r"[\w/.-]+\.md", (FOLDER / "mkdocs.yml").read_text()))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert listed == pages | {"index.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
