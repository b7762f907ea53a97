"""The dashboard's app: six screens over one router. The commands `dash` and `demo` run it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from typing import ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.filter import LineFilter
from textual.notifications import SeverityLevel
from textual.widget import AwaitMount

from router.views.commands import Reload
from router.views.figures import Snapshot
from router.views.running import Running
from tui import theme
from tui.dialogs.chooser import Chooser
from tui.dialogs.keys import Keys
from tui.feed import Feed
from tui.inert import INERT, InertConsole
from tui.palette import Action, Actions, of_targets, of_vendors
from tui.screens.config import ConfigScreen
from tui.screens.panel import PanelScreen
from tui.screens.plots import PlotsScreen
from tui.screens.requests import RequestsScreen
from tui.screens.routes import RoutesScreen
from tui.screens.try_prompt import TryScreen
from tui.session import Attach, Find, Session
from tui.simulated import SimulatedVendors
from tui.view import DashboardScreen
from tui.widgets.masthead import Masthead

SCREENS: dict[str, type[DashboardScreen]] = {
    screen.name_of_mode: screen
    for screen in (PanelScreen, RoutesScreen, RequestsScreen, TryScreen, ConfigScreen, PlotsScreen)
}
_NEW, _MADE = 0.05, 0.01  # seconds until another screen is drawn: one that has to be made first, and one that is there


class Dashboard(App[None]):
    """Shows a router.

    Args:
        feed: The router's feed; None lets people choose among those that `find` finds, and waits for one.
        find: Finds the routers that run now; None when there is nothing to choose.
        attach: Makes the feed of a router that was found.
        vendors: The simulated vendors of a demo.
        every: Seconds between snapshots.
        named: The name of the routers that `find` looks for; None for all.
        first: The mode of the screen that is shown first, where it is another one than usual.
    """

    TITLE = "signalbox"
    DEFAULT_MODE = PanelScreen.name_of_mode
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"switch_mode('{mode}')", mode.capitalize(), show=False)
            for number, mode in enumerate(SCREENS, 1)
        ),
        Binding("w", "choose", "router", tooltip="watch another router", show=False),
        Binding("p", "pause", "pause", tooltip="hold the picture still; the router goes on", show=False),
        Binding("R", "reload", "reload", tooltip="read routes.yaml again, now", show=False),
        Binding("T", "light_or_dark", "light/dark", show=False),
        Binding("question_mark", "keys", "keys", tooltip="all keys", key_display="?"),
        Binding("q", "quit", "quit", tooltip="quit; the router goes on"),
        Binding("ctrl+q", "quit", "quit", tooltip="quit; the router goes on", show=False, priority=True),
        Binding("ctrl+c", "quit", "quit", tooltip="quit; the router goes on", show=False),
    ]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Actions}
    CSS = """
    ToastRack { align: left bottom; margin-bottom: 0; overflow: hidden; }
    ToastHolder { align-horizontal: left; }
    Toast { width: 100%; max-width: 100%; margin-top: 0; padding: 0 1; border-left: none; background: $panel; }
    Input > .input--placeholder, TextArea > .text-area--placeholder { color: $foreground 72%; }
    Toast.-error { background: $error-muted; }
    """

    def __init__(
        self,
        feed: Feed | None = None,
        *,
        find: Find | None = None,
        attach: Attach | None = None,
        vendors: SimulatedVendors | None = None,
        every: float = 0.25,
        named: str | None = None,
        first: str | None = None,
    ) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]
        self.session = Session(feed, find=find, attach=attach, vendors=vendors, every=every)
        for mode, screen in SCREENS.items():
            self.add_mode(mode, partial(screen, self.session))
        self._named = named
        self._first = first
        self._visited: set[str] = set()  # modes whose screen is made
        self._patience = _MADE
        self.register_theme(theme.DARK)
        self.register_theme(theme.LIGHT)
        self.theme = theme.DARK.name
        self.error_console.push_render_hook(InertConsole(self.error_console))

    def on_mount(self) -> None:
        if self._first is not None:
            self.switch_mode(self._first)
        if self.session.feed is not None:
            self._follow()
        elif self.session.find is not None:
            self._choose(first=True)

    def on_ready(self) -> None:
        """Keep what is loaded now: the garbage collector need not walk it for 50 ms each time, while a key waits."""
        if not self.is_headless:
            gc.collect()
            gc.freeze()

    def switch_mode(self, mode: str) -> AwaitMount:
        self._patience = _MADE if mode in self._visited else _NEW
        self._visited.add(mode)
        return super().switch_mode(mode)

    def delay_update(self, delay: float = _NEW) -> None:
        """Hide a screen while it is made, as Textual does, but for a shorter time: keys should answer sooner."""
        super().delay_update(min(delay, self._patience))

    # --- the router that is watched

    @property
    def view(self) -> DashboardScreen | None:
        """The screen in front, below any dialog."""
        if not self.is_running or not self.screen_stack:
            return None
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, DashboardScreen)), None)

    def _follow(self) -> None:
        self._follow_snapshots()
        self._follow_events()

    @work(group="feed")
    async def _follow_snapshots(self) -> None:
        async with aclosing(self.session.snapshots()) as snapshots:
            async for snapshot in snapshots:
                self._show(snapshot)

    @work(group="feed")
    async def _follow_events(self) -> None:
        async with aclosing(self.session.news()) as news:
            async for event in news:
                view = self.view
                if view is None:
                    continue
                view.render_event(event)
                view.query_one(Masthead).draw()  # which tells bad news

    def _show(self, snapshot: Snapshot) -> None:
        view = self.view
        if view is not None and view.is_mounted:
            view.receive_snapshot(snapshot)

    def _choose(self, *, first: bool) -> None:
        self.push_screen(Chooser(self.session, first=first, named=self._named), self._watch)

    def _watch(self, running: Running | None) -> None:
        """Let go of the router that is watched, and watch this one."""
        if running is None:
            return
        self.workers.cancel_group(self, "feed")
        before = self.session.watch(running)
        if before is not None:
            self._close(before)
        self._follow()

    @work(group="closing")
    async def _close(self, feed: Feed) -> None:
        await feed.aclose()

    async def on_unmount(self) -> None:
        await self.session.aclose()

    # --- what people do on every screen

    def action_reload(self) -> None:
        if self.view is not None:
            self.view.act(Reload())

    def action_pause(self) -> None:
        """Hold the picture, not the router."""
        snapshot = self.session.pause_or_go_on()
        if snapshot is not None:
            self._show(snapshot)

    def action_keys(self) -> None:
        if not isinstance(self.screen, Keys):
            vendors = self.session.vendors
            self.push_screen(Keys(self.screen, () if vendors is None else vendors.commands()))

    def notify(
        self, message: str, *, title: str = "", severity: SeverityLevel = "information", timeout: float | None = None,
        markup: bool = True,
    ) -> None:  # fmt: skip
        """Say what came of what a person did: one sentence at a time, over the line of keys alone."""
        self.clear_notifications()
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def action_choose(self) -> None:
        if self.session.find is None:
            self.notify(
                "this dashboard shows its own router only; `signalbox dash` finds all that run", timeout=6, markup=False
            )
        elif not isinstance(self.screen, Chooser):
            self._choose(first=False)

    def action_light_or_dark(self) -> None:
        self.theme = theme.LIGHT.name if self.current_theme.dark else theme.DARK.name

    async def action_quit(self) -> None:
        self.exit()

    def _fatal_error(self) -> None:
        """Show a failure of our own: Textual's picture of it has the variables, with prompts, answers and headers."""
        from rich.traceback import Traceback

        self.panic(Traceback(show_locals=False))

    # --- what is drawn

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line goes through on its way to the terminal."""
        return (*super().get_line_filters(), INERT)

    # --- the command palette

    def actions(self) -> Iterable[Action]:
        """Yield all that can be done now, what is done most first."""
        for number, mode in enumerate(SCREENS, 1):
            yield Action(f"Show {mode.capitalize()}", f"key {number}", partial(self.switch_mode, mode))
        yield Action("Keys of this screen", "key ?", self.action_keys)
        yield Action("Pause the picture, or let it go on", "key p", self.action_pause)
        if self.session.find is not None:
            yield Action("Watch another router", "key w", self.action_choose)
        yield Action("Reload the file", "key R", self.action_reload)
        view, snapshot = self.view, self.session.snapshot
        if view is not None:
            yield Action("Clear the cache", "key C: forget the cached answers of all routes", view.clear_cache)
        yield Action("Light or dark", "key T", self.action_light_or_dark)
        yield Action("Theme…", "choose among all", self.action_change_theme)
        yield Action("Quit", "key q: the router goes on", partial(self.exit))
        if view is not None and snapshot is not None:
            yield from of_targets(view, snapshot)
            yield from of_vendors(view, snapshot)
