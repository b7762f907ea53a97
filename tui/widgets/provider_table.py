"""The Panel screen's table: a row for each provider, its targets below it, and as many columns as fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from router.views.figures import ProviderFigures, Snapshot, TargetFigures
from tui import format as as_text
from tui.lamps import Shown, lamp_of
from tui.theme import BAD, FAINT, INFO, MUTED, STRONG, TEXT, WARN
from tui.widgets.row_list import By, Line, Piece, Row, RowList
from tui.widgets.rows import Value

MANY = 24  # rows from which providers begin closed
_NAME = 31  # cells that names and models get before figures that count less do


@dataclass(frozen=True)
class Column:
    """One column. Those of the lowest `rank` go first where there is no room. `most` is its width when there is."""

    title: str
    width: int
    rank: int
    cell: Callable[[Shown, int, float], list[Piece]]
    value: Callable[[Shown], Value] | None  # that it sorts by
    left: bool = False
    most: int = 0


class ProviderTable(RowList):
    """Lists providers and targets; the keys of its rows are `provider` and `provider/target`.

    A provider that was folded, by hand or because there are many, stays so.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(empty="this router has no provider", id=id)
        self._folded: set[str] | None = None
        self._snapshot: Snapshot | None = None
        self._faults: Mapping[str, str] = {}

    def draw(self, snapshot: Snapshot, faults: Mapping[str, str]) -> None:
        """Show this snapshot. `faults` are those that a demo has set, by provider."""
        self._snapshot, self._faults = snapshot, faults
        providers = snapshot.providers
        if self._folded is None and providers:
            many = len(providers) + len(snapshot.targets) > MANY
            self._folded = {provider.name for provider in providers} if many else set()
        columns = _that_fit(max(40, self.scrollable_content_region.width), _name_needs(snapshot))
        header = tuple((self.titled(column.title, column.width, left=column.left), "") for column in columns)
        self.show(list(self._lines(snapshot, columns)), header)

    def redraw(self) -> None:
        if self._snapshot is not None:
            self.draw(self._snapshot, self._faults)

    def _lines(self, snapshot: Snapshot, columns: list[Column]) -> Iterator[Row]:
        folded = set[str]() if self.finding else self._folded or set()
        now = snapshot.time
        for provider in self.in_order(snapshot.providers):
            sign = " " if not provider.targets else "▸" if provider.name in folded else "▾"
            line = _line(provider, columns, now, sign, self._faults.get(provider.name))
            yield Row(provider.name, line, words=f"{provider.name} {provider.kind} {lamp_of(provider, now).words}")
            if provider.name not in folded:
                for target in self.in_order(provider.targets):
                    words = f"{target.name} {target.model} {lamp_of(target, now).words}"
                    line = _line(target, columns, now, "", None)
                    yield Row(f"{provider.name}/{target.name}", line, provider.name, words)

    @property
    def chosen(self) -> Shown | None:
        """The provider or target that the cursor is on."""
        key = self.key
        for provider in () if self._snapshot is None else self._snapshot.providers:
            if provider.name == key:
                return provider
            for target in provider.targets:
                if f"{provider.name}/{target.name}" == key:
                    return target
        return None

    def toggle(self, name: str) -> None:
        """Show or hide the targets of a provider."""
        if self._folded is not None and self._snapshot is not None:
            self._folded ^= {name}
            self.draw(self._snapshot, self._faults)


def _name_needs(snapshot: Snapshot) -> int:
    """Return the cells in which each name stands whole, with its model."""
    targets = (max(6, len(t.name)) + (len(t.model) + 1 if t.model != t.name else 0) + 9 for t in snapshot.targets)
    return max([len(provider.name) + 7 for provider in snapshot.providers] + list(targets), default=0)


def _that_fit(width: int, name: int) -> list[Column]:
    """Return the columns for this width; what is left of it goes to those that can grow.

    `name` is how wide the first one would be: it has that before figures that count less, and grows to it first.
    """
    first, *others = COLUMNS
    first = replace(first, width=max(first.width, min(name, _NAME)), most=min(name, first.most))
    shown = [first, *others]
    while sum(column.width for column in shown) > width and len(shown) > 2:
        shown.remove(min(shown, key=lambda column: column.rank))
    spare = width - sum(column.width for column in shown)
    for grower in _GROWTH:
        for place, column in enumerate(shown):
            if column.title.strip() == grower:
                more = min(spare, max(0, column.most - column.width))
                spare -= more
                shown[place] = replace(column, width=column.width + more)
    return shown


def _line(shown: Shown, columns: list[Column], now: float, sign: str, fault: str | None) -> Line:
    pieces: list[Piece] = []
    for number, column in enumerate(columns):
        cell = _name(shown, column.width, now, sign, fault) if number == 0 else column.cell(shown, column.width, now)
        room = column.width - sum(len(text) for text, _ in cell)
        pad = (" " * max(0, room), "")
        pieces += [*cell, pad] if column.left else [pad, *cell]
    return tuple(piece for piece in pieces if piece[0])


