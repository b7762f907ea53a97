"""What every list can do: show only the rows that have some words, and stand in another order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.scroll_view import ScrollView

from tui import format as as_text
from tui.theme import INFO, MUTED, STRONG
from tui.widgets.rows import By, Item, Line, Row, ordered

_SORT = "sort by another column"
_SORTING = Binding.Group("sort")


class Finding(ScrollView, inherit_bindings=False):
    """`/` takes words, and only rows that have them stay; `<` and `>` choose what a list is sorted by, `I` turns it
    round.

    A list that can be sorted has `orders`, takes its items `in_order`, and draws them anew in `redraw`.
    """

    orders: ClassVar[tuple[By, ...]] = ()
    findable = True  # a screen may have its own way
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "find", "find", key_display="/", tooltip="only the rows that have these words"),
        Binding("less_than_sign", "sort(-1)", "sort", key_display="<", tooltip=_SORT, group=_SORTING),
        Binding("greater_than_sign", "sort(1)", "sort", key_display=">", tooltip=_SORT, group=_SORTING),
        Binding("I", "invert", "the other way round", tooltip="sort the other way round", show=False),
        Binding("escape", "end_find", "all rows", tooltip="show all rows again", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._looked_for = ""
        self._typing = False
        self._by = -1  # the place in `orders`; -1 is the order of the file, or of time
        self._inverted = False

    def redraw(self) -> None:
        """Draw the same data anew: for another width, other words, or in another order."""

    @property
    def finding(self) -> bool:
        """Whether only some rows are shown, or words for them are being typed."""
        return self._typing or bool(self._looked_for)

    @property
    def sorted_by(self) -> By | None:
        """What the list is sorted by; None while it is in its own order."""
        return None if self._by < 0 else self.orders[self._by]

    def in_order(self, items: Iterable[Item]) -> list[Item]:
        """Return the items as they are to stand."""
        return ordered(items, self.sorted_by, inverted=self._inverted)

    def titled(self, title: str, width: int = 0, *, left: bool = True) -> str:
        """Return a column's title so many cells wide, with a mark where the list is sorted by it."""
        by = self.sorted_by
        if by is not None and by.title == title.strip():
            title = f"{title}{'▾' if by.down != self._inverted else '▴'}"
        return as_text.fit(title, width or len(title)) if left else as_text.right(title, width)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let only those keys act that make sense now."""
        if action in ("scroll_left", "scroll_right"):
            return self.allow_horizontal_scroll
        if action in ("sort", "invert"):
            return bool(self.orders)
        return self.finding if action == "end_find" else action != "find" or self.findable

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """While words are typed, letters are no commands."""
        return self._typing and character is not None and character.isprintable()

    def look_for(self, text: str, *, typing: bool = False) -> None:
        """Show only the rows that have these words; "" shows all."""
        self._looked_for, self._typing = text, typing
        self.redraw()
        self.refresh()
        self.refresh_bindings()

    def action_find(self) -> None:
        self.look_for(self._looked_for, typing=True)

    def action_end_find(self) -> None:
        self.look_for("")

    def action_sort(self, by: int) -> None:
        self._by = (self._by + 1 + by) % (len(self.orders) + 1) - 1
        self._inverted = False
        self.redraw()

    def sort_by(self, title: str) -> None:
        """Sort by the column with this title, and the other way round at the second time."""
        names, name = [by.title for by in self.orders], title.strip(" ▾▴")
        if name in names:
            place = names.index(name)
            self._inverted = place == self._by and not self._inverted
            self._by = place
            self.redraw()

    def action_invert(self) -> None:
        self._inverted = not self._inverted
        self.redraw()

    def on_key(self, event: events.Key) -> None:
        if not self._typing or event.key in ("up", "down", "pageup", "pagedown"):
            return
        if event.key == "escape":
            self.look_for("")
        elif event.key == "enter":
            self.look_for(self._looked_for)
        elif event.key == "backspace":
            self.look_for(self._looked_for[:-1], typing=True)
        elif event.is_printable and event.character:
            self.look_for(self._looked_for + event.character, typing=True)
        else:
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        if self._typing:
            event.stop()
            self.look_for(self._looked_for + " ".join(event.text.split()), typing=True)

    def on_blur(self) -> None:
        if self._typing:
            self.look_for(self._looked_for)

    def _finder(self, rows: Sequence[Row], found: Sequence[Row]) -> Line:
        """Return the line that says what is looked for, and how many rows have it."""
        shown, all_ = (sum(row.key is not None for row in each) for each in (found, rows))
        number = f"  {shown} of {all_}"
        way = "  enter keeps, escape ends it" if self._typing else "  escape shows all"
        return (" / ", INFO), (self._looked_for, STRONG), ("▏" if self._typing else "", INFO), (number + way, MUTED)
