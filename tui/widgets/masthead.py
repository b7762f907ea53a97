"""The head of every screen: which router, how it is, and the tabs. `DashboardScreen` puts it on top."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from router.views.events import Event
from router.views.figures import Snapshot
from tui import format as as_text
from tui.session import Session
from tui.theme import BAD, FAINT, GOOD, INFO, LEVELS, MUTED, STRONG, TITLE, WARN

_FRESH = 8.0  # seconds that bad news stays on top
_SHORT = 12  # cells of a path, fewer of which tell nothing
TABS = (
    ("panel", "Panel"),
    ("routes", "Routes"),
    ("requests", "Requests"),
    ("try", "Try"),
    ("config", "Config"),
    ("plots", "Plots"),
)


class Masthead(Vertical):
    """Shows two lines: the router, and the tabs with the figures that count.

    Args:
        current: The mode of the screen that it heads.
        session: Tells whether the vendors are simulated, and whether the picture is paused.
    """

    DEFAULT_CSS = """
    Masthead { height: 2; background: $panel; }
    Masthead > Static { height: 1; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; padding: 0 1; }
    """

    @dataclass
    class TabClicked(Message):
        """A tab was clicked: people want the screen of this mode."""

        mode: str

    def __init__(self, current: str, session: Session) -> None:
        super().__init__()
        self._current = current
        self._session = session
        self._snapshot: Snapshot | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="router")
        yield Static(id="tabs")

    def on_mount(self) -> None:
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    def show(self, snapshot: Snapshot) -> None:
        """Show this snapshot's router."""
        self._snapshot = snapshot
        self.draw()

    def draw(self) -> None:
        """Draw the same router anew, or what is new about it."""
        width = self.size.width - 2
        if width <= 0:
            return
        left, right = Content("").join(self._left(width)), self._right()
        left = left.truncate(max(0, width - right.cell_length - 1), ellipsis=True)
        self.query_one("#router", Static).update(_spread(left, right, width), layout=False)
        tabs = Content("").join(self._tabs())
        room = max(0, width - tabs.cell_length)  # the last of them ends with a space
        figures = self._figures(room).truncate(room, ellipsis=True)
        self.query_one("#tabs", Static).update(_spread(tabs, figures, width), layout=False)

    def on_click(self, event: events.Click) -> None:
        tabs = self.query_one("#tabs").content_region
        if not tabs.contains_point(event.screen_offset):
            return
        end = tabs.x
        for number, (mode, title) in enumerate(TABS, 1):
            end += len(f" {number} {title} ")
            if event.screen_x < end:
                self.post_message(self.TabClicked(mode))
                return

    def _left(self, width: int) -> list[Content]:
        snapshot = self._snapshot
        lead = [Content.styled("▌signalbox ", TITLE)]
        if snapshot is None:
            return [*lead, Content.styled("no router yet", MUTED)]
        lead.append(Content.styled(snapshot.name, STRONG))
        processes = sum(process.connected for process in snapshot.by_process)
        counted = f"{processes} process{'' if processes == 1 else 'es'}"
        parts = [  # what counts most first: the last ones go where there is no room
            f"up {as_text.span(snapshot.time - snapshot.started_at)}",
            counted if snapshot.fleet is None else snapshot.fleet.counted,
            f"revision {snapshot.revision[:7]}",
            f"loaded {as_text.clock(snapshot.loaded_at)}",
        ]
        if not snapshot.revision:
            parts = ["a log on disk, no router"]
        room = width - self._right().cell_length - 1 - sum(piece.cell_length for piece in lead) - 2
        while len(parts) > 1 and len(" · ".join(parts)) > room:
            parts.pop()
        told = " · ".join(parts)
        lead.append(Content.styled(f"  {told}", MUTED))
        room -= len(told) + 3
        if snapshot.path and room >= _SHORT:  # what is left of the line: it ends with what tells files apart
            lead.append(Content.styled(f" · {_end_of(as_text.home(snapshot.path), room)}", FAINT))
        return lead

    def _right(self) -> Content:
        """Return what is not as usual, and the time."""
        session, snapshot = self._session, self._snapshot
        if snapshot is None:
            return Content("")
        badges = []
        if session.vendors is not None:
            badges.append(Content.styled("simulated ", INFO))
        if not snapshot.connected:
            away = snapshot.fleet is not None and snapshot.fleet.away
            badges.append(Content.styled(" AWAY " if away else " GONE ", f"bold {BAD} on $error-muted"))
        elif session.paused:
            badges.append(Content.styled(" PAUSED ", f"bold {WARN} on $warning-muted"))
        reload = snapshot.last_reload
        if reload is not None and not reload.accepted:
            badges.append(Content.styled(" FILE REJECTED ", f"bold {BAD} on $error-muted"))
        if snapshot.connected and not snapshot.watching and snapshot.path:
            badges.append(Content.styled("not watching the file ", WARN))
        sign = Content.styled("● ", GOOD if snapshot.connected else BAD)
        return Content("").join([*badges, Content(" "), sign, Content.styled(as_text.clock(snapshot.time), MUTED)])

    def _tabs(self) -> list[Content]:
        tabs = []
        for number, (mode, title) in enumerate(TABS, 1):
            chosen = mode == self._current
            style = "bold $background on $accent" if chosen else "$foreground 80%"
            tabs.append(Content.styled(f" {number} {title} ", style))
        return tabs

    def _news(self) -> Event | None:
        """Return what went wrong just now, which the panel lists."""
        session, snapshot = self._session, self._snapshot
        if snapshot is None or self._current == "panel":
            return None
        newest = next((event for event in reversed(session.events) if event.level in ("warning", "error")), None)
        fresh = newest is not None and snapshot.time - newest.time < _FRESH and session.happened_while_watched(newest)
        return newest if fresh else None

    def _figures(self, room: int) -> Content:
        snapshot, news = self._snapshot, self._news()
        if news is not None:
            return Content.styled(f"! {news.sentence}", LEVELS[news.level])
        if snapshot is None or not snapshot.revision:
            return Content("")  # nothing runs that has any
        if self._current == "panel" and self.screen.has_class("-high"):
            return Content("")  # the panel's tiles tell the same, larger
        whole = snapshot.figures
        bad = whole.error_rate or 0.0
        failed = (f"{as_text.percent(whole.error_rate)} failed", BAD if bad > 0.02 else WARN if bad else MUTED)
        pieces = [  # the last ones go where there is no room, and what failed stays to the end
            (f"{as_text.rate(whole.rate)}/s", STRONG),
            (" · ", FAINT),
            failed,
            (f" · p95 {as_text.seconds(whole.first_token.p95)}", MUTED),
            (f" · {as_text.cost_per_minute(whole)}/min", MUTED),
        ]
        if snapshot.cache.enabled:
            pieces.append((f" · cache {as_text.percent(snapshot.cache.hit_rate)}", MUTED))
        while len(pieces) > 1 and sum(cell_len(text) for text, _ in pieces) > room:
            pieces = pieces[:-1] if len(pieces) > 3 else [failed]
        return Content.assemble(*pieces)


def _end_of(path: str, width: int) -> str:
    return path if cell_len(path) <= width else f"…{path[cell_len(path) - width + 1 :]}"


def _spread(left: Content, right: Content, width: int) -> Content:
    """Return both in one line, as far apart as it is wide."""
    return left.append(" " * max(0, width - left.cell_length - right.cell_length)).append(right)
