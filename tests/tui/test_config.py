"""The Config screen: the file, what is wrong with it, the difference and the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from textual.widgets import Input, Static

from router.config.diagnostics import Diagnostic
from router.views.file import ConfigView
from tests.support.dashboard_app import front, lines, running, settle, toasts
from tests.support.dashboard_feed import DIAGNOSTICS, FixedFeed, busy, config, rejected
from tui.app import Dashboard
from tui.dialogs.revision import RevisionDialog
from tui.theme import FOUND
from tui.widgets.config_rows import file_rows, yaml_line
from tui.widgets.row_list import RowList


async def to_config(pilot: Any) -> None:
    await settle(pilot)
    await pilot.press("5")
    await settle(pilot)


@pytest.mark.parametrize("key", ["right_square_bracket", "left_square_bracket"])
def test_difference_and_log_look_like_this(key: str, snap_compare: Any) -> None:
    async def part(pilot: Any) -> None:
        await to_config(pilot)
        await pilot.press("T", key)
        await settle(pilot)

    app = Dashboard(FixedFeed(rejected(), bad_config=True))
    assert snap_compare(app, terminal_size=(120, 36), run_before=part)


async def test_what_runs_is_said_plainly() -> None:
    async with running(mode="config") as (app, _, _):
        assert str(app.screen.query_one("#verdict", Static).visual) == "✓ Revision 9984a99 runs, as saved."
    async with running(rejected(), mode="config", bad_config=True) as (app, _, _):
        assert str(app.screen.query_one("#verdict", Static).visual) == (
            "✗ Saved file rejected: 1 error. Revision 9984a99, the last good one, runs."
        )


async def test_a_finding_stands_below_its_line_and_is_found_by_key() -> None:
    async with running(rejected(), mode="config", bad_config=True) as (app, _, pilot):
        source = app.screen.query_one("#source", RowList)
        shown = lines(source)
        at = next(number for number, line in enumerate(shown) if "haikuu, weight" in line)
        assert shown[at].split()[:2] == ["17", "✗"]
        assert "▲ routes.chat.targets.1.model: no model is named" in shown[at + 1]
        await pilot.press("n")
        assert source.key == "finding 0"
        await pilot.press("end", "N")
        assert source.key == "finding 0"


async def test_on_a_small_terminal_all_of_it_is_said() -> None:
    async with running(rejected(), mode="config", bad_config=True, size=(80, 24)) as (app, _, _):
        verdict = app.screen.query_one("#verdict", Static)
        assert "the last good one, runs." in "".join(strip.text for strip in verdict.render_lines(verdict.size.region))


async def test_a_rejected_file_opens_at_its_first_finding() -> None:
    """It is seen without a key; and who reads elsewhere meanwhile is left there."""
    async with running(rejected(), mode="config", bad_config=True, size=(80, 16)) as (app, _, _):
        source = app.screen.query_one("#source", RowList)
        assert source.key == "finding 0"
        seen = range(source.scroll_offset.y, source.scroll_offset.y + source.size.height)
        assert [row.key for row in source.rows].index("finding 0") in seen
    async with running(mode="config") as (app, feed, pilot):
        source = app.screen.query_one("#source", RowList)
        await pilot.press("j", "j")
        feed.bad_config = True
        front(app).refresh_now()
        await settle(pilot)
        assert source.key == "line 3"
        assert any("▲" in line for line in lines(source))


async def test_a_text_is_searched_for() -> None:
    async with running(mode="config") as (app, _, pilot):
        source, search = app.screen.query_one("#source", RowList), app.screen.query_one("#search", Input)
        assert not search.display
        await pilot.press("slash", *"HAIKU")
        assert source.key == "line 10"
        assert search.border_subtitle == "3 lines have it"
        found = [text for row in source.rows for text, ink in row.line if ink == FOUND]
        assert found == ["haiku"] * 4
        await pilot.press("enter", "n")
        assert source.key == "line 17"
        await pilot.press("n", "n")
        assert source.key == "line 10"  # round
        await pilot.press("N")
        assert source.key == "line 24"
        await pilot.press("escape")
        assert not search.display
        assert not any(ink == FOUND for row in source.rows for _, ink in row.line)
        await pilot.press("n")
        assert toasts(app) == ["nothing is wrong with the file"]


async def test_a_search_for_nothing_that_is_there() -> None:
    """Line numbers are no text of the file; nothing typed ends the search."""
    async with running(mode="config") as (app, _, pilot):
        await pilot.press("slash", *"24")
        assert app.screen.query_one("#search", Input).border_subtitle == "nothing has it"
        await pilot.press("backspace", "backspace", "enter")
        assert not app.screen.query_one("#search", Input).display
        assert app.screen.query_one("#source", RowList).has_focus


async def test_without_findings_it_says_so() -> None:
    async with running(mode="config") as (app, _, pilot):
        await pilot.press("n")
        assert toasts(app) == ["nothing is wrong with the file"]


async def test_the_difference_is_told_by_signs() -> None:
    async with running(rejected(), mode="config", bad_config=True) as (app, _, pilot):
        await pilot.press("right_square_bracket")
        shown = lines(app.screen.query_one("#source", RowList))
        assert any(line.startswith("  - ") and "haiku," in line for line in shown)
        assert any(line.startswith("  + ") and "haikuu," in line for line in shown)
    async with running(mode="config") as (app, _, pilot):
        await pilot.press("right_square_bracket")
        assert "there is no difference" in lines(app.screen.query_one("#source", RowList))[0]


async def test_the_log_opens_a_revision() -> None:
    async with running(rejected(), mode="config", bad_config=True) as (app, _, pilot):
        await pilot.press("left_square_bracket")
        shown = lines(app.screen.query_one("#source", RowList))
        assert "rejected" in shown[0]
        assert "9984a99 runs" in " ".join(shown[1].split())
        assert "the first" in shown[2]
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, RevisionDialog)
        assert "did you mean" in "\n".join(lines(app.screen.query_one(RowList)))
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("right_square_bracket")
        assert "version" in lines(app.screen.query_one("#source", RowList))[0]


async def test_the_path_is_copied() -> None:
    async with running(mode="config") as (app, _, pilot):
        await pilot.press("y")
        assert app.clipboard == "/srv/shop/routes.yaml"


async def test_without_a_path_it_says_so() -> None:
    async with running() as (app, feed, pilot):

        async def shown() -> ConfigView:
            return replace(config(), path=None)

        feed.config = shown  # type: ignore[method-assign] - another file
        await pilot.press("5")
        await settle(pilot)
        await pilot.press("y")
        assert toasts(app) == ["this router was made from text; no file has a path"]


class Suspended:
    """In place of giving the terminal away, which a test has not."""

    def __init__(self, app: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(app, "suspend", lambda: self)

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("editor", "path", "said"),
    [
        ("", "here", "set VISUAL or EDITOR to your editor, such as EDITOR=nano"),
        ("nano", "/nowhere/routes.yaml", "/nowhere/routes.yaml is not on this machine, or was removed"),
        ("nano", None, "this router was made from text; there is no file to edit"),
        ("/no/such/editor", "here", "/no/such/editor can't be started:"),
    ],
)
async def test_why_a_file_can_not_be_edited(
    editor: str, path: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text("x")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor)
    async with running() as (app, feed, pilot):
        view = replace(config(), path=str(file) if path == "here" else path)

        async def shown() -> ConfigView:
            return view

        feed.config = shown  # type: ignore[method-assign] - another file
        Suspended(app, monkeypatch)
        await pilot.press("5")
        await settle(pilot)
        await pilot.press("e")
        assert toasts(app)[0].startswith(said)


async def test_the_editor_gets_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the words of $EDITOR after the program's name."""
    file, script = tmp_path / "routes.yaml", tmp_path / "editor"
    file.write_text("before")
    script.write_text('#!/bin/sh\necho "$1 edited" > "$2"\n')
    script.chmod(0o700)
    monkeypatch.setenv("VISUAL", f"{script} well")
    async with running() as (app, feed, pilot):

        async def shown() -> ConfigView:
            return replace(config(), path=str(file))

        feed.config = shown  # type: ignore[method-assign] - another file
        await pilot.press("5")
        await settle(pilot)
        await pilot.press("e")
        assert "can't be lent" in toasts(app)[0]  # no real terminal here
        Suspended(app, monkeypatch)
        await pilot.press("e")
        assert file.read_text() == "well edited\n"


# --- the text


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=80))
def test_colours_change_no_character(text: str) -> None:
    assert "".join(piece for piece, _ in yaml_line(text)) == text


def test_yaml_is_coloured_by_what_it_is() -> None:
    found = dict(yaml_line('  chat: {ttl: 1h, id: "a#b"}  # why'))
    assert found["chat"] == found["ttl"] == found["id"] != found["1h"]
    assert found['"a#b"'] != found["# why"]


@given(st.integers(10, 200), st.integers(1, 300))
def test_findings_fit_beside_any_column(width: int, column: int) -> None:
    """Far right columns and narrow screens included; nothing of the message is lost."""
    finding = Diagnostic("error", "f", 1, column, "routes.chat", "word " * 30)
    rows = file_rows(replace(config(), text="x", diagnostics=(finding,)), width)
    told = "".join("".join(text for text, _ in row.line) for row in rows[1:])
    assert told.count("word") == 30


def test_the_fixed_finding_is_where_the_file_has_it() -> None:
    """The pictures show the truth."""
    [finding] = DIAGNOSTICS
    line = config(bad=True).text.splitlines()[finding.line - 1]
    assert line[finding.column - 1 :].startswith("haikuu")
    assert busy().revision == config().revision
