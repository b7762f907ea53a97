"""The recent requests, a line each, the newest on top. The Requests screen shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from router.views.requests import RequestRecord
from tui import format as as_text
from tui.theme import BAD, FAINT, GOOD, INFO, MUTED, STRONG, TEXT, WARN
from tui.widgets.row_list import By, Piece, Row, RowList

_WITH_COST, _WITH_PROCESS = 104, 118  # cells from which on there is room for more columns


class RequestList(RowList):
    """Lists requests; the keys of its rows are their ids. A cursor on the newest stays on the newest."""

    findable = False  # the screen's filter finds among all that are remembered, not only among those here
    orders = (
        By("time", lambda record: record.time + record.seconds),
        By("route", lambda record: f"{record.route} {record.target or ''}", down=False),
        By("outcome", lambda record: record.code or ""),
        By("first token", lambda record: record.first_token),
        By("took", lambda record: record.seconds),
        By("tokens", lambda record: record.output_tokens),
        By("cost", lambda record: record.cost),
    )

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(empty="no request has ended yet", follow=True, id=id)
        self._records: tuple[RequestRecord, ...] = ()

    def draw(self, records: Sequence[RequestRecord], *, empty: str) -> None:
        """Show these records; `empty` is said where there is none."""
        self._records = tuple(records)
        self.say_when_empty(empty)
        self.redraw()

    def redraw(self) -> None:
        width = self.scrollable_content_region.width
        several = len({record.pid for record in self._records}) > 1
        slowest = max((record.seconds for record in self._records), default=1.0)
        records = self.in_order(self._records)
        rows = [Row(record.id, tuple(_cells(record, width, slowest, several=several))) for record in records]
        self.show(rows, tuple(self._titles(width, several=several)))

    def _titles(self, width: int, *, several: bool) -> Iterator[Piece]:
        name, outcome, bar = _shape(width, several=several)
        yield self.titled(" time", 10), ""
        yield self.titled("route", name), ""
        yield self.titled("outcome", outcome), ""
        yield self.titled("first token", 12, left=False), ""
        yield self.titled("took", 9, left=False), ""
        yield " " * (bar + 2), ""
        if width >= _WITH_COST:
            yield self.titled("tokens", 14, left=False), ""
            yield self.titled("cost", 10, left=False), ""
        if several and width >= _WITH_PROCESS:
            yield f"{'process':>9}", ""

    @property
    def chosen(self) -> RequestRecord | None:
        """The request that the cursor is on."""
        return next((record for record in self._records if record.id == self.key), None)


def _shape(width: int, *, several: bool) -> tuple[int, int, int]:
    """Return the cells for the route with its target, for the outcome, and for the bar of the duration."""
    fixed = 33 + (25 if width >= _WITH_COST else 0) + (9 if several and width >= _WITH_PROCESS else 0)
    spare = width - fixed - 24 - 15
    outcome = min(8, max(0, spare))
    name = min(14, spare - outcome)  # less than nothing where it is very narrow
    bar = spare - outcome - name
    return max(10, 24 + name), 15 + outcome, min(30, bar) if bar >= 6 else 0


def _cells(record: RequestRecord, width: int, slowest: float, *, several: bool) -> Iterator[Piece]:
    name, outcome, bar = _shape(width, several=several)
    yield f" {as_text.clock(record.time + record.seconds)} ", MUTED
    target = f" → {record.target}" if record.target else ""
    route = as_text.fit(record.route, min(len(record.route), name - 1))
    yield route, STRONG
    yield as_text.fit(as_text.fit(target, max(0, name - len(route) - 1)), name - len(route)), TEXT
    yield from _outcome(record, outcome)
    yield f"{as_text.seconds(record.first_token):>12}", MUTED
    yield f"{as_text.seconds(record.seconds):>9}  ", TEXT
    yield as_text.bar(record.seconds / slowest, bar) if bar else "", BAD if record.code else INFO
    if width >= _WITH_COST:
        tokens = f"{as_text.number(record.input_tokens)}→{as_text.number(record.output_tokens)}"
        yield f"{tokens if record.output_tokens is not None else as_text.UNKNOWN:>14}", MUTED
        yield f"{as_text.dollars(0.0 if record.cached else record.cost):>10}", MUTED
    if several and width >= _WITH_PROCESS:
        yield f"{record.pid or '':>9}", FAINT


def _outcome(record: RequestRecord, width: int) -> Iterator[Piece]:
    """Yield a sign, and the code of a failure or what was unusual."""
    if record.code is not None:
        yield "✗ ", BAD
        code = f"copy, {record.code}" if record.shadow else record.code
        yield as_text.fit(as_text.fit(code, width - 3), width - 2), BAD
        return
    yield "✓ ", GOOD
    notes = ["copy"] if record.shadow else []
    if record.cached:
        notes.append("cached")
    if record.tier:
        notes.append("fallback")
    elif record.attempts > 1 and not record.hedged:
        notes.append("retried")
    if record.hedged:
        notes.append("hedged")
    style = INFO if record.cached or record.shadow else WARN
    yield as_text.fit(as_text.fit(", ".join(notes), width - 3), width - 2), style
