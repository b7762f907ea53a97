"""The command palette: every action by name, those of the screens first. `ctrl+p` opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from router.views.figures import Snapshot
from tui import format as as_text
from tui.simulated import FAULTS, Fault
from tui.view import DashboardScreen

if TYPE_CHECKING:
    from tui.app import Dashboard


class Action(NamedTuple):
    """What can be done: by its name, and in other words or by its key. One that is not `listed` is found by typing."""

    name: str
    help: str
    run: Callable[[], object]
    listed: bool = True


class Actions(Provider):
    """Offers the actions of the dashboard in their order: Textual's own way sorts them by letters."""

    async def discover(self) -> Hits:
        for action in actions(cast("Dashboard", self.app)):
            if action.listed:
                yield DiscoveryHit(action.name, action.run, help=action.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in actions(cast("Dashboard", self.app)):
            score = matcher.match(action.name)
            if score > 0:
                yield Hit(score, matcher.highlight(action.name), action.run, help=action.help)


def actions(app: Dashboard) -> Iterable[Action]:
    """Yield all that can be done now, what is done most first."""
    for number, mode in enumerate(app.modes, 1):
        yield Action(f"Show {mode.capitalize()}", f"key {number}", partial(app.switch_mode, mode))
    yield Action("Keys of this screen", "key ?", app.action_keys)
    yield Action("Pause the picture, or let it go on", "key p", app.action_pause)
    if app.session.find is not None:
        yield Action("Watch another router", "key w", app.action_choose)
    yield Action("Reload the file", "key R", app.action_reload)
    view, snapshot = app.view, app.session.snapshot
    if view is not None:
        yield Action("Clear the cache", "key C: forget the cached answers of all routes", view.clear_cache)
    yield Action("Light or dark", "key T", app.action_light_or_dark)
    yield Action("Theme…", "choose among all", app.action_change_theme)
    yield Action("Quit", "key q: the router goes on", partial(app.exit))
    if view is not None and snapshot is not None:
        yield from _of_targets(view, snapshot)
        yield from _of_vendors(view, snapshot)


def _of_targets(view: DashboardScreen, snapshot: Snapshot) -> Iterable[Action]:
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


def _of_vendors(view: DashboardScreen, snapshot: Snapshot) -> Iterable[Action]:
    words: dict[Fault, str] = {"break": "Break", "slow": "Slow down", "limit": "Rate-limit", "mend": "Mend"}
    if view.session.vendors is None:
        return
    for provider in snapshot.providers:
        for fault in FAULTS:
            title = f"{words[fault]} {as_text.literal(provider.name)}"
            yield Action(title, "a simulated vendor", partial(view.set_fault, provider.name, fault), listed=False)
