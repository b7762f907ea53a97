"""The Panel screen: every provider and target with its lamp, traffic and faults, and what happened."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from router.views.events import Event
from router.views.figures import ProviderFigures, Snapshot
from router.views.requests import RequestFilter
from tui.dialogs.pick import MOST
from tui.simulated import Fault
from tui.view import BREAKER_KEYS, DashboardScreen, why_gone
from tui.widgets.details import Details
from tui.widgets.event_list import EventList
from tui.widgets.provider_table import ProviderTable
from tui.widgets.row_list import RowList
from tui.widgets.tiles import Tiles

_DEMO = ("fault", "traffic")
_TRAFFIC = Binding.Group("traffic")


class PanelScreen(DashboardScreen):
    """Shows the lit panel of the signal box."""

    CSS_PATH = "panel.tcss"
    name_of_mode: ClassVar[str] = "panel"
    AUTO_FOCUS = "ProviderTable"
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
        Binding("r", "requests", "requests", tooltip="the recent requests that it answered", show=False),
        Binding("C", "clear_cache", "clear cache", tooltip="forget all cached answers", show=False),
        Binding("space", "fold", "fold", tooltip="show or hide the targets of a provider", show=False),
        Binding("tab", "app.focus_next", show=False),
    ]

    def body(self) -> ComposeResult:
        yield Tiles()
        table = ProviderTable(id="providers")
        table.add_class("box")
        table.border_title = "providers"
        yield table
        with Horizontal(id="below"):
            event_list = EventList(id="events")
            event_list.add_class("box")
            event_list.border_title = "events"
            yield event_list
            yield Details(id="details", classes="box")

    def render_snapshot(self, snapshot: Snapshot) -> None:
        vendors, fleet = self.session.vendors, snapshot.fleet
        self.query_one(Tiles).draw(snapshot)
        table = self.query_one(ProviderTable)
        table.draw(snapshot, {} if vendors is None else vendors.faults())
        if not snapshot.connected:
            table.border_subtitle = why_gone(snapshot)
        elif not snapshot.figures.totals.calls and snapshot.providers and fleet is None:
            table.border_subtitle = "no call yet: t asks the one that is chosen"
        elif vendors is not None:
            table.border_subtitle = f"simulated traffic: {vendors.traffic:.3g} requests/s  + −"
        elif fleet is not None and fleet.sampled < fleet.processes:
            table.border_subtitle = f"of {fleet.sampled:,} processes; rates, errors, tokens and cost on top are of all"
        else:
            table.border_subtitle = ""
        self.set_class(not snapshot.connected, "-gone")
        self._detail()

    def render_event(self, event: Event) -> None:
        self.query_one(EventList).draw(self.session.events)

    def on_screen_resume(self) -> None:
        """Draw the events that happened unseen; then the common part runs, as Textual calls every class's."""
        self.query_one(EventList).draw(self.session.events)

    def _detail(self) -> None:
        snapshot = self.session.snapshot
        if snapshot is not None:
            self.query_one(Details).draw(self.query_one(ProviderTable).chosen, snapshot)

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        if isinstance(event.row_list, ProviderTable):
            self._detail()

    def on_row_list_selected(self, event: RowList.Selected) -> None:
        if isinstance(event.row_list, EventList):
            self.tell(event.row_list.sentence(event.key))
        else:
            self.action_fold()

    # --- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action not in _DEMO or self.session.vendors is not None

    def action_fold(self) -> None:
        chosen = self.query_one(ProviderTable).chosen
        if isinstance(chosen, ProviderFigures):
            self.query_one(ProviderTable).toggle(chosen.name)

    def action_breaker(self, action: str) -> None:
        chosen = self.query_one(ProviderTable).chosen
        if chosen is not None:
            self.set_breaker(chosen.name, action)

    def action_drain(self) -> None:
        chosen = self.query_one(ProviderTable).chosen
        if chosen is not None:
            self.drain(chosen.name, back=chosen.health.state == "drained")

    def action_try_it(self) -> None:
        chosen = self.query_one(ProviderTable).chosen
        if isinstance(chosen, ProviderFigures):
            self.try_on(*(target.name for target in chosen.targets[:MOST]))
        elif chosen is not None:
            self.try_on(chosen.name)

    def action_requests(self) -> None:
        chosen = self.query_one(ProviderTable).chosen
        if isinstance(chosen, ProviderFigures):
            self.show_requests(RequestFilter(provider=chosen.name))
        elif chosen is not None:
            self.show_requests(RequestFilter(target=chosen.name))

    def action_clear_cache(self) -> None:
        self.clear_cache()

    def action_fault(self, fault: Fault) -> None:
        chosen = self.query_one(ProviderTable).chosen
        if chosen is not None:
            name = chosen.name if isinstance(chosen, ProviderFigures) else chosen.provider
            self.set_fault(name, fault)

    def action_traffic(self, factor: float) -> None:
        vendors = self.session.vendors
        if vendors is not None:
            self.tell(vendors.change_traffic(factor))
