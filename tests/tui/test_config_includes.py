"""The Config screen of several files: all below each other, each with its own line numbers and findings."""

from __future__ import annotations

from pathlib import Path

from router.config import load
from router.views.file import ConfigView
from tui.widgets.config_rows import file_rows, numbered, place_of


def test_each_file_has_its_own_lines_and_findings(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("routes:\n  one: nix/m\n")
    (tmp_path / "b.yml").write_text("routes:\n  two: a/m\n  three: [b/m]\n")
    (tmp_path / "routes.yaml").write_text("include: '*.yml'\nproviders: {a: {kind: fake}}\n")
    loaded = load(tmp_path / "routes.yaml", env={})
    view = ConfigView(loaded.name, "r", loaded.shown, "", loaded.diagnostics, files=loaded.files)
    shown = [
        "".join(piece for piece, _ in row.line).replace(f"{tmp_path}/", "").rstrip() for row in file_rows(view, 120)
    ]
    assert shown == [
        "    1   include: '*.yml'",
        "    2   providers: {a: {kind: fake}}",
        " ── a.yml ──",
        "    1   routes:",
        "    2 ✗   one: nix/m",
        '               ▲ routes.one: no provider is named "nix"; providers: a',
        " ── b.yml ──",
        "    1   routes:",
        "    2     two: a/m",
        "    3 ✗   three: [b/m]",
        '                  ▲ routes.three.0: no provider is named "b"; providers: a',
    ]
    places = [place_of(finding, included=True) for _, finding in numbered(view.diagnostics)]
    assert places == ["a.yml:2:8", "b.yml:3:11"]
