"""Which alerts of a file would have told what, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from router.alerts.conditions import troubles
from router.alerts.states import AlertStates
from router.alerts.watcher import EVERY
from router.monitor.merge import merge
from router.plan.alerts import AlertRule
from router.router import Router
from router.views.events import Event

_LOOKS = 5000  # of one run: of a long one it is looked less often
_PROCESSES = 20  # beyond those, too


class Sent(NamedTuple):
    """A message that would have been sent: when, in seconds of the scenario, by which rule, and what it says."""

    at: float
    state: str
    rule: AlertRule
    says: tuple[str, ...]


class SimulatedAlerts:
    """Looks at the processes of a run as a watcher does.

    Args:
        begins: when the scenario does, in seconds since 1970.
    """

    def __init__(self, rules: Sequence[AlertRule], routers: Sequence[Router], duration: float, begins: float) -> None:
        self.sent: list[Sent] = []
        self._rules, self._routers, self._begins = rules, routers, begins
        self._every = max(EVERY, duration / _LOOKS) * max(1.0, len(routers) / _PROCESSES)
        self._next = self._every
        self._states = AlertStates()
        self._away = ""
        if rules:
            routers[0].telemetry.subscribers.add(self._heard)

    def _heard(self, event: Event) -> None:
        if event.kind == "shared" and event.fields.get("state") in ("away", "back"):
            self._away = str(event.fields.get("why", "")) if event.fields["state"] == "away" else ""

    def look(self, now: float) -> None:
        """Look, if it is time to."""
        if not self._rules or now < self._next:
            return
        self._next = now + self._every
        whole = merge([router.snapshot(with_sketches=True) for router in self._routers])
        snapshot = replace(whole, time=self._begins + now)
        for rule in self._rules:
            for notice in self._states.look(rule, troubles(rule, snapshot, self._away), now):
                says = tuple(trouble.says for trouble in notice.troubles)
                self.sent.append(Sent(now, notice.state, rule, says))
