"""The command palette: every action by name, those of the screens first. `ctrl+p` opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from router.views.figures import Snapshot
from tui import format as as_text
from tui.simulated import FAULTS, Fault
from tui.view import DashboardScreen


class Action(NamedTuple):
    """What can be done: by its name, and in other words or by its key. One that is not `listed` is found by typing."""

    name: str
    help: str
    run: Callable[[], object]
    listed: bool = True


class Offering(Protocol):
    """An app that has actions."""

    def actions(self) -> Iterable[Action]:
        """Yield all that can be done now, what is done most first."""
        ...


class Actions(Provider):
    """Offers the actions of the dashboard in their order: Textual's own way sorts them by letters."""

    async def discover(self) -> Hits:
        for action in cast(Offering, self.app).actions():
            if action.listed:
                yield DiscoveryHit(action.name, action.run, help=action.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in cast(Offering, self.app).actions():
            score = matcher.match(action.name)
            if score > 0:
                yield Hit(score, matcher.highlight(action.name), action.run, help=action.help)


def of_targets(view: DashboardScreen, snapshot: Snapshot) -> Iterable[Action]:
    """Yield what can be done with each provider and target."""
    targets = [target.name for target in snapshot.targets]
    for name in [*(provider.name for provider in snapshot.providers), *targets]:
        shown = as_text.literal(name)
        for title, means, action in (
            (f"Stop calls to {shown}", "open its breaker by hand", "open"),
            (f"Keep calling {shown}", "hold its breaker closed, whatever fails", "close"),
            (f"Reset {shown}", "give its breaker back to the router", "reset"),
        ):
            yield Action(title, means, partial(view.set_breaker, name, action), listed=False)
        yield Action(f"Drain {shown}", "no new calls", partial(view.drain, name, back=False), listed=False)
        yield Action(f"Undrain {shown}", "calls again", partial(view.drain, name, back=True), listed=False)
    for name in targets:
        yield Action(f"Try {as_text.literal(name)}", "ask it a prompt", partial(view.try_on, name), listed=False)


def of_vendors(view: DashboardScreen, snapshot: Snapshot) -> Iterable[Action]:
    """Yield what can be done to each simulated vendor of a demo."""
    words: dict[Fault, str] = {"break": "Break", "slow": "Slow down", "limit": "Rate-limit", "mend": "Mend"}
    if view.session.vendors is None:
        return
    for provider in snapshot.providers:
        for fault in FAULTS:
            title = f"{words[fault]} {as_text.literal(provider.name)}"
            yield Action(title, "a simulated vendor", partial(view.set_fault, provider.name, fault), listed=False)
