"""The panel: every provider and target with its lamp, traffic and faults, and what happened."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from router.views.events import Event
from router.views.figures import ProviderFigures, Snapshot
from router.views.requests import RequestFilter
from tui.view import BREAKER_KEYS, GONE, View
from tui.widgets.board import Board
from tui.widgets.details import Details
from tui.widgets.event_list import EventList
from tui.widgets.rows import Rows
from tui.widgets.tiles import Tiles

_DEMO = ("fault", "traffic")
_TRAFFIC = Binding.Group("traffic")


class PanelScreen(View):
    """The lit panel of the signal box."""

    CSS_PATH = "panel.tcss"
    name_of_mode: ClassVar[str] = "panel"
    AUTO_FOCUS = "Board"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "fault('break')", "break", tooltip="break this simulated vendor: it answers 500"),
        Binding("s", "fault('slow')", "slow", tooltip="slow this simulated vendor down"),
        Binding("l", "fault('limit')", "limit", tooltip="let this simulated vendor answer 429"),
        Binding("m", "fault('mend')", "mend", tooltip="mend this simulated vendor"),
        Binding("plus", "traffic(1.5)", "more", key_display="+", tooltip="more simulated traffic", group=_TRAFFIC),
        Binding("equals_sign", "traffic(1.5)", "more", tooltip="more simulated traffic", show=False),
        Binding("minus", "traffic(0.6667)", "less", key_display="-", tooltip="less simulated traffic", group=_TRAFFIC),
        *BREAKER_KEYS,
        Binding("d", "drain", "drain", tooltip="no new calls for it, or calls again"),
        Binding("t", "try_it", "try", tooltip="ask this target a prompt"),
        Binding("f", "requests", "requests", tooltip="the recent requests that it answered", show=False),
        Binding("C", "clear_cache", "clear cache", tooltip="forget all cached answers", show=False),
        Binding("space", "fold", "fold", tooltip="show or hide the targets of a provider", show=False),
        Binding("tab", "app.focus_next", show=False),
    ]

    def body(self) -> ComposeResult:
        yield Tiles()
        board = Board(id="board")
        board.add_class("box")
        board.border_title = "providers"
        yield board
        with Horizontal(id="below"):
            happened = EventList(id="events")
            happened.add_class("box")
            happened.border_title = "events"
            yield happened
            yield Details(id="details", classes="box")

    def show(self, snapshot: Snapshot) -> None:
        world = self.dashboard.world
        self.query_one(Tiles).draw(snapshot)
        board = self.query_one(Board)
        board.draw(snapshot, {} if world is None else world.faults())
        if not snapshot.connected:
            board.border_subtitle = GONE
        elif world is not None:
            board.border_subtitle = f"simulated traffic: {world.traffic:.3g} requests/s  + −"
        else:
            board.border_subtitle = ""
        self.set_class(not snapshot.connected, "-gone")
        self._detail()

    def heard(self, event: Event) -> None:
        self.query_one(EventList).draw(self.dashboard.events)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.query_one(EventList).draw(self.dashboard.events)

    def _detail(self) -> None:
        snapshot = self.dashboard.snapshot
        if snapshot is not None:
            self.query_one(Details).draw(self.query_one(Board).chosen, snapshot)

    def on_rows_moved(self, event: Rows.Moved) -> None:
        if isinstance(event.rows, Board):
            self._detail()

    def on_rows_selected(self, event: Rows.Selected) -> None:
        if isinstance(event.rows, EventList):
            self.dashboard.tell(event.rows.sentence(event.key))
        else:
            self.action_fold()

    # --- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action not in _DEMO or self.dashboard.world is not None

    def action_fold(self) -> None:
        chosen = self.query_one(Board).chosen
        if isinstance(chosen, ProviderFigures):
            self.query_one(Board).toggle(chosen.name)

    def action_breaker(self, action: str) -> None:
        chosen = self.query_one(Board).chosen
        if chosen is not None:
            self.dashboard.set_breaker(chosen.name, action)

    def action_drain(self) -> None:
        chosen = self.query_one(Board).chosen
        if chosen is not None:
            self.dashboard.drain(chosen.name, back=chosen.lamp.state == "drained")

    def action_try_it(self) -> None:
        chosen = self.query_one(Board).chosen
        if isinstance(chosen, ProviderFigures):
            self.dashboard.try_on(*(each.name for each in chosen.targets[:4]))
        elif chosen is not None:
            self.dashboard.try_on(chosen.name)

    def action_requests(self) -> None:
        chosen = self.query_one(Board).chosen
        if isinstance(chosen, ProviderFigures):
            self.dashboard.show_requests(RequestFilter(provider=chosen.name))
        elif chosen is not None:
            self.dashboard.show_requests(RequestFilter(target=chosen.name))

    def action_clear_cache(self) -> None:
        self.dashboard.clear_cache()

    def action_fault(self, fault: str) -> None:
        chosen = self.query_one(Board).chosen
        if chosen is not None:
            name = chosen.name if isinstance(chosen, ProviderFigures) else chosen.provider
            self.dashboard.fault(name, fault)

    def action_traffic(self, factor: float) -> None:
        world = self.dashboard.world
        if world is not None:
            self.dashboard.tell(world.change_traffic(factor))
