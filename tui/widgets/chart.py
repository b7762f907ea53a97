"""A chart of braille dots: two by four a cell, on scales that do not jump. The Plots screen has four of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual import events
from textual.content import Content
from textual.strip import Strip
from textual.style import Style
from textual.theme import Theme
from textual.widget import Widget

from router.views.figures import KEPT
from tui import format as as_text
from tui.theme import FAINT, MUTED, TITLE

Values: TypeAlias = Sequence[float | None]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of U+2800, from the top, left and right
_LEFT = 10  # cells for the scale at the side
_LATELY = 9  # seconds back to a value that the legend still tells
_TIMES = (60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 21_600)  # seconds between two times of day
_APART = 8  # cells between them, at least
_PATIENCE = 20  # drawings that a scale stays too large
_STEPS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # so that most of the height is used


@dataclass(frozen=True)
class Series:
    """One line of a chart, whose values are as long apart as each other; None is a gap.

    `filled` paints what is below, `hatched` paints it thinly under a line: told apart without colours.
    """

    name: str
    values: Values
    ink: str
    filled: bool = False
    hatched: bool = False


@dataclass(frozen=True)
class Mark:
    """Something that happened, at a time in seconds since 1970: a sign on the axis, and its sentence."""

    time: float
    sign: str
    sentence: str
    ink: str


def nice_top(value: float) -> float:
    """Return the round number at or above a value: a step times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _STEPS if step * power >= value * 0.999999)


