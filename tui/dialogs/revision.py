"""One revision of the file, with its difference. The Config screen opens it from its log."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from router.views.file import Revision
from tui import format as as_text
from tui.widgets.config_rows import revision_rows
from tui.widgets.row_list import RowList


class RevisionDialog(ModalScreen[None]):
    """Shows what one revision changed, or why it was rejected."""

    DEFAULT_CSS = """
    RevisionDialog { align: center middle; background: $background 60%; }
    RevisionDialog > Vertical { width: 92%; max-width: 130; height: auto; max-height: 90%; background: $panel;
                                border: round $accent; border-title-color: $accent; padding: 1 1; }
    RevisionDialog RowList { height: auto; max-height: 40; background: $panel; overflow-x: auto; scrollbar-size: 1 1; }
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
            yield RowList()

    def on_mount(self) -> None:
        width = min(130, self.app.size.width * 92 // 100) - 6
        self.query_one(RowList).show(revision_rows(self._revision, width))
