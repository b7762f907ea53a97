"""The Config screen: the file, what is wrong with it, how it differs from what runs, and the log of revisions."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import ClassVar, Literal

from textual import events
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static

from router.views.figures import Snapshot
from router.views.file import ConfigView
from tui import format as as_text
from tui.dialogs.revision import RevisionDialog
from tui.session import Session
from tui.theme import BAD, FAINT, GOOD, MUTED, STRONG, TEXT, WARN
from tui.view import DashboardScreen, why_gone
from tui.widgets.config_rows import difference_rows, file_rows, log_rows, marked
from tui.widgets.diagnostic_list import DiagnosticList
from tui.widgets.row_list import RowList

Part = Literal["file", "difference", "findings", "log"]
_PARTS: tuple[Part, ...] = ("file", "difference", "findings", "log")
_MARGIN = {"file": 8, "difference": 4}  # characters before the text of a line, where it is searched
_PART = "the next one of: the file as saved, its difference from what runs, what is wrong with it, the log of revisions"
_TURN = Binding.Group("parts")


class ConfigScreen(DashboardScreen):
    """Shows one part at a time: the file or the difference, which are searched, or a list: the findings or the log."""

    CSS_PATH = "config.tcss"
    name_of_mode: ClassVar[str] = "config"
    AUTO_FOCUS = "#source"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "part(-1)", "part", key_display="[", tooltip=_PART, group=_TURN),
        Binding("right_square_bracket", "part(1)", "part", key_display="]", tooltip=_PART, group=_TURN),
        Binding("slash", "search", "search", key_display="/", tooltip="find a text in what is shown"),
        Binding("n", "next(1)", "next", tooltip="the next error or warning, or the next place that was searched for"),
        Binding("N", "next(-1)", "previous", show=False),
        Binding("escape", "end_search", "end the search"),
        Binding("e", "edit", "edit", tooltip="open the file in $VISUAL or $EDITOR"),
        Binding("y", "copy_path", "copy path", tooltip="copy the path of the file", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._view: ConfigView | None = None
        self._part: Part = "file"
        self._search = ""
        self._hits: list[str] = []  # keys of the rows that have it
        self._placed: str | None = None  # where the cursor was put for the person

    def body(self) -> ComposeResult:
        yield Static(id="verdict")
        source = RowList(empty="loading…", id="source")
        source.add_class("box")
        yield source
        findings = DiagnosticList(id="findings")
        findings.add_class("box")
        findings.border_title = "what is wrong"
        yield findings
        search = Input(placeholder="a text; enter goes on reading, escape ends it", id="search", select_on_focus=False)
        search.border_title = "search"
        search.add_class("box")
        yield search

    def render_snapshot(self, snapshot: Snapshot) -> None:
        self.set_class(not snapshot.connected, "-gone")
        if self._view is None and not snapshot.connected:
            self.query_one("#source", RowList).say_when_empty(why_gone(snapshot))

    async def refresh_data(self) -> None:
        if self.session.feed is None:
            return
        before, view = self._view, await self.session.feed.config()
        if view == before:
            return
        self._view = view
        self._draw()
        if before is None or view.diagnostics != before.diagnostics:
            self._show_first_finding()

    def _show_first_finding(self) -> None:
        """Put the cursor on the first finding, unless the person reads elsewhere."""
        source, findings = self.query_one("#source", RowList), self._findings()
        if findings and source.key in (None, "line 1", self._placed):
            self._placed = findings[0]
            source.seek(findings[0])

    def _findings(self) -> list[str]:
        """Return the keys of the findings' rows."""
        keys = (row.key for row in self.query_one("#source", RowList).rows)
        return [key for key in keys if key is not None and key.startswith("finding")]

    def on_resize(self, event: events.Resize) -> None:
        """Draw for the new width; the common part runs too, as Textual calls every class's."""
        self._draw()

    def _draw(self) -> None:
        view = self._view
        if view is None:
            return
        self._list.border_subtitle = self._choice()
        self.query_one("#verdict", Static).update(_verdict(view))
        self.query_one(DiagnosticList).draw(view.diagnostics, {name for name, _ in view.files[1:]})
        if self._part != "findings":
            self._draw_source(view, self._part)

    def _choice(self) -> Content:
        """Say which parts there are, and which one is shown."""
        parts = [(f" {part} ", f"bold {TEXT}" if part == self._part else MUTED) for part in _PARTS]
        return Content.assemble(("[", FAINT), *parts, ("]", FAINT))

    @property
    def _list(self) -> RowList:
        """What shows the part."""
        return self.query_one("#findings" if self._part == "findings" else "#source", RowList)

    def _draw_source(self, view: ConfigView, part: Part) -> None:
        source = self.query_one("#source", RowList)
        source.findable = part == "log"  # the others are searched, line by line
        width = source.scrollable_content_region.width
        rows = {
            "file": lambda: file_rows(view, width),
            "difference": lambda: difference_rows(view.difference),
            "log": lambda: log_rows(view, width),
        }[part]()
        rows, self._hits = marked(rows, self._search, margin=_MARGIN.get(part, 0))
        self._show_hits()
        source.say_when_empty("there is no difference: what is saved runs" if part == "difference" else "")
        source.show(rows)
        titles = {"file": view.path or "made from text", "difference": "running → saved", "log": "revisions"}
        source.border_title = Content(as_text.home(titles[part]))

    # --- keys

    def action_part(self, by: int) -> None:
        self._open(_PARTS[(_PARTS.index(self._part) + by) % len(_PARTS)])

    def _open(self, part: Part) -> None:
        self._list.look_for("")
        self._part = part
        if part not in _MARGIN:
            self.action_end_search()
        self.set_class(part == "findings", "-findings")
        self._draw()
        self._list.focus()
        self._list.action_first()

    def action_next(self, by: int) -> None:
        """Go round the places that were searched for, else the findings, from where the cursor is."""
        if self._search:
            self._go_round(self._hits, by)
            return
        if self._part != "file":
            self._open("file")
        if findings := self._findings():
            self._go_round(findings, by)
        else:
            self.tell("nothing is wrong with the file")

    def _go_round(self, places: list[str], by: int) -> None:
        source = self.query_one("#source", RowList)
        order = {row.key: index for index, row in enumerate(source.rows)}
        here = order.get(source.key, 0)
        beyond = [key for key in places if (order[key] - here) * by > 0]
        if places:
            source.seek((beyond or places)[0 if by > 0 else -1])

    # --- searching

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let only those keys act that make sense now."""
        if action == "end_search":
            return self.has_class("-searching")
        return action != "search" or (self._part in _MARGIN and not isinstance(self.focused, Input))

    def action_search(self) -> None:
        self.add_class("-searching")
        self.query_one("#search", Input).focus()

    def action_end_search(self) -> None:
        self.remove_class("-searching")
        self.query_one("#search", Input).value = ""
        self._list.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Go to the first place from the cursor on, at each letter."""
        source = self.query_one("#source", RowList)
        self._search = event.value
        self._draw()
        if self._hits and source.key not in self._hits:
            self._go_round(self._hits, 1)

    def on_input_submitted(self) -> None:
        if self._search:
            self.query_one("#source", RowList).focus()
        else:
            self.action_end_search()

    def _show_hits(self) -> None:
        search, number = self.query_one("#search", Input), len(self._hits)
        sentence = "nothing has it" if not number else "1 line has it" if number == 1 else f"{number} lines have it"
        search.border_subtitle = sentence if self._search else ""

    def on_row_list_selected(self, event: RowList.Selected) -> None:
        kind, _, number = event.key.partition(" ")
        if kind == "revision" and self._view is not None:
            self.app.push_screen(RevisionDialog(self._view.log[int(number)]))
        elif kind == "finding" and self._part == "findings":
            self._open("file")
            self.query_one("#source", RowList).seek(event.key)

    def action_copy_path(self) -> None:
        if self._view is not None and self._view.path:
            self.app.copy_to_clipboard(self._view.path)
            self.tell(f"in the clipboard: {self._view.path}")
        else:
            self.tell("this router was made from text; no file has a path", level="warning")

    def action_edit(self) -> None:
        """Open the file in the person's editor; the router notices when it is saved."""
        path = self._view.path if self._view is not None else None
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if path is None:
            self.tell("this router was made from text; there is no file to edit", level="warning")
        elif not Path(path).exists():
            self.tell(f"{path} is not on this machine, or was removed", level="warning")
        elif not editor:
            self.tell("set VISUAL or EDITOR to your editor, such as EDITOR=nano", level="warning")
        else:
            self._edit([*shlex.split(editor), path])

    def _edit(self, command: list[str]) -> None:
        try:
            with self.app.suspend():
                subprocess.run(command, check=False)
        except (SuspendNotSupported, OSError) as error:
            why = "this terminal can't be lent to it" if isinstance(error, SuspendNotSupported) else str(error)
            self.tell(f"{command[0]} can't be started: {why}", level="error")


def _verdict(view: ConfigView) -> Content:
    """Say in one plain sentence what runs, and whether it is what is saved."""
    running = view.revision[:7]
    errors = sum(finding.severity == "error" for finding in view.diagnostics)
    warnings = len(view.diagnostics) - errors
    if errors or view.problem:
        why = view.problem or f"{errors} error{'' if errors == 1 else 's'}"
        return Content.assemble(
            ("✗ Saved file rejected: ", f"bold {BAD}"),
            (f"{why}. ", BAD),
            (f"Revision {running}, the last good one, runs.", STRONG),
        )
    how = "as saved" if view.path else "made from text, not from a file"
    what = Content.assemble(("✓ ", GOOD), (f"Revision {running} runs, {how}.", STRONG))
    told = f" {warnings} warning{'' if warnings == 1 else 's'}: see findings."
    return what if not warnings else Content.assemble(what, (told, WARN))