def _name(shown: Shown, width: int, now: float, sign: str, fault: str | None) -> list[Piece]:
    lamp = lamp_of(shown, now)
    if isinstance(shown, ProviderFigures):
        note = f" ✗ {fault}" if fault else ""
        room = width - 6 - len(note)
        name = as_text.fit(shown.name, room)
        return [(f" {sign} ", MUTED), (f"{lamp.sign} ", lamp.style), (name, STRONG), (f"{note} ", BAD)]
    lead: list[Piece] = [("     ", ""), (f"{lamp.sign} ", lamp.style)]
    room = width - 8
    name = as_text.fit(shown.name, min(room, max(len(shown.name), 6)))
    rest = room - len(name) - 1
    model = as_text.fit(shown.model, rest) if shown.model != shown.name and rest >= 6 else ""
    return [*lead, (name, TEXT), (f" {model}" if model else "", FAINT)]


def _state(shown: Shown, width: int, now: float) -> list[Piece]:
    lamp = lamp_of(shown, now)
    return [(as_text.fit(lamp.words, width - 1), lamp.style), (" ", "")]


def _share(shown: Shown, width: int, now: float) -> list[Piece]:
    if shown.share is None:
        return [(f"{as_text.UNKNOWN:>{width}}", FAINT)]
    style = INFO if isinstance(shown, ProviderFigures) else FAINT
    return [(f" {as_text.bar(shown.share, width - 6)}", style), (f"{shown.share:>5.0%}", _ink(shown))]


def _rate(shown: Shown, width: int, now: float) -> list[Piece]:
    return [(as_text.rate(shown.figures.rate), STRONG if isinstance(shown, ProviderFigures) else TEXT)]


def _spark(shown: Shown, width: int, now: float) -> list[Piece]:
    style = lamp_of(shown, now).style
    if isinstance(shown, TargetFigures):
        style = f"{style} 70%"
    series = shown.figures.series
    return [("  ", ""), (as_text.sparkline(series, width - 3), style if any(series) else FAINT), (" ", "")]


def _in_flight(shown: Shown, width: int, now: float) -> list[Piece]:
    return [(str(shown.figures.in_flight), _ink(shown) if shown.figures.in_flight else FAINT)]


def _tokens(shown: Shown, width: int, now: float) -> list[Piece]:
    value = shown.figures.tokens_per_second
    return [(as_text.number(round(value)), _ink(shown) if value else FAINT)]


def _p50(shown: Shown, width: int, now: float) -> list[Piece]:
    return [(as_text.seconds(shown.figures.first_token.p50), _ink(shown))]


def _p95(shown: Shown, width: int, now: float) -> list[Piece]:
    return [(as_text.seconds(shown.figures.first_token.p95), _ink(shown))]


def _errors(shown: Shown, width: int, now: float) -> list[Piece]:
    share, code = shown.figures.error_rate, shown.figures.leading_code
    if share is None:
        return [(f"  {as_text.UNKNOWN:>5}", FAINT)]
    style = BAD if share > 0.05 else WARN if share else FAINT
    leading = as_text.fit(code or "", width - 9) if share else ""
    return [(f"  {as_text.percent(share):>6} ", style), (leading.rstrip(), MUTED)]


def _cost(shown: Shown, width: int, now: float) -> list[Piece]:
    return [(as_text.cost_per_minute(shown.figures), _ink(shown) if shown.figures.cost_per_minute else FAINT)]


def _pressure(shown: Shown, width: int, now: float) -> list[Piece]:
    if shown.pressure is None:
        return [(as_text.UNKNOWN, FAINT)]
    style = BAD if shown.pressure > 0.95 else WARN if shown.pressure > 0.8 else MUTED
    return [(f"{as_text.bar(shown.pressure, width - 6).rstrip():<{width - 6}}{shown.pressure:>5.0%}", style)]


def _ink(shown: Shown) -> str:
    return TEXT if isinstance(shown, ProviderFigures) else MUTED


COLUMNS = (
    Column("   provider", 22, 99, lambda *_: [], lambda shown: shown.name, left=True, most=44),
    Column("state", 12, 95, _state, lambda shown: lamp_of(shown, 0.0).badness, left=True, most=17),
    Column("share", 6, 60, _share, lambda shown: shown.share, most=19),
    Column("req/s", 7, 98, _rate, lambda shown: shown.figures.rate),
    Column("  last minute", 13, 80, _spark, None, left=True, most=63),
    Column("in flight", 10, 40, _in_flight, lambda shown: shown.figures.in_flight),
    Column("tok/s", 8, 50, _tokens, lambda shown: shown.figures.tokens_per_second),
    Column("p50", 9, 70, _p50, lambda shown: shown.figures.first_token.p50),
    Column("p95", 9, 90, _p95, lambda shown: shown.figures.first_token.p95),
    Column("  errors", 16, 85, _errors, lambda shown: shown.figures.error_rate, left=True, most=29),
    Column("$/min", 9, 65, _cost, lambda shown: shown.figures.cost_per_minute),
    Column("limit", 12, 30, _pressure, lambda shown: shown.pressure),
)
_GROWTH = ("errors", "provider", "state", "share", "last minute")  # who gets what is left of the width first
ProviderTable.orders = tuple(
    By(column.title.strip(), column.value, down=column is not COLUMNS[0])
    for column in COLUMNS
    if column.value is not None
)
