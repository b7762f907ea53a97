"""Which router to watch: all that run, as they come and go. `signalbox dash` begins with it, `w` opens it."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from router.views.running import Running
from tui import format as as_text
from tui.session import Session
from tui.theme import MUTED, STRONG
from tui.widgets.row_list import Row, RowList

SCAN = 1.0  # seconds from one look for routers to the next


class Chooser(ModalScreen[Running | None]):
    """Lists the running routers, and returns the one to watch.

    Args:
        session: Its `find` finds the routers.
        first: Nothing is watched yet, so that the only router is taken without a question.
        named: Only routers of this name are looked for.
    """

    DEFAULT_CSS = """
    Chooser { align: center middle; background: $background 60%; }
    Chooser > Vertical { width: 90; max-width: 96%; height: auto; max-height: 80%; background: $panel;
                         border: round $accent; border-title-color: $accent; padding: 1 2; }
    Chooser RowList { height: auto; max-height: 16; background: $panel; }
    Chooser Static { margin-top: 1; color: $foreground 72%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back"),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(self, session: Session, *, first: bool = False, named: str | None = None) -> None:
        super().__init__()
        self._session = session
        self._first = first
        self._named = named
        self._routers: dict[str, Running] = {}  # by the keys of their rows

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Routers that run"
            named = "" if self._named is None else f" named {self._named}"
            yield RowList(empty=f"none{named} yet; looking…")
            yield Static(_HINT)

    def on_mount(self) -> None:
        self._scan()

    @work(exclusive=True)
    async def _scan(self) -> None:
        assert self._session.find is not None
        while True:
            routers = await self._session.find()
            if self._first and len(routers) == 1:
                self.dismiss(routers[0])
                return
            self._first = self._first and not routers
            self._routers = {f"{router.name} {router.path} {router.pids[0]}": router for router in routers}
            self.query_one(RowList).show([Row(key, _line(router)) for key, router in self._routers.items()])
            await asyncio.sleep(SCAN)

    def on_row_list_selected(self, event: RowList.Selected) -> None:
        self.dismiss(self._routers[event.key])

    def action_leave(self) -> None:
        if self._session.feed is None:
            self.app.exit()
        else:
            self.dismiss(None)


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
