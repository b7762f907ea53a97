"""Whom to ask: routes and targets, up to four side by side. The Try screen opens it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from router.views.figures import Snapshot
from tui import format as as_text
from tui.theme import FAINT, GOOD, LAMPS, STRONG, TEXT, TITLE
from tui.widgets.row_list import Line, Row, RowList

MOST = 4  # side by side


class Pick(ModalScreen[tuple[str, ...] | None]):
    """Lists all routes and targets, and returns the names of those to ask; None when people leave it.

    Space marks and unmarks; enter takes those that are marked, or the one at the cursor where none is.

    Args:
        snapshot: Has the routes and targets.
        chosen: Those that are marked at first.
    """

    DEFAULT_CSS = """
    Pick { align: center middle; background: $background 60%; }
    Pick > Vertical { width: 64; max-width: 94%; height: auto; max-height: 80%; background: $panel;
                      border: round $accent; border-title-color: $accent; padding: 1 1; }
    Pick RowList { height: auto; max-height: 24; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark"),
        Binding("enter", "take", "take", priority=True),
        Binding("escape", "leave", "leave"),
    ]

    def __init__(self, snapshot: Snapshot, chosen: Sequence[str]) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._chosen = list(chosen)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = f"ask whom? up to {MOST}, side by side"
            box.border_subtitle = "space marks · enter takes · escape leaves"
            yield RowList()

    def on_mount(self) -> None:
        self._draw()

    def _draw(self) -> None:
        snapshot = self._snapshot
        rows = [Row(None, ((" routes", TITLE),))]
        rows += [Row(f"route {route.name}", self._line(route.name, "●", GOOD, "")) for route in snapshot.routes]
        rows.append(Row(None, ((" targets", TITLE),)))
        for target in snapshot.targets:
            sign, style, _ = LAMPS[target.health.state]
            model = f"{target.provider}/{target.model}"
            rows.append(Row(f"target {target.name}", self._line(target.name, sign, style, model)))
        self.query_one(RowList).show(rows)

    def _line(self, name: str, sign: str, style: str, more: str) -> Line:
        marked = name in self._chosen
        return (
            (" [x] " if marked else " [ ] ", STRONG if marked else FAINT),
            (f"{sign} ", style),
            (as_text.fit(name, 20), STRONG if marked else TEXT),
            (as_text.fit("" if more == name else more, 32), FAINT),
        )

    @property
    def _here(self) -> str | None:
        key = self.query_one(RowList).key
        return None if key is None else key.partition(" ")[2]

    def action_mark(self) -> None:
        name = self._here
        if name is None:
            return
        if name in self._chosen:
            self._chosen.remove(name)
        elif len(self._chosen) < MOST:
            self._chosen.append(name)
        else:
            self.notify(f"at most {MOST} fit side by side; unmark one first", markup=False)
        self._draw()

    def on_row_list_selected(self, event: RowList.Selected) -> None:
        self.action_mark()  # a second click

    def action_take(self) -> None:
        here = self._here
        self.dismiss(tuple(self._chosen) or (None if here is None else (here,)))

    def action_leave(self) -> None:
        self.dismiss(None)
