"""The dashboard: six screens over one feed, and all state that outlives a screen."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any, ClassVar, cast

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.widget import AwaitMount
from textual.worker import Worker, WorkType

from router.views.commands import ClearCache, Command, Drain, Reload, SetBreaker, Undrain
from router.views.events import Event
from router.views.figures import Snapshot
from router.views.requests import RequestFilter
from router.views.running import Running
from tui import theme
from tui.dialogs.chooser import Chooser
from tui.dialogs.confirm import Confirm
from tui.dialogs.keys import Keys
from tui.feed import Feed, FeedLost
from tui.screens.config import ConfigScreen
from tui.screens.panel import PanelScreen
from tui.screens.plots import PlotsScreen
from tui.screens.requests import RequestsScreen
from tui.screens.routes import RoutesScreen
from tui.screens.try_prompt import TryScreen
from tui.simulated import World
from tui.view import View

EVENTS = 500
_NEW, _MADE = 0.05, 0.01  # seconds until another screen is drawn: one that has to be made first, and one that is there
_SEVERITY: dict[str, SeverityLevel] = {"warning": "warning", "error": "error"}

Find = Callable[[], Awaitable[tuple[Running, ...]]]
Attach = Callable[[Running], Feed]


class Dashboard(App[None]):
    """Shows a router.

    Args:
        feed: the router's; None lets people choose among those that `find` finds, and waits for one.
        find: the routers that run now; None when there is nothing to choose.
        attach: the feed of one that was found.
        world: the simulated vendors of a demo.
        every: seconds between snapshots.
    """

    TITLE = "signalbox"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "panel": PanelScreen,
        "routes": RoutesScreen,
        "requests": RequestsScreen,
        "try": TryScreen,
        "config": ConfigScreen,
        "plots": PlotsScreen,
    }
    DEFAULT_MODE = "panel"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"switch_mode('{mode}')", mode.capitalize(), show=False)
            for number, mode in enumerate(MODES, 1)
        ),
        Binding("w", "choose", "router", tooltip="watch another router", show=False),
        Binding("p", "pause", "pause", tooltip="hold the picture still; the router goes on"),
        Binding("R", "reload", "reload", tooltip="read routes.yaml again, now", show=False),
        Binding("T", "light_or_dark", "light/dark", show=False),
        Binding("question_mark", "keys", "keys", tooltip="all keys", key_display="?"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(
        self,
        feed: Feed | None = None,
        *,
        find: Find | None = None,
        attach: Attach | None = None,
        world: World | None = None,
        every: float = 0.25,
    ) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]
        self.feed = feed
        self.world = world
        self.find = find
        self.snapshot: Snapshot | None = None
        self.events: deque[Event] = deque(maxlen=EVENTS)
        self.paused = False
        self.requests_filter: RequestFilter | None = None  # what another screen wants the Requests screen to show
        self.try_targets: tuple[str, ...] = ()  # and the Try screen to ask
        self._attach_to = attach
        self._every = every
        self._newest: Snapshot | None = None
        self._count = 0
        self._looking: Worker[None] | None = None
        self._since = 0.0  # events before it are old news
        self._visited: set[str] = set()  # modes whose screen is made
        self._patience = _MADE
        self.register_theme(theme.DARK)
        self.register_theme(theme.LIGHT)
        self.theme = theme.DARK.name

    def on_mount(self) -> None:
        if self.feed is not None:
            self._follow()
        elif self.find is not None:
            self.push_screen(Chooser(first=True))

    def on_ready(self) -> None:
        """What is loaded now stays: the garbage collector need not walk it for 50 ms each time, while a key waits."""
        if not self.is_headless:
            gc.collect()
            gc.freeze()

    def start(self, work: Callable[[], Awaitable[None]], group: str, *, exclusive: bool = True) -> Worker[None]:
        """Run this beside the rest; `exclusive` ends what runs of its group."""
        return self.run_worker(cast("WorkType[None]", work), group=group, exclusive=exclusive)

    def switch_mode(self, mode: str) -> AwaitMount:
        self._patience = _MADE if mode in self._visited else _NEW
        self._visited.add(mode)
        return super().switch_mode(mode)

    def delay_update(self, delay: float = _NEW) -> None:
        """Textual hides for so long what another screen looks like while it is made; keys should answer sooner."""
        super().delay_update(min(delay, self._patience))

    # --- the feed

    def watch_router(self, running: Running) -> None:
        """Let go of the router that is watched, and watch this one."""
        if self._attach_to is None:
            return
        self.workers.cancel_group(self, "feed")
        before, self.feed = self.feed, self._attach_to(running)
        if before is not None:
            self.start(before.aclose, "closing", exclusive=False)
        self.snapshot = self._newest = None
        self.events.clear()
        self._follow()

    def _follow(self) -> None:
        self._count = 0
        self._since = 0.0
        for following in (self._follow_snapshots, self._follow_events):
            self.start(following, "feed", exclusive=False)

    async def _follow_snapshots(self) -> None:
        assert self.feed is not None
        async with aclosing(self.feed.snapshots(self._every)) as snapshots:
            async for snapshot in snapshots:
                self._newest = snapshot
                self._since = self._since or snapshot.time
                if not self.paused:
                    self._show(snapshot)

    async def _follow_events(self) -> None:
        assert self.feed is not None
        async with aclosing(self.feed.events()) as events:
            async for event in events:
                self.events.append(event)
                view = self.view
                if view is not None:
                    view.heard(event)
                    if view.name_of_mode != "panel" and event.level in _SEVERITY and event.time > self._since > 0:
                        self.tell(event.sentence, level=event.level)

    def _show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        view = self.view
        if view is not None and view.is_mounted:
            view.update(snapshot)
            if self._count % view.look_every == 0 and snapshot.connected:
                self._look(view)
        self._count += 1

    def _look(self, view: View) -> None:
        if self._looking is None or self._looking.is_finished:
            self._looking = self.start(partial(self._looked, view), "look", exclusive=False)

    def look_now(self) -> None:
        """The screen in front wants other data than before, at once."""
        view = self.view
        if view is not None and self.snapshot is not None and self.snapshot.connected:
            if self._looking is not None:
                self._looking.cancel()
            self._looking = None
            self._look(view)

    async def _looked(self, view: View) -> None:
        try:
            await view.look()
        except FeedLost:
            return

    def came_to_front(self, view: View) -> None:
        """A screen is seen now: it gets what is known at once."""
        if self.snapshot is not None:
            view.update(self.snapshot)
            self.look_now()

    @property
    def view(self) -> View | None:
        """The screen in front, below any dialog."""
        if not self._running or not self.screen_stack:
            return None
        return next((each for each in reversed(self.screen_stack) if isinstance(each, View)), None)

    # --- what people do

    def tell(self, sentence: str, *, level: str = "info") -> None:
        """A toast. Never as markup: vendors' words may have brackets."""
        self.notify(sentence, severity=_SEVERITY.get(level, "information"), timeout=6, markup=False)

    def act(self, command: Command, question: str = "", detail: str = "") -> None:
        """Run a command, after asking where a question is given, and say what came of it."""
        if question:  # at once, so that an answer typed ahead goes to the question
            self.push_screen(Confirm(question, detail), partial(self._run_if, command))
        else:
            self._run(command)

    def _run_if(self, command: Command, yes: bool | None) -> None:
        if yes:
            self._run(command)

    @work(group="command")
    async def _run(self, command: Command) -> None:
        if self.feed is None:
            self.tell("no router is watched", level="warning")
            return
        try:
            done = await self.feed.command(command)
        except FeedLost as error:
            self.tell(str(error), level="error")
            return
        self.tell(done.message, level="info" if done.ok else "error")
        view = self.view
        if view is not None:
            self._look(view)

    def set_breaker(self, name: str, action: str) -> None:
        """Open, close or reset the breaker of a target or provider."""
        if action == "open":
            self.act(
                SetBreaker(name, "open"),
                f"Open the breaker of {name}?",
                "It gets no calls until it is reset, or until the next reload; its routes fall back.",
            )
        elif action == "close":
            self.act(
                SetBreaker(name, "close"),
                f"Hold the breaker of {name} closed?",
                "It gets calls whatever goes wrong, until it is reset or until the next reload.",
            )
        else:
            self.act(SetBreaker(name, "reset"))

    def drain(self, name: str, *, back: bool) -> None:
        """Give a target or provider no new calls, or calls again."""
        if back:
            self.act(Undrain(name))
        else:
            self.act(Drain(name), f"Drain {name}?", "It gets no new calls; those under way end.")

    def clear_cache(self, route: str | None = None) -> None:
        """Forget cached answers."""
        whose = f"of {route}" if route else "of all routes"
        self.act(ClearCache(route), f"Forget the cached answers {whose}?", "The next requests are calls again.")

    def action_reload(self) -> None:
        self.act(Reload())

    def action_pause(self) -> None:
        """Hold the picture, not the router."""
        self.paused = not self.paused
        newest = self._newest if not self.paused else self.snapshot
        if newest is not None:
            self._show(newest)

    def action_keys(self) -> None:
        if not isinstance(self.screen, Keys):
            self.push_screen(Keys(self.screen))

    def action_choose(self) -> None:
        if self.find is None:
            self.tell("this dashboard shows its own router only; `signalbox dash` finds all that run")
        elif not isinstance(self.screen, Chooser):
            self.push_screen(Chooser())

    def action_light_or_dark(self) -> None:
        self.theme = theme.LIGHT.name if self.current_theme.dark else theme.DARK.name

    def show_requests(self, only: RequestFilter) -> None:
        """Go to the requests that pass."""
        self.requests_filter = only
        self.switch_mode("requests")

    def try_on(self, *names: str) -> None:
        """Go to the Try screen with these chosen."""
        self.try_targets = names
        self.switch_mode("try")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """For the command palette."""
        for number, mode in enumerate(self.MODES, 1):
            yield SystemCommand(f"Go: {mode.capitalize()}", f"key {number}", lambda m=mode: self.switch_mode(m))
        yield SystemCommand("Keys: all of them", "key ?", self.action_keys)
        yield SystemCommand("View: pause or go on", "key p", self.action_pause)
        yield SystemCommand("View: light or dark", "key T", self.action_light_or_dark)
        yield SystemCommand("View: theme…", "choose among all", self.action_change_theme)
        if self.find is not None:
            yield SystemCommand("Router: watch another", "key w", self.action_choose)
        yield SystemCommand("Router: reload the file", "key R", self.action_reload)
        yield SystemCommand("Router: forget cached answers", "of all routes", self.clear_cache)
        yield from self._of_targets()
        yield from self._of_world()
        yield SystemCommand("Quit", "the router goes on", self.action_quit)

    def _of_targets(self) -> Iterable[SystemCommand]:
        if self.snapshot is None:
            return
        names = [
            *(provider.name for provider in self.snapshot.providers),
            *(target.name for target in self.snapshot.targets),
        ]
        for name in names:
            for action in ("open", "close", "reset"):
                yield SystemCommand(
                    f"Breaker: {action} {name}", "by hand", lambda n=name, a=action: self.set_breaker(n, a)
                )
            yield SystemCommand(f"Drain: {name}", "no new calls", lambda n=name: self.drain(n, back=False))
            yield SystemCommand(f"Drain: {name} gets calls again", "undrain", lambda n=name: self.drain(n, back=True))
        for target in self.snapshot.targets:
            yield SystemCommand(f"Try: {target.name}", "ask it alone", lambda n=target.name: self.try_on(n))

    def _of_world(self) -> Iterable[SystemCommand]:
        if self.world is None or self.snapshot is None:
            return
        for provider in self.snapshot.providers:
            for fault in ("break", "slow", "limit", "mend"):
                yield SystemCommand(
                    f"Demo: {fault} {provider.name}", "simulated", lambda n=provider.name, f=fault: self.fault(n, f)
                )

    def fault(self, name: str, fault: Any) -> None:
        """Do this to a simulated vendor."""
        if self.world is not None:
            self.tell(self.world.vendor(name, fault))

    async def action_quit(self) -> None:
        self.exit()

    async def on_unmount(self) -> None:
        if self.feed is not None:
            await self.feed.aclose()
