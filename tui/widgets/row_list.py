"""A list of lines with a cursor, which most screens and dialogs use. Only lines that have changed are drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.style import Style
from textual.theme import Theme

from tui.theme import MUTED
from tui.widgets.finding import Finding
from tui.widgets.rows import By as By
from tui.widgets.rows import Line as Line
from tui.widgets.rows import Piece as Piece
from tui.widgets.rows import Row as Row
from tui.widgets.rows import found


class RowList(Finding, can_focus=True):
    """Shows rows. The cursor stays with its key when rows come and go.

    Args:
        empty: What is said while there are no rows.
        follow: Stay at the first row while the cursor is there, as a tail does, whatever comes.
    """

    DEFAULT_CSS = """
    RowList { background: $surface; color: $foreground; height: 1fr; min-height: 1; scrollbar-size: 0 1;
           overflow-x: hidden; scrollbar-gutter: stable; }
    RowList > .row-list--cursor { background: $foreground 8%; }
    RowList:focus > .row-list--cursor { background: $block-cursor-background; }
    RowList > .row-list--hover { background: $foreground 4%; }
    RowList > .row-list--header { color: $foreground 72%; background: $surface; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row-list--cursor", "row-list--hover", "row-list--header"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "a page up", show=False),
        Binding("pagedown", "page(1)", "a page down", show=False),
        Binding("home", "first", "first", show=False),
        Binding("end", "last", "last", show=False),
        Binding("enter", "select", "open", show=False),
        Binding("left", "scroll_left", "left", show=False),
        Binding("right", "scroll_right", "right", show=False),
    ]

    hovered: reactive[int | None] = reactive(None, repaint=False)

    @dataclass
    class Moved(Message):
        """The cursor rests on another row."""

        row_list: RowList
        key: str | None

        @property
        def control(self) -> RowList:
            return self.row_list

    @dataclass
    class Selected(Message):
        """Enter was pressed on a row, or it was clicked while the cursor was there."""

        row_list: RowList
        key: str

        @property
        def control(self) -> RowList:
            return self.row_list

    def __init__(self, *, empty: str = "", follow: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._empty = empty
        self._follow = follow
        self._header: Line = ()
        self._all: tuple[Row, ...] = ()
        self._rows: tuple[Row, ...] = ()  # those of them that were found
        self._cursor: int | None = None
        self._styles: dict[tuple[str, str], RichStyle] = {}

    # --- what is shown

    @property
    def key(self) -> str | None:
        """The key of the row that the cursor is on."""
        return None if self._cursor is None else self._rows[self._cursor].key

    @key.setter
    def key(self, key: str | None) -> None:
        """Put the cursor there."""
        for index, row in enumerate(self._rows):
            if row.key == key and key is not None:
                self._go(index)

    def seek(self, key: str) -> None:
        """Put the cursor on the row with this key, and scroll it into the middle."""
        self.key = key
        if self._cursor is not None and self.key == key:
            self.scroll_to_region(
                Region(self.scroll_offset.x, self._cursor, 1, 1 + self._top), animate=False, force=True, center=True
            )

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that are shown."""
        return self._rows

    def say_when_empty(self, text: str) -> None:
        """Say this while there are no rows."""
        if text != self._empty:
            self._empty = text
            self.refresh()

    def show(self, rows: Sequence[Row], header: Line = ()) -> None:
        """Show these rows; only lines that differ are drawn."""
        self._all = tuple(rows)
        before, self._rows = self._rows, tuple(found(rows, self._looked_for)) if self._looked_for else self._all
        if header != self._header:
            self._header = header
            self.refresh()
        was = None if self._cursor is None or self._cursor >= len(before) else before[self._cursor].key
        moved = self._keep_cursor(was)
        widest = max((_width(row.line) for row in (*self._rows, Row(None, header))), default=0)
        size = Size(widest, max(len(self._rows), bool(self._empty)) + (1 if header else 0) + self.finding)
        if size != self.virtual_size or len(before) != len(self._rows):
            self.virtual_size = size
            self.refresh()
        else:
            for index, (old, new) in enumerate(zip(before, self._rows, strict=True)):
                if old != new:
                    self._refresh_row(index)
        if moved:
            self.post_message(self.Moved(self, self.key))

    def _keep_cursor(self, was: str | None) -> bool:
        """Put the cursor on the row with this key, else near where it was; True when it rests on another key now."""
        old, keys = self._cursor, [row.key for row in self._rows]
        if self._follow and not self._cursor and self.scroll_offset.y == 0:
            was = None
            old = 0
        if was is not None and was in keys:
            self._cursor = keys.index(was)
        else:
            start = min(old or 0, len(keys))
            order = [*range(start, len(keys)), *range(start - 1, -1, -1)]
            self._cursor = next((index for index in order if keys[index] is not None), None)
        if old != self._cursor:
            self.refresh()
        return self.key != was

    @property
    def _top(self) -> int:
        return bool(self._header) + self.finding

    def redraw(self) -> None:
        """Draw the same data anew: for another width, or in another order."""
        self.show(self._all, self._header)

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    # --- drawing

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._forget_styles)

    def _forget_styles(self, _theme: Theme) -> None:
        self._styles.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        self._styles.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        index = y + scroll_y - self._top
        line, ground = self._line(y, index)
        width = self.size.width
        segments = [Segment(text, self._style(ground, ink)) for text, ink in line if text]
        return Strip(segments).crop_extend(scroll_x, scroll_x + width, self._style(ground, ""))

    def _line(self, y: int, index: int) -> tuple[Line, str]:
        """Return the line of a screen row, and the component class of its background."""
        if self.finding and y == 0:
            return self._finder(self._all, self._rows), "row-list--header"
        if self._header and y == self._top - 1:
            return self._header, "row-list--header"
        empty = "nothing has these words" if self._all else self._empty
        if not self._rows and y == self._top and empty:
            return ((f" {empty}", f"italic {MUTED}"),), ""
        if index >= len(self._rows):
            return (), ""
        row = self._rows[index]
        if index == self._cursor:
            return row.line, "row-list--cursor"
        return row.line, "row-list--hover" if index == self.hovered and row.key is not None else ""

    def _style(self, ground: str, ink: str) -> RichStyle:
        rich_style = self._styles.get((ground, ink))
        if rich_style is None:
            style = self.get_visual_style(ground) if ground else self.visual_style
            rich_style = self._styles[ground, ink] = (style + Style.parse(ink) if ink else style).rich_style
        return rich_style

    def _refresh_row(self, index: int) -> None:
        self.refresh_line(index + self._top)

    # --- the cursor

    def _go(self, index: int, *, scroll: bool = True) -> None:
        if index == self._cursor:
            return
        for row_index in (self._cursor, index):
            if row_index is not None:
                self._refresh_row(row_index)
        self._cursor = index
        if scroll:
            top = self._top
            region = Region(self.scroll_offset.x, index, 1, 1 + top)
            self.scroll_to_region(region, animate=False, force=True)
        self.post_message(self.Moved(self, self.key))

    def _step(self, start: int, step: int) -> int | None:
        """Return the next row with a key, from `start` on."""
        index = start
        while 0 <= index < len(self._rows):
            if self._rows[index].key is not None:
                return index
            index += step
        return None

    def action_move(self, by: int) -> None:
        start = self._step(0, 1) if self._cursor is None else self._step(self._cursor + by, by)
        if start is not None:
            self._go(start)

    def action_page(self, by: int) -> None:
        if self._cursor is not None:
            aim = min(max(self._cursor + by * max(1, self.size.height - 2), 0), len(self._rows) - 1)
            index = self._step(aim, by)
            self._go(self._step(aim, -by) or 0 if index is None else index)

    def action_first(self) -> None:
        self._go_if(self._step(0, 1))

    def action_last(self) -> None:
        self._go_if(self._step(len(self._rows) - 1, -1))

    def _go_if(self, index: int | None) -> None:
        if index is not None:
            self._go(index)

    def action_select(self) -> None:
        if self.key is not None:
            self.post_message(self.Selected(self, self.key))

    def _row_at(self, event: events.MouseEvent) -> int | None:
        place = event.get_content_offset(self)
        if place is None or place.y < self._top:
            return None
        index = place.y + self.scroll_offset.y - self._top
        return index if index < len(self._rows) else None

    def _title_at(self, event: events.MouseEvent) -> str | None:
        """Return the column's title under the mouse."""
        place = event.get_content_offset(self)
        if place is None or not self._header or place.y != self._top - 1:
            return None
        end = -self.scroll_offset.x
        for title, _ in self._header:
            end += cell_len(title)
            if place.x < end:
                return title
        return None

    def on_click(self, event: events.Click) -> None:
        title = self._title_at(event)
        if title is not None:
            self.sort_by(title)
            return
        index = self._row_at(event)
        if index is None or self._rows[index].key is None:
            return
        if index == self._cursor:
            self.action_select()
        else:
            self._go(index, scroll=False)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self.hovered = self._row_at(event)

    def on_leave(self) -> None:
        self.hovered = None

    def watch_hovered(self, before: int | None, now: int | None) -> None:
        for index in (before, now):
            if index is not None and index < len(self._rows):
                self._refresh_row(index)


def _width(line: Line) -> int:
    return sum(cell_len(text) for text, _ in line)
