"""The Panel screen's table: a row for each provider, its targets below it, and as many columns as fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from textual import events

from router.views.figures import Health, ProviderFigures, Snapshot, TargetFigures
from tui import format as as_text
from tui.theme import BAD, FAINT, GOOD, INFO, LAMPS, MUTED, STRONG, TEXT, WARN
from tui.widgets.row_list import Line, Piece, Row, RowList

Shown: TypeAlias = ProviderFigures | TargetFigures
MANY = 24  # rows from which providers begin closed


@dataclass(frozen=True)
class Column:
    """One column. Those of the lowest `rank` go first where there is no room. `most` is its width when there is."""

    title: str
    width: int
    rank: int
    cell: Callable[[Shown, int, float], list[Piece]]
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
        columns = _that_fit(max(40, self.scrollable_content_region.width))
        self.show(list(self._lines(snapshot, columns)), _header(columns))

    def on_resize(self, event: events.Resize) -> None:
        if self._snapshot is not None:
            self.draw(self._snapshot, self._faults)

    def _lines(self, snapshot: Snapshot, columns: list[Column]) -> Iterator[Row]:
        folded = self._folded or set()
        now = snapshot.time
        for provider in snapshot.providers:
            sign = "▸" if provider.name in folded else "▾"
            fault = self._faults.get(provider.name)
            yield Row(provider.name, _line(provider, columns, now, sign if provider.targets else " ", fault))
            if provider.name not in folded:
                for target in provider.targets:
                    yield Row(f"{provider.name}/{target.name}", _line(target, columns, now, "", None))

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


def _that_fit(width: int) -> list[Column]:
    """Return the columns for this width; what is left of it goes to those that can grow."""
    shown = list(COLUMNS)
    while sum(column.width for column in shown) > width and len(shown) > 2:
        shown.remove(min(shown, key=lambda column: column.rank))
    spare = width - sum(column.width for column in shown)
    widened = []
    for column in shown:
        more = min(spare, max(0, column.most - column.width))
        spare -= more
        widened.append(Column(column.title, column.width + more, column.rank, column.cell, column.left, column.most))
    return widened


def _header(columns: list[Column]) -> Line:
    return tuple(
        (as_text.fit(column.title, column.width) if column.left else as_text.right(column.title, column.width), "")
        for column in columns
    )


def _line(shown: Shown, columns: list[Column], now: float, sign: str, fault: str | None) -> Line:
    pieces: list[Piece] = []
    for number, column in enumerate(columns):
        cell = _name(shown, column.width, sign, fault) if number == 0 else column.cell(shown, column.width, now)
        room = column.width - sum(len(text) for text, _ in cell)
        pad = (" " * max(0, room), "")
        pieces += [*cell, pad] if column.left else [pad, *cell]
    return tuple(piece for piece in pieces if piece[0])


def _name(shown: Shown, width: int, sign: str, fault: str | None) -> list[Piece]:
    mark, style, _ = LAMPS[shown.health.state]
    if isinstance(shown, ProviderFigures):
        note = f" ✗ {fault}" if fault else ""
        room = width - 6 - len(note)
        return [(f" {sign} ", MUTED), (f"{mark} ", style), (as_text.fit(shown.name, room), STRONG), (f"{note} ", BAD)]
    lead: list[Piece] = [("     ", ""), (f"{mark} ", style)]
    room = width - 8
    name = as_text.fit(shown.name, min(room, max(len(shown.name), 8)))
    rest = room - len(name) - 1
    model = as_text.fit(shown.model, rest) if shown.model != shown.name and rest >= 10 else ""
    return [*lead, (name, TEXT), (f" {model}" if model else "", FAINT)]


def state(lamp: Health, now: float) -> str:
    """Return a lamp's state in words; "" for one that is closed by itself."""
    word = LAMPS[lamp.state][2]
    if lamp.state == "closed":
        return "closed, by hand" if lamp.by_hand else ""
    if lamp.until is not None:
        return f"{word} {as_text.span(max(0.0, lamp.until - now))}"
    return f"{word}, by hand" if lamp.by_hand and lamp.state == "open" else word


def _state(shown: Shown, width: int, now: float) -> list[Piece]:
    if isinstance(shown, ProviderFigures) and shown.health.state == "closed":
        dark = sum(target.health.state in ("open", "held", "drained") for target in shown.targets)
        if dark:  # told here too, since the targets may be folded
            return [(as_text.fit(f"{dark} of {len(shown.targets)} out", width - 1), WARN), (" ", "")]
    return [(as_text.fit(state(shown.health, now), width - 1), LAMPS[shown.health.state][1]), (" ", "")]


def _share(shown: Shown, width: int, now: float) -> list[Piece]:
    if shown.share is None:
        return [(f"{as_text.UNKNOWN:>{width}}", FAINT)]
    style = INFO if isinstance(shown, ProviderFigures) else FAINT
    return [(f" {as_text.bar(shown.share, width - 6)}", style), (f"{shown.share:>5.0%}", _ink(shown))]


def _rate(shown: Shown, width: int, now: float) -> list[Piece]:
    return [(as_text.rate(shown.figures.rate), STRONG if isinstance(shown, ProviderFigures) else TEXT)]


def _spark(shown: Shown, width: int, now: float) -> list[Piece]:
    style = GOOD if shown.health.state == "closed" else LAMPS[shown.health.state][1]
    if isinstance(shown, TargetFigures):
        style = f"{style} 60%"
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
    Column("   provider", 22, 99, lambda *_: [], left=True, most=36),
    Column("state", 12, 95, _state, left=True, most=17),
    Column("share", 12, 60, _share, most=19),
    Column("req/s", 7, 98, _rate),
    Column("  last minute", 14, 80, _spark, left=True, most=63),
    Column("in flight", 10, 40, _in_flight),
    Column("tok/s", 8, 50, _tokens),
    Column("p50", 9, 70, _p50),
    Column("p95", 9, 90, _p95),
    Column("  errors", 21, 85, _errors, left=True, most=34),
    Column("$/min", 9, 65, _cost),
    Column("limit", 12, 30, _pressure),
)
