"""The recent requests, a line each, the newest on top. The Requests screen shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual import events

from router.views.requests import RequestRecord
from tui import format as as_text
from tui.theme import BAD, FAINT, GOOD, INFO, MUTED, STRONG, TEXT, WARN
from tui.widgets.row_list import Line, Piece, Row, RowList


class RequestList(RowList):
    """Lists requests; the keys of its rows are their ids. A cursor on the newest stays on the newest."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(empty="no request has ended yet", follow=True, id=id)
        self._records: tuple[RequestRecord, ...] = ()

    def draw(self, records: Sequence[RequestRecord], *, empty: str) -> None:
        """Show these records; `empty` is said where there is none."""
        self._records = tuple(records)
        self.say_when_empty(empty)
        self._show_records()

    def _show_records(self) -> None:
        width = self.scrollable_content_region.width
        several = len({record.pid for record in self._records}) > 1
        slowest = max((record.seconds for record in self._records), default=1.0)
        cells = [Row(record.id, tuple(_cells(record, width, slowest, several=several))) for record in self._records]
        self.show(cells, _header(width, several=several))

    def on_resize(self, event: events.Resize) -> None:
        self._show_records()

    @property
    def chosen(self) -> RequestRecord | None:
        """The request that the cursor is on."""
        return next((record for record in self._records if record.id == self.key), None)


def _shape(width: int) -> tuple[int, int, int]:
    """Return the cells for the route with its target, for the outcome, and for the bar of the duration."""
    spare = max(0, width - 80)
    return 24 + min(14, spare // 3), 15 + min(8, spare // 4), min(30, max(0, spare - spare // 3 - spare // 4 - 24))


def _header(width: int, *, several: bool) -> Line:
    name, outcome, bar = _shape(width)
    head = f" {'time':<9}{as_text.fit('route → target', name)}{as_text.fit('outcome', outcome)}"
    head += f"{'first token':>12}{'took':>9}  {'':<{bar}}"
    if width >= 104:
        head += f"{'tokens':>14}{'cost':>10}"
    if several and width >= 118:
        head += f"{'process':>9}"
    return ((head, ""),)


def _cells(record: RequestRecord, width: int, slowest: float, *, several: bool) -> Iterator[Piece]:
    name, outcome, bar = _shape(width)
    yield f" {as_text.clock(record.time + record.seconds)} ", MUTED
    target = f" → {record.target}" if record.target else ""
    route = as_text.fit(record.route, min(len(record.route), name - 1))
    yield route, STRONG
    yield as_text.fit(as_text.fit(target, max(0, name - len(route) - 1)), name - len(route)), TEXT
    yield from _outcome(record, outcome)
    yield f"{as_text.seconds(record.first_token):>12}", MUTED
    yield f"{as_text.seconds(record.seconds):>9}  ", TEXT
    yield as_text.bar(record.seconds / slowest, bar) if bar else "", BAD if record.code else INFO
    if width >= 104:
        tokens = f"{as_text.number(record.input_tokens)}→{as_text.number(record.output_tokens)}"
        yield f"{tokens if record.output_tokens is not None else as_text.UNKNOWN:>14}", MUTED
        yield f"{as_text.dollars(0.0 if record.cached else record.cost):>10}", MUTED
    if several and width >= 118:
        yield f"{record.pid or '':>9}", FAINT


def _outcome(record: RequestRecord, width: int) -> Iterator[Piece]:
    """Yield a sign, and the code of a failure or what was unusual."""
    if record.code is not None:
        yield "✗ ", BAD
        yield as_text.fit(as_text.fit(record.code, width - 3), width - 2), BAD
        return
    yield "✓ ", GOOD
    notes = []
    if record.cached:
        notes.append("cached")
    if record.tier:
        notes.append("fallback")
    elif record.attempts > 1 and not record.hedged:
        notes.append("retried")
    if record.hedged:
        notes.append("hedged")
    style = INFO if record.cached else WARN
    yield as_text.fit(as_text.fit(", ".join(notes), width - 3), width - 2), style
