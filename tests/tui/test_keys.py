"""The line of keys at the bottom: what it shows, and what a mouse does there."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType

from router.views.commands import Drain
from tests.support.dashboard_app import running, settle
from tui.dialogs.confirm import Confirm
from tui.dialogs.keys import Keys
from tui.widgets.key_bar import KeyBar


def line(app: App[None]) -> str:
    return str(app.screen.query_one(KeyBar).render())


async def test_it_tells_the_keys_of_the_screen_and_of_what_has_the_focus() -> None:
    async with running() as (app, _, pilot):
        assert line(app).startswith("/ find  < > sort  o c x breaker  d drain  t try  q quit")
        assert line(app).endswith("? keys  ^p palette")
        await pilot.press("3")
        await settle(pilot)
        assert line(app).startswith("< > sort  / filter  f failed")


async def test_on_a_small_terminal_the_palette_makes_room() -> None:
    async with running(size=(80, 24)) as (app, _, pilot):
        assert "palette" not in line(app)
        assert line(app).endswith("? keys")  # which always has room
        await pilot.resize_terminal(120, 36)
        assert "palette" in line(app)


async def test_a_click_presses_the_key() -> None:
    async with running() as (app, feed, pilot):
        at = line(app).index("? keys")
        await pilot.click(KeyBar, offset=(1 + at + 2, 0))  # on its word
        assert isinstance(app.screen, Keys)
        await pilot.press("escape")
        await pilot.click(KeyBar, offset=(1 + line(app).index("d drain"), 0))
        assert isinstance(app.screen, Confirm)
        await pilot.press("y")
        await settle(pilot)
        assert feed.commands == [Drain("openai")]
        before = app.screen
        await pilot.click(KeyBar, offset=(1 + line(app).index("breaker"), 0))  # which of the three is not said
        assert app.screen is before


async def test_the_mouse_is_told_what_a_key_does() -> None:
    async with running() as (app, _, pilot):
        bar = app.screen.query_one(KeyBar)
        await pilot.hover(KeyBar, offset=(1 + line(app).index("d drain"), 0))
        assert bar.tooltip == "no new calls for it, or calls again"
        await pilot.hover(KeyBar, offset=(60, 0))
        assert bar.tooltip is None


class Many(App[None]):
    """More keys than the line has room for; one of them can't be pressed now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(letter, f"count('{letter}')", f"word {letter}") for letter in "abcdefgh"
    ]
    counted = ""

    def compose(self) -> ComposeResult:
        yield KeyBar()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if parameters == ("b",) else True

    def action_count(self, letter: str) -> None:
        self.counted += letter


async def test_keys_without_room_are_told_by_an_ellipsis() -> None:
    app = Many()
    async with app.run_test(size=(50, 5)) as pilot:
        assert line(app) == "a word a  b word b  c word c  …       ^p palette"
        await pilot.resize_terminal(120, 5)
        assert "h word h" in line(app)
        assert "…" not in line(app)


async def test_a_key_that_can_do_nothing_now_is_not_pressed_by_a_click() -> None:
    app = Many()
    async with app.run_test(size=(120, 5)) as pilot:
        await pilot.click(KeyBar, offset=(1, 0))
        await pilot.click(KeyBar, offset=(1 + line(app).index("b word"), 0))
        await pilot.click(KeyBar, offset=(1 + line(app).index("c word"), 0))
        assert app.counted == "ac"


async def test_in_the_list_of_keys_what_is_long_goes_on_below_itself() -> None:
    async with running(size=(80, 24), mode="plots") as (app, _, pilot):
        await pilot.press("question_mark")
        await settle(pilot)
        text = [each.rstrip() for each in str(app.screen.query_one("VerticalScroll Static").render()).splitlines()]
        begun = next(at for at, each in enumerate(text) if "time to the first token" in each)
        assert text[begun + 1] == " " * 16 + text[begun + 1].strip()
