"""What vendors, files and other processes wrote acts on no terminal that the dashboard draws on, and is no markup."""

from __future__ import annotations

import html
import unicodedata

import pytest
from msgspec.structs import replace
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from router.views.events import Event
from router.views.figures import Snapshot
from tests.support.dashboard_app import running, settle
from tests.support.dashboard_feed import EVENTS, busy
from tui.inert import INERT, InertConsole

BAD = "\x1b]52;c;aGk=\x07\x1b[2J\x9b\u202e\u2066\u200b\ufeff\ufe0f\u2028\U000e0041\ud83d"
MARKUP = "[red]x[/] [@click=app.quit]y[/] [link=http://x]z[/]"


def planted(snapshot: Snapshot) -> Snapshot:
    """The names of everything with what acts in them."""
    targets = tuple(
        replace(each, name=f"{BAD}{MARKUP}{each.name}", model=BAD + each.model) for each in snapshot.targets
    )
    providers = tuple(
        replace(each, name=f"{BAD}{MARKUP}{each.name}", targets=tuple(t for t in targets if t.provider == each.name))
        for each in snapshot.providers
    )
    routes = tuple(replace(each, name=f"{BAD}{MARKUP}{each.name}") for each in snapshot.routes)
    return replace(snapshot, name=BAD + snapshot.name, path=f"/{BAD}/r.yaml", providers=providers, routes=routes)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["panel", "routes", "requests", "try", "config", "plots"])
async def test_no_screen_passes_it_on(mode: str) -> None:
    """Names, paths, events and answers, on each screen."""
    async with running(planted(busy()), mode=mode) as (app, feed, pilot):
        feed.answer = f"{BAD} {MARKUP}\n"
        feed.records = tuple(replace(each, route=BAD + MARKUP, target=BAD + MARKUP) for each in feed.records)
        event: Event = replace(EVENTS[0], sentence=f"{BAD}{MARKUP}", level="error")
        feed.news.put_nowait(event)
        app.notify(f"{BAD}{MARKUP}", markup=False)
        await pilot.pause()
        await settle(pilot)
        text = html.unescape(app.export_screenshot(simplify=True))
    acting = {ascii(char) for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert not acting - {ascii("\n")}
    assert "\ufe0f" not in text
    assert "52;c;" in text


def test_a_link_is_none() -> None:
    """Markup of others would make one that a click opens."""
    style = Style(link="http://x", bold=True)
    (segment,) = INERT.apply([Segment("x", style)], Color(0, 0, 0))
    assert segment.style is not None
    assert (segment.text, segment.style.link, segment.style.bold) == ("x", None, True)


def test_a_traceback_quotes_it_inert() -> None:
    """What is printed when the dashboard breaks."""
    console = Console(width=80, force_terminal=False)
    console.push_render_hook(InertConsole(console))
    with console.capture() as printed:
        console.print(f"ValueError: {BAD}", markup=False)
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(printed.get())
    assert "52;c;" in printed.get()


async def test_a_failure_of_ours_shows_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed when the dashboard breaks has the places, and neither prompts nor answers nor headers."""

    def breaks() -> None:
        prompt = "planted" + "-prompt"
        raise RuntimeError(f"broken, {len(prompt)}")

    with pytest.raises(RuntimeError):
        async with running(busy()) as (app, _, pilot):
            app.call_later(breaks)
            await pilot.pause()
    printed = capsys.readouterr()
    assert "broken, 14" in printed.err + printed.out
    assert "planted-prompt" not in printed.err + printed.out