def columns(values: Values, width: int) -> list[float | None]:
    """Spread values over `width` columns: return the mean of each column's values, None where there are none."""
    means: list[float | None] = []
    for number in range(width):
        first = number * len(values) // width
        last = max(first + 1, (number + 1) * len(values) // width)
        known = [value for value in values[first:last] if value is not None]
        means.append(sum(known) / len(known) if known else None)
    return means


def dots(series: Series, width: int, height: int, top: float) -> list[list[int]]:
    """Return the dots of every cell, as offsets from U+2800: `height` rows of `width` cells."""
    cells = [[0] * width for _ in range(height)]
    before: int | None = None
    for x, value in enumerate(columns(series.values, width * 2)):
        if value is None:
            before = None
            continue
        y = row_of(value, height, top)
        if series.filled:
            start = height * 4 - 1
        else:  # join it to the column before, so that a steep line has no holes
            start = y if before is None else before + (1 if before < y else -1 if before > y else 0)
        before = y
        if series.filled and value <= 0:
            continue
        lit = {*range(min(start, y), max(start, y) + 1)}
        if series.hatched:
            lit.update(dot for dot in range(y, height * 4) if (x + dot) % 4 == 0)
        for dot in lit:
            cells[dot // 4][x // 2] |= _DOTS[dot % 4][x % 2]
    return cells


def row_of(value: float, height: int, top: float) -> int:
    """Return the row of dots that a value stands in, from 0 at the top."""
    return height * 4 - 1 - round(min(1.0, max(0.0, value / top)) * (height * 4 - 1))


class Chart(Widget):
    """Shows some series over the last minutes.

    Args:
        title: Stands in the border, as does the legend.
        unit: Makes words of a value.
        least: The smallest top of the scale.
    """

    DEFAULT_CSS = "Chart { background: $surface; height: 1fr; width: 1fr; padding: 0 1; }"

    def __init__(self, title: str, unit: Callable[[float | None], str], *, least: float, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = title
        self.add_class("box")
        self._unit = unit
        self._least = least
        self._series: tuple[Series, ...] = ()
        self._marks: tuple[Mark, ...] = ()
        self._ago: int | None = None  # seconds before the end, where a person reads
        self._end = 0.0
        self._seconds = 0
        self._top = least
        self._too_large = 0
        self._cells: list[list[list[int]]] = []
        self._plotted: object = None  # what the cells were made of
        self._styles: dict[str, RichStyle] = {}

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._forget_styles)

    def _forget_styles(self, _theme: Theme) -> None:
        self._styles.clear()
        self.refresh()

    def draw(self, series: Sequence[Series], end: float, marks: Sequence[Mark] = (), *, seconds: int = KEPT) -> None:
        """Show these series and marks, which are of so many seconds before `end` (since 1970)."""
        if (shown := tuple(series)) == self._series and end == self._end and tuple(marks) == self._marks:
            return
        self._series, self._end, self._marks, self._seconds = shown, end, tuple(marks), seconds
        self._scale()
        self._say()
        self.refresh()

    def point_at(self, ago: int | None) -> None:
        """Put the cursor so many seconds before the newest value, and tell the values there; None takes it away."""
        self._ago = ago
        self._say()
        self.refresh()

    @property
    def columns(self) -> int:
        """How many places the cursor has."""
        return self._width

    @property
    def top(self) -> float:
        """The value at the upper edge."""
        return self._top

    def rescale(self) -> None:
        """Forget the scale, since something else is shown from now on."""
        self._top, self._too_large = self._least, 0
        self._end = -1.0

    def _scale(self) -> None:
        """Let the scale grow at once, and shrink only when it was too large for a while."""
        width = max(1, self._width * 2)
        values = (value for series in self._series for value in columns(series.values, width) if value is not None)
        needed = max(self._least, nice_top(max(values, default=0.0)))
        self._too_large = self._too_large + 1 if needed < self._top else 0
        if needed > self._top or self._too_large > _PATIENCE:
            self._top, self._too_large = needed, 0

    @property
    def _width(self) -> int:
        return max(1, self.content_size.width - _LEFT)

    @property
    def _height(self) -> int:
        return max(1, self.content_size.height - 1)

    def _plot(self) -> None:
        """Make the cells, unless they are those of the same series at the same size."""
        made_of = (self._series, self._width, self._height, self._top)
        if made_of != self._plotted:
            self._cells = [dots(series, self._width, self._height, self._top) for series in self._series]
            self._plotted = made_of

    def _column_of(self, moment: float) -> int | None:
        """Return the column of a time; None where it is not shown."""
        seconds = self._seconds
        share = 1 - (self._end - moment) / seconds if seconds else -1.0
        return min(self._width - 1, int(share * self._width)) if 0 <= share <= 1 else None

    def _say(self) -> None:
        column = None if self._ago is None else self._column_of(self._end - self._ago - 0.5)
        if column is None:
            self._say_newest()
        else:
            self._say_at(column)

    def _say_newest(self) -> None:
        labels = [f"{series.name} {self._unit(_newest(series.values, self._seconds))}" for series in self._series]
        if len(labels) > 1:
            labels = [f"{_sign(series)} {label}" for series, label in zip(self._series, labels, strict=True)]
        self.border_subtitle = Content("   ".join(labels))

    # --- what is at a place

    def on_mouse_move(self, event: events.MouseMove) -> None:
        place = event.get_content_offset(self)
        if place is None or place.x < _LEFT or not self._series:
            self._say_newest()
            return
        self._say_at(min(self._width - 1, place.x - _LEFT))

    def _say_at(self, column: int) -> None:
        """Tell the values of a column, and what happened then."""
        when = as_text.clock(self._end - self._seconds * (1 - (column + 0.5) / self._width))
        labels = []
        for series in self._series:
            name = "" if len(self._series) == 1 else f"{series.name} "
            labels.append(f"{name}{self._unit(columns(series.values, self._width)[column])}")
        told = [f"{mark.sign} {mark.sentence}" for mark in self._marks if self._column_of(mark.time) == column]
        self.border_subtitle = Content("  ".join([when, *labels, *told[-1:]]))

    def on_leave(self) -> None:
        self._say()

    # --- drawing

    def render_line(self, y: int) -> Strip:
        width, height = self._width, self._height
        if y == height:
            return self._strip([(self._times(width), FAINT)])
        if y > height:
            return self._strip([])
        self._plot()
        labels = {0: self._unit(self._top), height - 1: "0"}
        if height >= 7 and height % 2:
            labels[height // 2] = self._unit(self._top / 2)
        label = labels.get(y, "")
        pieces = [(f"{label:>{_LEFT - 2}} {'┤' if label else '│'}", FAINT if not label else MUTED)]
        cursor = None if self._ago is None else self._column_of(self._end - self._ago - 0.5)
        marked = self._marked() if y == height - 1 else {}
        for x in range(width):
            painted = [(series.ink, cells[y][x]) for series, cells in zip(self._series, self._cells, strict=True)]
            ink = next((ink for ink, cell in painted if cell), FAINT)
            pattern = 0
            for _, cell in painted:
                pattern |= cell
            sign = chr(0x2800 + pattern) if pattern else " "
            if x == cursor:
                sign, ink = ("│", TITLE) if not pattern else (sign, TITLE)
            if x in marked:
                sign, ink = marked[x].sign, marked[x].ink
            if pieces[-1][1] == ink:
                pieces[-1] = (pieces[-1][0] + sign, ink)
            else:
                pieces.append((sign, ink))
        return self._strip(pieces)

    def _marked(self) -> dict[int, Mark]:
        """Return what happened, by its column; of several the newest."""
        found = ((self._column_of(mark.time), mark) for mark in self._marks)
        return {column: mark for column, mark in found if column is not None}

    def _times(self, width: int) -> str:
        """Return the axis: a time of day wherever there is room."""
        seconds = self._seconds
        line = [" "] * (_LEFT + width)
        if not seconds:
            return "".join(line)
        step = next((step for step in _TIMES if step * width >= _APART * seconds), _TIMES[-1])
        moment = self._end - (self._end + time.localtime(self._end).tm_gmtoff) % step
        while moment > self._end - seconds:
            text = as_text.clock(moment)[:5]
            start = _LEFT + round((1 - (self._end - moment) / seconds) * width) - len(text) // 2
            if start >= _LEFT and start + len(text) <= len(line) and line[max(0, start - 1)] == " ":
                line[start : start + len(text)] = text
            moment -= step
        return "".join(line)

    def _strip(self, pieces: list[tuple[str, str]]) -> Strip:
        segments = [Segment(text, self._style(ink)) for text, ink in pieces]
        return Strip(segments).adjust_cell_length(self.content_size.width, self._style(""))

    def _style(self, ink: str) -> RichStyle:
        rich_style = self._styles.get(ink)
        if rich_style is None:
            style = self.visual_style + Style.parse(ink) if ink else self.visual_style
            rich_style = self._styles[ink] = style.rich_style
        return rich_style


def _sign(series: Series) -> str:
    """Return a sample of how a series looks in the chart, for the legend."""
    return "⡡⡡" if series.hatched else "⣿⣿" if series.filled else "⠤⠤"


def _newest(values: Values, seconds: int) -> float | None:
    """Return the newest value that is known, of so many seconds of values; None where it is too old."""
    lately = 1 + _LATELY * len(values) // max(1, seconds)
    return next((value for value in reversed(values[-lately:]) if value is not None), None)
