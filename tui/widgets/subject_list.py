"""What can be plotted: everything, each provider, each route. The Plots screen shows it at the side."""

from __future__ import annotations

from collections.abc import Iterator

from router.views.figures import ProviderFigures, RouteFigures, Snapshot
from tui import format as as_text
from tui.theme import FAINT, MUTED, STRONG, TEXT, TITLE
from tui.widgets.row_list import By, Row, RowList

ALL = "all"


class SubjectList(RowList):
    """Lists subjects with their rates; the keys of its rows are `all`, `provider NAME` and `route NAME`."""

    orders = (
        By("name", lambda shown: shown.name, down=False),
        By("req/s", lambda shown: shown.figures.rate),
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._snapshot: Snapshot | None = None

    def draw(self, snapshot: Snapshot) -> None:
        """Show the subjects of this snapshot."""
        self._snapshot = snapshot
        self.redraw()

    def redraw(self) -> None:
        if self._snapshot is not None:
            room = max(8, self.scrollable_content_region.width - 7)
            header = ((self.titled(" name", room), ""), (self.titled("req/s", 7, left=False), ""))
            self.show(list(self._lines(self._snapshot, room)), header)

    def _lines(self, snapshot: Snapshot, room: int) -> Iterator[Row]:
        rate = as_text.rate(snapshot.figures.rate)
        yield Row(ALL, ((as_text.fit(" everything", room), STRONG), (as_text.right(rate, 7), MUTED)))
        yield Row(None, ((" providers", TITLE),))
        for provider in self.in_order(snapshot.providers):
            yield _row("provider", provider, room)
        yield Row(None, ((" routes", TITLE),))
        for route in self.in_order(snapshot.routes):
            yield _row("route", route, room)


def _row(kind: str, subject: ProviderFigures | RouteFigures, room: int) -> Row:
    rate = subject.figures.rate
    name = as_text.fit(f"   {subject.name}", room)
    line = ((name, TEXT), (as_text.right(as_text.rate(rate), 7), MUTED if rate else FAINT))
    return Row(f"{kind} {subject.name}", line, words=subject.name)
