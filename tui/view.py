"""What the six screens have in common: the head, the keys, how they get their data, and how they act on the router."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.worker import Worker

from router.views.commands import ClearCache, Command, Drain, SetBreaker, Undrain
from router.views.events import Event, Level
from router.views.figures import Snapshot
from router.views.requests import RequestFilter, TraceView
from tui.dialogs.confirm import Confirm
from tui.dialogs.trace import TraceDialog
from tui.feed import FeedLost
from tui.session import Session
from tui.simulated import Fault
from tui.widgets.key_bar import KeyBar
from tui.widgets.masthead import Masthead

_GONE = "gone: no process answers; the picture goes on when one comes back"
_NOBODY = "no process shares now; the picture goes on when one comes"
_BREAKER = Binding.Group("breaker")
BREAKER_KEYS: tuple[BindingType, ...] = (
    Binding("o", "breaker('open')", "open", tooltip="open its breaker by hand: no calls", group=_BREAKER),
    Binding("c", "breaker('close')", "close", tooltip="hold its breaker closed by hand", group=_BREAKER),
    Binding("x", "breaker('reset')", "reset", tooltip="give its breaker back to the router", group=_BREAKER),
)
SEVERITY: dict[str, SeverityLevel] = {"warning": "warning", "error": "error"}  # of a toast, by an event's level


def why_gone(snapshot: Snapshot) -> str:
    """Say why a picture stands still whose router is not connected."""
    if snapshot.fleet is None:
        return _GONE
    if away := snapshot.fleet.away:
        return f"the shared server does not answer: {away}; the picture goes on when it is back"
    return snapshot.fleet.unread or _NOBODY


class DashboardScreen(Screen[None]):
    """One of the six screens. It is given snapshots only while it is in front.

    A subclass gives `body`, and takes what it needs of `render_snapshot`, `refresh_data` and `render_event`.

    Args:
        session: The router that is watched.
    """

    DEFAULT_CSS = """
    DashboardScreen { background: $background; }
    DashboardScreen .box { border: round $border-blurred; border-title-color: $foreground 72%; padding: 0 1;
                           border-subtitle-color: $foreground 72%; background: $surface; }
    DashboardScreen .box:focus, DashboardScreen .box:focus-within {
        border: round $accent; border-title-color: $accent; }
    """
    name_of_mode: ClassVar[str] = ""  # the app's mode that shows this screen
    refresh_every: ClassVar[int] = 4  # snapshots, from one `refresh_data` to the next

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._refreshing: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        yield Masthead(self.name_of_mode, self.session)
        yield from self.body()
        yield KeyBar()

    # --- what a subclass gives

    def body(self) -> ComposeResult:
        """Yield the widgets between the head and the keys."""
        yield from ()

    def render_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the newest figures.

        It is called at most four times a second, at once when the screen comes to the front, and once with
        `connected=False` when the router has gone.
        """

    async def refresh_data(self) -> None:
        """Fetch and draw what snapshots do not have: every `refresh_every` snapshots, and on coming to the front.

        `FeedLost` may be raised: the next time comes.
        """

    def render_event(self, event: Event) -> None:
        """Draw an event that is new in `Session.events`."""

    # --- how data comes

    def receive_snapshot(self, snapshot: Snapshot) -> None:
        """Draw a snapshot, and see whether it is time to fetch the rest."""
        self._draw_snapshot(snapshot)
        if (self.session.shown - 1) % self.refresh_every == 0:
            self._start_refreshing()

    def _draw_snapshot(self, snapshot: Snapshot) -> None:
        with self.app.batch_update():
            self.query_one(Masthead).show(snapshot)
            self.render_snapshot(snapshot)

    def refresh_now(self) -> None:
        """Fetch at once, in place of what is being fetched: other data is wanted than before."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            self._refreshing = None
        self._start_refreshing()

    def _start_refreshing(self) -> None:
        snapshot, busy = self.session.snapshot, self._refreshing is not None and not self._refreshing.is_finished
        if snapshot is not None and snapshot.connected and not busy:
            self._refreshing = self._refresh()

    @work(group="refresh")
    async def _refresh(self) -> None:
        try:
            await self.refresh_data()
        except FeedLost:
            return

    def on_screen_resume(self) -> None:
        """Show at once what is known, as the screen comes to the front."""
        if self.session.snapshot is not None:
            self._draw_snapshot(self.session.snapshot)
            self.refresh_now()

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(KeyBar).palette = event.size.width >= 100  # room for keys on small terminals

    # --- what people do

    def on_masthead_tab_clicked(self, event: Masthead.TabClicked) -> None:
        self.app.switch_mode(event.mode)

    def show_requests(self, only: RequestFilter) -> None:
        """Go to the Requests screen, which shows those that pass this filter."""
        self.session.wanted_requests = only
        self.app.switch_mode("requests")

    def try_on(self, *names: str) -> None:
        """Go to the Try screen, where these routes or targets are chosen."""
        self.session.wanted_targets = names
        self.app.switch_mode("try")

    def open_trace(self, trace: TraceView) -> None:
        """Open a request step by step; from there people may try its target."""
        self.app.push_screen(TraceDialog(trace), self._try_if)

    def _try_if(self, name: str | None) -> None:
        if name is not None:
            self.try_on(name)

    def tell(self, sentence: str, *, level: str = "info") -> None:
        """Show a toast. Its text is never markup: vendors' words may have brackets."""
        self.notify(sentence, severity=SEVERITY.get(level, "information"), timeout=6, markup=False)

    def act(self, command: Command, question: str = "", detail: str = "") -> None:
        """Run a command, after asking where a question is given, and say what came of it."""
        snapshot = self.session.snapshot
        if snapshot is not None and snapshot.fleet is not None:  # nothing is said to thousands by one key
            question = question or "Tell all processes?"
            number = snapshot.fleet.processes
            detail = f"{detail} In {'one process' if number == 1 else f'all {number:,} processes'}.".lstrip()
        if question:  # at once, so that an answer typed ahead goes to the question
            self.app.push_screen(Confirm(question, detail), partial(self._run_if, command))
        else:
            self._run(command)

    def _run_if(self, command: Command, yes: bool | None) -> None:
        if yes:
            self._run(command)

    @work(group="command")
    async def _run(self, command: Command) -> None:
        done = await self.session.run(command)
        self.tell(done.message, level="info" if done.ok else "error")
        self._start_refreshing()

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
        """Forget the cached answers of a route, or of all routes."""
        whose = f"of {route}" if route else "of all routes"
        self.act(ClearCache(route), f"Forget the cached answers {whose}?", "The next requests are calls again.")

    def set_fault(self, name: str, fault: Fault) -> None:
        """Break, slow, limit or mend a simulated vendor of the demo."""
        vendors, snapshot = self.session.vendors, self.session.snapshot
        if vendors is None:
            return
        sentence = vendors.set_fault(name, fault)
        self.tell(sentence)
        if snapshot is not None:  # what follows from it stands beside it
            level: Level = "good" if fault == "mend" else "warning"
            event = Event(snapshot.time, "simulated", sentence, level, name)
            self.session.events.append(event)
            self.render_event(event)
