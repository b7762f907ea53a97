"""What happened, as sentences, the newest on top. The Panel screen shows it."""

from __future__ import annotations

from collections.abc import Iterable

from router.views.events import Event
from tui import format as as_text
from tui.theme import LEVELS, MUTED, TEXT
from tui.widgets.row_list import Row, RowList

_SIGNS = {"good": "✓", "info": "·", "warning": "!", "error": "✗"}


class EventList(RowList):
    """Lists events, a line each; the screen shows one that is cut here as a whole."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(empty="nothing has happened yet", follow=True, id=id)
        self._events: tuple[Event, ...] = ()

    def draw(self, events: Iterable[Event]) -> None:
        """Show these events, given the oldest first."""
        self._events = tuple(events)
        room = max(20, self.scrollable_content_region.width - 13)
        newest = len(self._events) - 1
        self.show([_row(newest - index, event, room) for index, event in enumerate(reversed(self._events))])

    def redraw(self) -> None:
        self.draw(self._events)

    def sentence(self, key: str) -> str:
        """Return the whole sentence of a row."""
        return self._events[int(key)].sentence


def _row(number: int, event: Event, room: int) -> Row:
    style = LEVELS[event.level]
    return Row(
        str(number),
        (
            (f" {as_text.clock(event.time)} ", MUTED),
            (f"{_SIGNS[event.level]} ", style),
            (as_text.fit(event.sentence, room).rstrip(), style if event.level in ("error", "warning") else TEXT),
        ),
        words=event.sentence,
    )
