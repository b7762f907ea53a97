"""The file: as it is, what is wrong with it, how it differs from what runs, and the log of revisions."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import ClassVar, Literal

from textual import events
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from router.telemetry.snapshot import Snapshot
from router.telemetry.views import ConfigView, Revision
from tui import format as as_text
from tui.theme import BAD, GOOD, STRONG
from tui.view import GONE, View
from tui.widgets.rows import Rows
from tui.widgets.source import difference_rows, file_rows, log_rows, revision_rows

Part = Literal["file", "difference", "log"]


class ConfigScreen(View):
    """One part at a time."""

    CSS_PATH = "config.tcss"
    name_of_mode: ClassVar[str] = "config"
    AUTO_FOCUS = "#source"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "part('file')", "file", tooltip="the file as it is saved"),
        Binding("d", "part('difference')", "difference", tooltip="what differs from the revision that runs"),
        Binding("l", "part('log')", "log", tooltip="the revisions that took over, and those that were rejected"),
        Binding("n", "finding(1)", "next finding", tooltip="the next error or warning"),
        Binding("N", "finding(-1)", "previous finding", show=False),
        Binding("e", "edit", "edit", tooltip="open the file in $VISUAL or $EDITOR"),
        Binding("y", "copy_path", "copy path", tooltip="copy the path of the file", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._view: ConfigView | None = None
        self._part: Part = "file"

    def body(self) -> ComposeResult:
        yield Static(id="verdict")
        source = Rows(empty="loading…", id="source")
        source.add_class("box")
        yield source

    def show(self, snapshot: Snapshot) -> None:
        self.set_class(not snapshot.connected, "-gone")
        if self._view is None and not snapshot.connected:
            self.query_one("#source", Rows).say_when_empty(GONE)

    async def look(self) -> None:
        if self.dashboard.feed is None:
            return
        view = await self.dashboard.feed.config()
        if view != self._view:
            self._view = view
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self._draw()

    def _draw(self) -> None:
        view = self._view
        if view is None:
            return
        source = self.query_one("#source", Rows)
        width = source.scrollable_content_region.width
        rows = {
            "file": lambda: file_rows(view, width),
            "difference": lambda: difference_rows(view.difference),
            "log": lambda: log_rows(view.log, view.revision, width),
        }[self._part]()
        source.say_when_empty("there is no difference: what is saved runs" if self._part == "difference" else "")
        source.show(rows)
        titles = {"file": view.path or "made from text", "difference": "running → saved", "log": "revisions"}
        source.border_title = as_text.home(titles[self._part])
        source.border_subtitle = {"log": "enter shows one"}.get(self._part, "")
        self.query_one("#verdict", Static).update(_verdict(view))

    # --- keys

    def action_part(self, part: Part) -> None:
        self._part = part
        self._draw()
        self.query_one("#source", Rows).action_first()

    def action_finding(self, by: int) -> None:
        """Go round the findings, from where the cursor is."""
        if self._part != "file":
            self.action_part("file")
        source = self.query_one("#source", Rows)
        keys = [row.key for row in source.rows]
        places = [index for index, key in enumerate(keys) if key is not None and key.startswith("finding")]
        if not places:
            self.dashboard.tell("nothing is wrong with the file")
            return
        here = keys.index(source.key) if source.key in keys else 0
        beyond = [place for place in places if (place - here) * by > 0]
        source.key = keys[(beyond or places)[0 if by > 0 else -1]]

    def on_rows_selected(self, event: Rows.Selected) -> None:
        kind, _, number = event.key.partition(" ")
        if kind == "revision" and self._view is not None:
            self.app.push_screen(RevisionDialog(self._view.log[int(number)]))

    def action_copy_path(self) -> None:
        if self._view is not None and self._view.path:
            self.app.copy_to_clipboard(self._view.path)
            self.dashboard.tell(f"in the clipboard: {self._view.path}")

    def action_edit(self) -> None:
        """In the person's editor; the router notices when it is saved."""
        path = self._view.path if self._view is not None else None
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if path is None:
            self.dashboard.tell("this router was made from text; there is no file to edit", level="warning")
        elif not Path(path).exists():
            self.dashboard.tell(f"{path} is not on this machine, or was removed", level="warning")
        elif not editor:
            self.dashboard.tell("set VISUAL or EDITOR to your editor, such as EDITOR=nano", level="warning")
        else:
            self._edit([*shlex.split(editor), path])

    def _edit(self, command: list[str]) -> None:
        try:
            with self.app.suspend():
                subprocess.run(command, check=False)
        except (SuspendNotSupported, OSError) as error:
            why = "this terminal can't be lent to it" if isinstance(error, SuspendNotSupported) else str(error)
            self.dashboard.tell(f"{command[0]} can't be started: {why}", level="error")


class RevisionDialog(ModalScreen[None]):
    """What one revision changed, or why it was rejected."""

    DEFAULT_CSS = """
    RevisionDialog { align: center middle; background: $background 60%; }
    RevisionDialog > Vertical { width: 92%; max-width: 130; height: auto; max-height: 90%; background: $panel;
                                border: round $accent; border-title-color: $accent; padding: 1 1; }
    RevisionDialog Rows { height: auto; max-height: 40; background: $panel; overflow-x: auto; scrollbar-size: 1 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss", "close")]

    def __init__(self, revision: Revision) -> None:
        super().__init__()
        self._revision = revision

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            word = "revision" if self._revision.accepted else "rejected, while it ran:"
            box.border_title = f"{word} {self._revision.revision[:7]} · {as_text.clock(self._revision.time)}"
            box.border_subtitle = "escape closes"
            yield Rows()

    def on_mount(self) -> None:
        width = min(130, self.app.size.width * 92 // 100) - 6
        self.query_one(Rows).show(revision_rows(self._revision, width))


def _verdict(view: ConfigView) -> Content:
    """One plain sentence: what runs, and whether it is what is saved."""
    running = view.revision[:7]
    if view.diagnostics or view.problem:
        errors = sum(each.severity == "error" for each in view.diagnostics)
        why = view.problem or f"{errors} error{'' if errors == 1 else 's'}"
        return Content.assemble(
            ("✗ The file as saved was rejected: ", f"bold {BAD}"),
            (f"{why}. ", BAD),
            (f"Revision {running}, the last good one, runs.", STRONG),
        )
    how = "as saved" if view.path else "made from text, not from a file"
    return Content.assemble(("✓ ", GOOD), (f"Revision {running} runs, {how}.", STRONG))
