"""All text can be read: at least 4.5 to 1 beside its ground, in both themes, as WCAG 2 measures it."""

from __future__ import annotations

import pytest
from textual.color import Color

from tests.support.dashboard_app import FixedVendors, running, settle
from tests.support.dashboard_feed import outage, rejected
from tui.app import Dashboard
from tui.widgets.masthead import TABS

OPENS = (
    ("question_mark",), ("o",), ("3", "enter"), ("slash", "l"), ("5", "n"), ("R",), ("4", "ctrl+o"), ("3", "slash"),
)  # fmt: skip
LEAST = 4.5  # WCAG 2.2, 1.4.3


def _luminance(color: Color) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in color.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: Color, other: Color) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def faint(app: Dashboard) -> dict[str, float]:
    """The texts on the screen that are hard to read, with their ratios."""
    found = {}
    front = app.screen.children[0].region if app.screen.is_modal else app.screen.region  # what is below is faded
    for strip in app.screen._compositor.render_strips()[front.y : front.bottom]:
        for text, style, _ in strip.crop(front.x, front.right):
            if not any(char.isalnum() for char in text) or style is None or not style.color or not style.bgcolor:
                continue
            ink, ground = (Color.from_rich_color(each) for each in (style.color, style.bgcolor))
            if style.dim:
                ink = ground.blend(ink, 0.5)
            if ratio(ink, ground) < LEAST:
                found[text] = round(ratio(ink, ground), 2)
    return found


def test_ratios_are_those_of_the_standard() -> None:
    black, white = Color.parse("#000"), Color.parse("#fff")
    assert ratio(black, white) == pytest.approx(21)
    assert ratio(Color.parse("#777"), white) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("keys", [(), ("T",)], ids=["dark", "light"])
@pytest.mark.parametrize("mode", [mode for mode, _ in TABS])
async def test_every_text_of_a_screen_can_be_read(mode: str, keys: tuple[str, ...]) -> None:
    vendors = FixedVendors()
    vendors.set_fault("openai", "break")
    async with running(outage(), mode=mode, vendors=vendors) as (app, _, pilot):
        app.screen.set_focus(None)
        await pilot.press(*keys)
        await settle(pilot)
        assert faint(app) == {}


@pytest.mark.parametrize("light", [(), ("T",)], ids=["dark", "light"])
@pytest.mark.parametrize("keys", OPENS)
async def test_every_text_of_what_opens_can_be_read(keys: tuple[str, ...], light: tuple[str, ...]) -> None:
    async with running(rejected(), bad_config=True) as (app, _, pilot):
        for key in (*light, *keys):
            await pilot.press(key)
            await settle(pilot)
        assert faint(app) == {}
