"""What the six screens have in common: the head, the tabs, the keys, and how they get their data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from router.views.events import Event
from router.views.figures import Snapshot
from tui.widgets.key_bar import KeyBar
from tui.widgets.masthead import Masthead

if TYPE_CHECKING:
    from tui.app import Dashboard


GONE = "gone: no process answers; the picture goes on when one comes back"
_BREAKER = Binding.Group("breaker")
BREAKER_KEYS: tuple[BindingType, ...] = (
    Binding("o", "breaker('open')", "open", tooltip="open its breaker by hand: no calls", group=_BREAKER),
    Binding("c", "breaker('close')", "close", tooltip="hold its breaker closed by hand", group=_BREAKER),
    Binding("x", "breaker('reset')", "reset", tooltip="give its breaker back to the router", group=_BREAKER),
)


class View(Screen[None]):
    """One of the screens. It is told of snapshots only while it is seen, and never asks the engine by itself.

    A subclass gives `body`, and takes what it needs of `show`, `look` and `heard`.
    """

    DEFAULT_CSS = """
    View { background: $background; }
    View .box { border: round $border-blurred; border-title-color: $foreground 70%; padding: 0 1;
                border-subtitle-color: $foreground 50%; background: $surface; }
    View .box:focus, View .box:focus-within { border: round $accent; border-title-color: $accent; }
    """
    name_of_mode: ClassVar[str] = ""  # in `Dashboard.MODES`
    look_every: ClassVar[int] = 4  # snapshots

    @property
    def dashboard(self) -> Dashboard:
        """The app, which has the feed, the newest snapshot and the actions."""
        return cast("Dashboard", self.app)

    def compose(self) -> ComposeResult:
        yield Masthead(self.name_of_mode)
        yield from self.body()
        yield KeyBar()

    def body(self) -> ComposeResult:
        """The widgets of this screen."""
        yield from ()

    def show(self, snapshot: Snapshot) -> None:
        """The newest figures: at most four times a second, at once when the screen comes to the front, and once with
        `connected=False` when the router has gone."""

    async def look(self) -> None:
        """Ask the feed for more than snapshots: at every so many of them (`look_every`), and on coming to the front.

        `FeedLost` may pass: it ends this look only.
        """

    def heard(self, event: Event) -> None:
        """An event happened. `Dashboard.events` has the earlier ones."""

    def update(self, snapshot: Snapshot) -> None:
        """From the app: head and body."""
        with self.app.batch_update():
            self.query_one(Masthead).show(snapshot)
            self.show(snapshot)

    def on_screen_resume(self) -> None:
        self.dashboard.came_to_front(self)

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(KeyBar).palette = event.size.width >= 100  # room for keys on small terminals
