"""Which router to watch: all that run, as they come and go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from router.views.running import Running
from tui import format as as_text
from tui.theme import MUTED, STRONG
from tui.widgets.rows import Row, Rows

if TYPE_CHECKING:
    from tui.app import Dashboard

SCAN = 1.0  # seconds


class Chooser(ModalScreen[None]):
    """Lists the running routers. The only one is watched without a question.

    Args:
        first: nothing is watched yet.
    """

    DEFAULT_CSS = """
    Chooser { align: center middle; background: $background 60%; }
    Chooser > Vertical { width: 90; max-width: 96%; height: auto; max-height: 80%; background: $panel;
                         border: round $accent; border-title-color: $accent; padding: 1 2; }
    Chooser Rows { height: auto; max-height: 16; background: $panel; }
    Chooser Static { margin-top: 1; color: $foreground 65%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back"),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(self, *, first: bool = False) -> None:
        super().__init__()
        self._first = first
        self._found: dict[str, Running] = {}

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Routers that run"
            yield Rows(empty="none yet; looking…")
            yield Static(_HINT)

    def on_mount(self) -> None:
        self._scan()

    @work(exclusive=True)
    async def _scan(self) -> None:
        app = cast("Dashboard", self.app)
        assert app.find is not None
        while True:
            found = await app.find()
            if self._first and len(found) == 1:
                self._take(found[0])
                return
            self._first = self._first and not found
            self._found = {f"{each.name} {each.path} {each.pids[0]}": each for each in found}
            self.query_one(Rows).show([Row(key, _line(each)) for key, each in self._found.items()])
            await asyncio.sleep(SCAN)

    def on_rows_selected(self, event: Rows.Selected) -> None:
        self._take(self._found[event.key])

    def _take(self, running: Running) -> None:
        cast("Dashboard", self.app).watch_router(running)
        self.dismiss()

    def action_leave(self) -> None:
        if cast("Dashboard", self.app).feed is None:
            self.app.exit()
        else:
            self.dismiss()


def _line(running: Running) -> tuple[tuple[str, str], ...]:
    number = len(running.pids)
    processes = f"{number} process{'' if number == 1 else 'es'}"
    return (
        (as_text.fit(running.name, 22), STRONG),
        (as_text.fit(as_text.home(running.path or "made from text"), 38), MUTED),
        (f"{processes:>13}  {running.revision[:7]}", MUTED),
    )


_HINT = Content.from_markup(
    "A router appears here when an app of yours uses one.\n"
    "[bold]signalbox dash routes.yaml[/] starts one on a file, [bold]signalbox demo[/] one on simulated vendors."
)
