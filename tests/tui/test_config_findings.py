"""What is wrong with the file as a list: found and sorted as every other list; and the log of revisions."""

from __future__ import annotations

from msgspec.structs import replace
from textual.widgets import Input, Static

from router.config.diagnostics import Diagnostic
from router.views.file import ConfigView
from tests.support.dashboard_app import front, lines, running, settle
from tests.support.dashboard_feed import FixedFeed, busy, config, rejected
from tui.widgets.row_list import RowList

FOUND = (
    Diagnostic("error", "routes.yaml", 17, 31, "routes.chat.targets.1.model", "no model is named haikuu"),
    Diagnostic("warning", "routes.yaml", 4, 3, "providers.openai", "its budget counts nothing"),
    Diagnostic(
        "error", "routes.yaml", 9, 10, "models.luna", "another thing is wrong, and it takes many words to say " * 3
    ),
)


async def wrong(self: FixedFeed) -> ConfigView:
    return replace(config(bad=True), diagnostics=FOUND)


async def test_findings_are_a_list_like_every_other() -> None:
    async with running(rejected(), bad_config=True) as (app, feed, pilot):
        feed.config = wrong.__get__(feed)  # type: ignore[method-assign]  # another file
        await pilot.press("5")
        await settle(pilot)
        await pilot.press("right_square_bracket", "right_square_bracket")
        findings, source = app.screen.query_one("#findings", RowList), app.screen.query_one("#source", RowList)
        assert findings.has_focus
        assert not source.display

        def shown() -> list[str]:
            return [line.split()[1] for line in lines(findings) if line.strip()[:1] in ("✗", "!")]

        assert shown() == ["4:3", "9:10", "17:31"]
        assert any("…" in line for line in lines(findings))
        await pilot.press("greater_than_sign", "greater_than_sign")
        assert shown() == ["9:10", "4:3", "17:31"]
        assert "where▴" in lines(findings)[0]
        await pilot.press("I")
        assert shown() == ["17:31", "4:3", "9:10"]
        await pilot.press("slash", *"budget")
        assert shown() == ["4:3"]
        await pilot.press("escape", "slash", *"warning", "enter")
        assert shown() == ["4:3"]
        assert not app.screen.query_one("#search", Input).display
        await pilot.press("enter")  # to its place in the file
        await settle(pilot)
        assert source.has_focus
        assert source.key == "finding 0"
        await pilot.press("n")
        assert source.key == "finding 1"


async def test_without_findings_the_list_says_so() -> None:
    async with running(mode="config") as (app, _, pilot):
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert "nothing is wrong with the file" in lines(app.screen.query_one("#findings", RowList))[0]


async def test_the_log_is_found_in_as_every_list() -> None:
    async with running(rejected(), mode="config", bad_config=True) as (app, _, pilot):
        await pilot.press("left_square_bracket")
        source = app.screen.query_one("#source", RowList)
        before = len(source.rows)
        await pilot.press("slash", *"rejected")
        assert len(source.rows) == 1 < before
        await pilot.press("escape")
        assert len(source.rows) == before
        await pilot.press("right_square_bracket", "slash", *"haiku")  # the file is searched, and stays whole
        assert front(app).query_one("#search", Input).display
        assert len(source.rows) > 20


async def test_a_file_that_runs_tells_its_warnings() -> None:
    """They are in the lines of the file and among the findings, as those of a refused one are."""
    async with running(busy()) as (app, feed, pilot):

        async def warned(self: FixedFeed) -> ConfigView:
            return replace(config(), diagnostics=FOUND[1:2])

        feed.config = warned.__get__(feed)  # type: ignore[method-assign]  # another file
        await pilot.press("5")
        await settle(pilot)
        verdict = str(app.screen.query_one("#verdict", Static).content)
        assert verdict == "✓ Revision 9984a99 runs, as saved. 1 warning: see findings."
        assert app.screen.query_one("#source", RowList).key == "finding 0"
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert any("its budget counts nothing" in line for line in lines(app.screen.query_one("#findings", RowList)))
