"""The documentation as it stands: the README works, links lead somewhere, and what is named is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from providers.simulator import Simulator
from router.config import load_text
from tests.support.pages import PAGES, blocks
from tests.support.paths import ROOT

LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


@pytest.mark.parametrize(("place", "source"), blocks("python"), ids=[place for place, _ in blocks("python")])
def test_python_compiles(place: str, source: str) -> None:
    """Examples with a top-level await are the body of an async function."""
    body = "".join(f"    {line}\n" for line in source.splitlines())
    compile(f"async def example():\n{body}", place, "exec")


async def test_the_readme_example_runs(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README's async example, on its routes.yaml, over simulated vendors."""
    text = next(source for place, source in blocks("yaml") if place.startswith("README"))
    for kind in ("openai", "anthropic"):
        text = text.replace(f"{{kind: {kind},", f'{{kind: {kind}, base_url: "{simulator.base_url(kind)}",')
    (tmp_path / "routes.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "k1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k2")
    source = next(source for place, source in blocks("python") if place.startswith("README") and "async def" in source)
    space: dict[str, object] = {}
    exec(source.replace("asyncio.run(main())", ""), space)
    await space["main"]()  # type: ignore[operator]  # the example defines it
    assert "Rayleigh" in capsys.readouterr().out


def test_the_testing_example_passes() -> None:
    """The example of an app's own test is a test that passes."""
    source = next(source for _, source in blocks("python") if "test_my_app_survives" in source)
    space: dict[str, object] = {}
    exec(source, space)
    space["test_my_app_survives_an_outage"]()  # type: ignore[operator]  # the example defines it


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link has its file."""
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_smallest_file_is_valid() -> None:
    """The README's first routes.yaml, with its variables set."""
    text = next(source for place, source in blocks("yaml") if place.startswith("README"))
    assert load_text(text, env={"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b"}).diagnostics == ()


def test_what_always_holds_is_tested() -> None:
    """Each invariant of docs/architecture.md names a test that is there."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "architecture.md").read_text())
    assert len(named) > 15
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_the_map_has_every_package() -> None:
    """Each package of ours is in the first table of docs/architecture.md, whole or by its beginning."""
    rooms = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("[prt]*/*/__init__.py")}
    rooms -= {room for room in rooms if room.startswith(("tests", "tui"))}
    text = (ROOT / "docs" / "architecture.md").read_text()
    kinds = {"providers/anthropic", "providers/ollama", "router/cli"}  # named beside others in one row
    assert {room for room in rooms - kinds if f"`{room}" not in text} == set()
