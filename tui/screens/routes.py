"""The Routes screen: each route as the chain it compiled to, its weights and real shares, and where values are from."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content

from router.views.figures import Snapshot
from router.views.requests import RequestFilter
from router.views.routes import Chains
from tui.session import Session
from tui.view import BREAKER_KEYS, DashboardScreen
from tui.widgets.policies import Policies, of_route, of_target
from tui.widgets.route_plan import RoutePlan
from tui.widgets.row_list import RowList


class RoutesScreen(DashboardScreen):
    """Shows the plan of all routes, and the policies of what is chosen in it."""

    CSS_PATH = "routes.tcss"
    name_of_mode: ClassVar[str] = "routes"
    AUTO_FOCUS = "RoutePlan"
    BINDINGS: ClassVar[list[BindingType]] = [
        *BREAKER_KEYS,
        Binding("d", "drain", "drain", tooltip="no new calls for it, or calls again"),
        Binding("t", "try_it", "try", tooltip="ask this route or target a prompt"),
        Binding("r", "requests", "requests", tooltip="its recent requests"),
        Binding("C", "clear_cache", "clear cache", tooltip="forget the cached answers of this route", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._chains: Chains | None = None
        self._revision = ""  # that the snapshot had when they were asked for

    def body(self) -> ComposeResult:
        with Container(id="routes"):
            plan = RoutePlan(id="plan")
            plan.add_class("box")
            plan.border_title = "routes"
            yield plan
            policies = Policies(id="policies")
            policies.add_class("box")
            yield policies

    def render_snapshot(self, snapshot: Snapshot) -> None:
        self.set_class(not snapshot.connected, "-gone")
        self.query_one(RoutePlan).draw(self._chains, snapshot)
        self._explain()

    async def refresh_data(self) -> None:
        snapshot, feed = self.session.snapshot, self.session.feed
        if snapshot is None or feed is None or self._revision == snapshot.revision:
            return
        self._chains = await feed.chains()
        self._revision = snapshot.revision
        self.query_one(RoutePlan).draw(self._chains, snapshot)
        self._explain()

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        if isinstance(event.row_list, RoutePlan):
            self._explain()

    def _explain(self) -> None:
        chosen, snapshot = self.query_one(RoutePlan).chosen, self.session.snapshot
        if chosen is None or snapshot is None:
            return
        chain, number, branch = chosen
        policies = self.query_one(Policies)
        if branch is None:
            policies.border_title = Content(chain.route)
            policies.draw(tuple(of_route(chain, snapshot)), chain.policies)
        else:
            policies.border_title = Content(f"{branch.target} in {chain.route}")
            policies.draw(tuple(of_target(chain, number, branch)), branch.policies)

    # --- keys

    @property
    def _target(self) -> str | None:
        """The name of the target that the cursor is on; None on a route, where a toast says why."""
        chosen = self.query_one(RoutePlan).chosen
        if chosen is None:
            return None
        if chosen[2] is None:
            self.tell(f"{chosen[0].route} is a route; choose one of its targets below it")
            return None
        return chosen[2].target

    def action_breaker(self, action: str) -> None:
        if (target := self._target) is not None:
            self.set_breaker(target, action)

    def action_drain(self) -> None:
        target, snapshot = self._target, self.session.snapshot
        if target is not None and snapshot is not None:
            drained = any(known.name == target and known.health.state == "drained" for known in snapshot.targets)
            self.drain(target, back=drained)

    def action_try_it(self) -> None:
        chosen = self.query_one(RoutePlan).chosen
        if chosen is not None:
            self.try_on(chosen[0].route if chosen[2] is None else chosen[2].target)

    def action_requests(self) -> None:
        chosen = self.query_one(RoutePlan).chosen
        if chosen is not None:
            target = None if chosen[2] is None else chosen[2].target
            self.show_requests(RequestFilter(route=chosen[0].route, target=target))

    def action_clear_cache(self) -> None:
        chosen = self.query_one(RoutePlan).chosen
        if chosen is not None:
            self.clear_cache(chosen[0].route)
