"""The Plots screen: five minutes of rate, first token, errors and cost, of all, of a provider, or of a route."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal
from textual.content import Content

from router.views.figures import Snapshot
from router.views.history import History, Samples
from tui import format as as_text
from tui.session import Session
from tui.theme import BAD, GOOD, INFO, MONEY, STRONG, TITLE, WARN
from tui.view import DashboardScreen
from tui.widgets.chart import Chart, Series
from tui.widgets.row_list import Row, RowList

ALL = "all"
_CHARTS = ("rate", "latency", "errors", "cost")


def _per_second(value: float | None) -> str:
    return as_text.UNKNOWN if value is None else f"{as_text.rate(value)}/s"


def _per_minute(value: float | None) -> str:
    return as_text.UNKNOWN if value is None else f"{as_text.dollars(value)}/m"


class PlotsScreen(DashboardScreen):
    """Plots what is chosen at the side, or by the arrow keys."""

    CSS_PATH = "plots.tcss"
    name_of_mode: ClassVar[str] = "plots"
    refresh_every: ClassVar[int] = 8  # two seconds are less than a column, and five minutes cost something to add up
    AUTO_FOCUS = "RowList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "previous", tooltip="the previous provider or route", key_display="←"),
        Binding("right", "step(1)", "next", tooltip="the next provider or route", key_display="→"),
        Binding("l", "latency", "latency", tooltip="time to first token, or to the end of the answer"),
        Binding("z", "zoom", "one chart", tooltip="one chart at a time, or all four"),
        Binding("n", "next_chart", "next chart", tooltip="of one at a time: the next one"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._history: History | None = None
        self._whole = False  # latency to the end of the answer, in place of the first token
        self._zoomed: int | None = None

    def body(self) -> ComposeResult:
        with Horizontal():
            subjects = RowList(id="subjects")
            subjects.add_class("box")
            subjects.border_title = "of"
            yield subjects
            with Grid(id="charts"):
                yield Chart("requests", _per_second, least=1.0, id="rate")
                yield Chart("first token", as_text.seconds, least=0.05, id="latency")
                yield Chart("failed", _per_second, least=1.0, id="errors")
                yield Chart("cost", _per_minute, least=0.001, id="cost")

    def render_snapshot(self, snapshot: Snapshot) -> None:
        providers = tuple(provider.name for provider in snapshot.providers)
        routes = tuple(route.name for route in snapshot.routes)
        rows = [
            Row(ALL, ((" everything", STRONG),)),
            Row(None, ((" providers", TITLE),)),
            *(Row(f"provider {name}", ((f"   {name}", ""),)) for name in providers),
            Row(None, ((" routes", TITLE),)),
            *(Row(f"route {name}", ((f"   {name}", ""),)) for name in routes),
        ]
        self.query_one(RowList).show(rows)
        self.set_class(not snapshot.connected, "-gone")
        self._zoom_class()

    async def refresh_data(self) -> None:
        if self.session.feed is not None:
            self._history = await self.session.feed.history()
            self._draw()

    @property
    def subject(self) -> str:
        """What is plotted: "all", "provider groq", "route chat"."""
        return self.query_one(RowList).key or ALL

    def _draw(self) -> None:
        history = self._history
        if history is None:
            return
        kind, _, name = self.subject.partition(" ")
        of = {"provider": history.providers, "route": history.routes}.get(kind, {})
        samples = history.total if kind == ALL else of.get(name, Samples())
        for id_, series in _plots(samples, whole=self._whole):
            self.query_one(f"#{id_}", Chart).draw(series, history.end)

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Plot something else, on scales of its own."""
        for chart in self.query(Chart):
            chart.rescale()
        for id_, title in zip(_CHARTS, ("requests", self._latency_title, "failed", "cost"), strict=True):
            whose = "" if self.subject == ALL else f" · {self.subject}"
            self.query_one(f"#{id_}", Chart).border_title = Content(f"{title}{whose}")
        self._draw()

    @property
    def _latency_title(self) -> str:
        return "whole answer" if self._whole else "first token"

    def _zoom_class(self) -> None:
        zoomed = self._zoomed
        grid = self.query_one("#charts")
        grid.set_class(zoomed is not None, "-one")
        for number, id_ in enumerate(_CHARTS):
            self.query_one(f"#{id_}").display = zoomed is None or number == zoomed

    # --- keys

    def action_step(self, by: int) -> None:
        self.query_one(RowList).action_move(by)

    def action_latency(self) -> None:
        self._whole = not self._whole
        chart = self.query_one("#latency", Chart)
        whose = "" if self.subject == ALL else f" · {self.subject}"
        chart.border_title = Content(f"{self._latency_title}{whose}")
        chart.rescale()
        self._draw()

    def action_zoom(self) -> None:
        self._zoomed = 0 if self._zoomed is None else None
        self._zoom_class()

    def action_next_chart(self) -> None:
        self._zoomed = 0 if self._zoomed is None else (self._zoomed + 1) % len(_CHARTS)
        self._zoom_class()


def _plots(samples: Samples, *, whole: bool) -> Iterator[tuple[str, list[Series]]]:
    """Yield each chart's id and what is in it."""
    yield "rate", [Series("now", _smooth(samples.calls), GOOD, filled=True)]
    p50, p95 = (
        (samples.latency_p50, samples.latency_p95) if whole else (samples.first_token_p50, samples.first_token_p95)
    )
    yield "latency", [Series("p50", p50, INFO, filled=True), Series("p95", p95, WARN, hatched=True)]
    yield "errors", [Series("now", _smooth(samples.errors), BAD, filled=True)]
    yield (
        "cost",
        [Series("now", [None if usd is None else usd * 60 for usd in _smooth(samples.cost)], MONEY, filled=True)],
    )


def _smooth(values: Sequence[float | None], over: int = 3) -> list[float | None]:
    """Return the mean of the last few seconds, so that few calls a second are a line and no comb; None where nothing of
    it is known.
    """
    windows = (values[max(0, end - over) : end] for end in range(1, len(values) + 1))
    known = ([value for value in window if value is not None] for window in windows)
    return [sum(window) / len(window) if window else None for window in known]
