"""The Plots screen: rate, latency, errors and cost of five minutes, an hour or a day; of all, a provider or a route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal
from textual.content import Content

from router.views.events import Event
from router.views.figures import KEPT, Snapshot
from router.views.history import RANGES, History, Samples
from tui import format as as_text
from tui.session import Session
from tui.theme import BAD, GOOD, INFO, LEVELS, MONEY, WARN
from tui.view import DashboardScreen
from tui.widgets.chart import Chart, Mark, Series
from tui.widgets.row_list import RowList
from tui.widgets.subject_list import ALL, SubjectList

_CURSOR = Binding.Group("cursor")
_RANGE = "the last five minutes, hour or day"
_RANGES = Binding.Group("range")
_CHARTS = ("rate", "latency", "errors", "cost")


def _per_second(value: float | None) -> str:
    return as_text.UNKNOWN if value is None else f"{as_text.rate(value)}/s"


def _per_minute(value: float | None) -> str:
    return as_text.UNKNOWN if value is None else f"{as_text.dollars(value)}/m"


class PlotsScreen(DashboardScreen):
    """Plots what is chosen at the side, or by the arrow keys."""

    CSS_PATH = "plots.tcss"
    name_of_mode: ClassVar[str] = "plots"
    refresh_every: ClassVar[int] = 8  # two seconds are less than a column, and a range costs something to add up
    AUTO_FOCUS = "SubjectList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left", "cursor(-1)", "earlier", key_display="←", tooltip="read the values a little earlier", group=_CURSOR
        ),
        Binding(
            "right", "cursor(1)", "later", key_display="→", tooltip="read the values a little later", group=_CURSOR
        ),
        Binding("left_square_bracket", "range(-1)", "range", key_display="[", tooltip=_RANGE, group=_RANGES),
        Binding("right_square_bracket", "range(1)", "range", key_display="]", tooltip=_RANGE, group=_RANGES),
        Binding("escape", "no_cursor", "newest", tooltip="back to the newest values", show=False),
        Binding("a", "latency", "whole answer", tooltip="time to the first token, or to the end of the answer"),
        Binding("z", "zoom", "one chart", tooltip="one chart at a time, the next one, then all four"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._history: History | None = None
        self._span = KEPT  # seconds that are plotted, one of `RANGES`
        self._whole = False  # latency to the end of the answer, in place of the first token
        self._zoomed: int | None = None
        self._ago: int | None = None  # seconds before the newest value, where the cursor is

    def body(self) -> ComposeResult:
        with Horizontal():
            subjects = SubjectList(id="subjects")
            subjects.add_class("box")
            subjects.border_title = "of"
            yield subjects
            with Grid(id="charts"):
                yield Chart("requests", _per_second, least=1.0, id="rate")
                yield Chart("first token", as_text.seconds, least=0.05, id="latency")
                yield Chart("failed", _per_second, least=1.0, id="errors")
                yield Chart("cost", _per_minute, least=0.001, id="cost")

    def render_snapshot(self, snapshot: Snapshot) -> None:
        self.query_one(SubjectList).draw(snapshot)
        self.set_class(not snapshot.connected, "-gone")
        self._zoom_class()

    async def refresh_data(self) -> None:
        if self.session.feed is not None and self._is_old:
            self._history = await self.session.feed.history(self._span)
        self._draw()

    @property
    def _is_old(self) -> bool:
        """Whether what is plotted is of another range, or some of a value's time has gone by since."""
        history, snapshot = self._history, self.session.snapshot
        if history is None or history.seconds != self._span or snapshot is None:
            return True
        return not 0 <= snapshot.time - history.end < history.grain / 5

    @property
    def subject(self) -> str:
        """What is plotted: "all", "provider groq", "route chat"."""
        return self.query_one(SubjectList).key or ALL

    def _draw(self) -> None:
        history = self._history
        if history is None:
            return
        kind, _, name = self.subject.partition(" ")
        of = {"provider": history.providers, "route": history.routes}.get(kind, {})
        samples = history.total if kind == ALL else of.get(name, Samples())
        marks = [*_marks(self.session.events)]
        for id_, series in _plots(history, samples, whole=self._whole):
            self.query_one(f"#{id_}", Chart).draw(series, history.end, marks, seconds=history.seconds)

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Plot something else."""
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Plot something else from now on, on scales of its own."""
        latency = "whole answer" if self._whole else "first token"
        whose = "" if self.subject == ALL else f" · {self.subject}"
        of = "" if self._span == KEPT else f" · {as_text.span(self._span)}"
        for id_, title in zip(_CHARTS, ("requests", latency, "failed", "cost"), strict=True):
            chart = self.query_one(f"#{id_}", Chart)
            chart.rescale()
            chart.border_title = Content(f"{title}{whose}{of}")
        self._draw()

    def _zoom_class(self) -> None:
        zoomed = self._zoomed
        grid = self.query_one("#charts")
        grid.set_class(zoomed is not None, "-one")
        for number, id_ in enumerate(_CHARTS):
            self.query_one(f"#{id_}").display = zoomed is None or number == zoomed

    # --- keys

    def action_cursor(self, by: int) -> None:
        """Move the cursor of all charts alike; it begins at the newest values."""
        seconds = 0 if self._history is None else self._history.seconds
        width = max(1, self.query_one("#rate" if self._zoomed is None else f"#{_CHARTS[self._zoomed]}", Chart).columns)
        step = max(1, round(seconds / width))
        ago = (0 if self._ago is None else self._ago) - by * step
        self._put_cursor(min(max(0, ago), max(0, seconds - 1)))

    def action_no_cursor(self) -> None:
        self._put_cursor(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let only those keys act that make sense now."""
        return action != "no_cursor" or self._ago is not None

    def _put_cursor(self, ago: int | None) -> None:
        self._ago = ago
        for chart in self.query(Chart):
            chart.point_at(ago)
        self.refresh_bindings()

    def action_latency(self) -> None:
        self._whole = not self._whole
        self._begin_anew()

    def action_range(self, by: int) -> None:
        """Look further back, or less far."""
        spans = list(RANGES)
        self._span = spans[(spans.index(self._span) + by) % len(spans)]
        self._history = None
        self._put_cursor(None)
        self._begin_anew()
        self.refresh_now()

    def action_zoom(self) -> None:
        after = 0 if self._zoomed is None else self._zoomed + 1
        self._zoomed = after if after < len(_CHARTS) else None
        self._zoom_class()


def _marks(events: Iterable[Event]) -> Iterator[Mark]:
    """Yield the moments that explain a curve: a breaker opened, a vendor asked to wait, a revision took over."""
    for event in events:
        if event.kind == "reload":
            yield Mark(event.time, "◆", event.sentence, INFO)
        elif event.kind == "simulated":
            yield Mark(event.time, "✓" if event.level == "good" else "✗", event.sentence, LEVELS[event.level])
        elif event.kind in ("breaker", "hold") and event.level in ("error", "warning"):
            yield Mark(event.time, "○" if event.kind == "breaker" else "◷", event.sentence, LEVELS[event.level])


def _plots(history: History, samples: Samples, *, whole: bool) -> Iterator[tuple[str, list[Series]]]:
    """Yield each chart's id and what is in it."""

    def rate(values: Sequence[float | None]) -> list[float | None]:
        """Return what it was a second."""
        return _smooth(values) if history.grain == 1 else history.per_second(values)

    newest = "now" if history.grain == 1 else "newest"
    yield "rate", [Series(newest, rate(samples.calls), GOOD, filled=True)]
    p50, p95 = (
        (samples.latency_p50, samples.latency_p95) if whole else (samples.first_token_p50, samples.first_token_p95)
    )
    yield "latency", [Series("p50", p50, INFO, filled=True), Series("p95", p95, WARN, hatched=True)]
    yield "errors", [Series(newest, rate(samples.errors), BAD, filled=True)]
    per_minute = [None if usd is None else usd * 60 for usd in rate(samples.cost)]
    yield "cost", [Series(newest, per_minute, MONEY, filled=True)]


def _smooth(values: Sequence[float | None], over: int = 3) -> list[float | None]:
    """Return the mean of the last few seconds, so that few calls a second are a line and no comb; None where nothing of
    it is known.
    """
    windows = (values[max(0, end - over) : end] for end in range(1, len(values) + 1))
    known = ([value for value in window if value is not None] for window in windows)
    return [sum(window) / len(window) if window else None for window in known]
