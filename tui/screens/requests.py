"""The Requests screen: the recent requests as they end, older ones out of the log on disk, filtered, and the trace of
each.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.suggester import Suggester
from textual.widgets import Input, Static

from router.views.figures import Snapshot
from router.views.requests import RequestFilter, RequestRecord
from tui import request_filter
from tui.feed import FeedLost
from tui.older_requests import OlderRequests
from tui.session import Session
from tui.theme import BAD, FAINT, MUTED
from tui.view import DashboardScreen, why_gone
from tui.widgets.request_list import RequestList
from tui.widgets.row_list import RowList

LIMIT = 200
SLOW = 2.0  # seconds, of the key for slow ones
_ELSEWHERE = "requests never leave their machine: `signalbox dash` there shows them"


class RequestsScreen(DashboardScreen):
    """Shows a live tail of the requests that pass the filter."""

    CSS_PATH = "requests.tcss"
    name_of_mode: ClassVar[str] = "requests"
    AUTO_FOCUS = "RequestList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "trace", "trace", tooltip="this request step by step"),
        Binding(
            "slash",
            "filter",
            "filter",
            key_display="/",
            tooltip="only some: by words, by route:, code:, slow:2s…",
        ),
        Binding("f", "failed", "failed", tooltip="only those that failed, then only those over 2 s, then all"),
        Binding("escape", "leave", "all", tooltip="let all pass again; out of the filter while it is typed"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._only = RequestFilter()
        self._records: tuple[RequestRecord, ...] = ()
        self._log: Path | None = None  # the folder of requests on disk, once it is known
        self._revision: str | None = None  # of the file that said so
        self._older: OlderRequests | None = None
        self._reading = False

    def body(self) -> ComposeResult:
        with Vertical(id="filter"):
            yield Input(
                placeholder="llama  route:chat provider:openai code:timeout slow:2s failed",
                suggester=_Words(self.session),
            )
            yield Static(id="mistake")
        requests = RequestList()
        requests.add_class("box")
        requests.border_title = "requests"
        yield requests

    def on_screen_resume(self) -> None:
        """Apply the filter that another screen wants; then the common part runs, as Textual calls every class's."""
        wanted, self.session.wanted_requests = self.session.wanted_requests, None
        if wanted is not None:
            self._set(wanted)

    def render_snapshot(self, snapshot: Snapshot) -> None:
        self.set_class(not snapshot.connected, "-gone")
        if not self._records and not snapshot.connected:
            self.query_one(RequestList).draw((), empty=why_gone(snapshot))

    async def refresh_data(self) -> None:
        if self.session.feed is None:
            return
        only = self._only if self._only != RequestFilter() else None
        records = await self.session.feed.requests(only, LIMIT)
        self._records = records if self._older is None else self._older.with_newer(records)
        self._draw()
        snapshot = self.session.snapshot
        if snapshot is not None and snapshot.fleet is None and snapshot.revision != self._revision:
            folder = (await self.session.feed.config()).requests
            self._log, self._revision = None if folder is None else Path(folder), snapshot.revision
        if only is not None and len(records) < LIMIT and self._older is None:
            self._read_older()

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Read older ones out of the log when the cursor comes to the last row."""
        rows = event.row_list.rows
        if rows and event.key == rows[-1].key and len(rows) > 1:
            self._read_older()

    @work(group="older")
    async def _read_older(self) -> None:
        if self._log is None or self._reading or (self._older is not None and self._older.is_over):
            return
        older = self._older = self._older or OlderRequests(self._log, self._only)
        self._reading = True
        try:
            await older.read_page(self._records)
        except OSError as error:
            older.is_over = True
            self.tell(f"the log of requests can't be read: {error.strerror}", level="error")
        finally:
            self._reading = False
        if older is self._older:
            self._records = older.all
            self._draw()
        elif self._older is None:
            self.refresh_now()  # another filter came meanwhile

    def _draw(self) -> None:
        requests = self.query_one(RequestList)
        words = request_filter.written(self._only)
        snapshot = self.session.snapshot
        if snapshot is not None and snapshot.fleet is not None:
            requests.draw((), empty=_ELSEWHERE)
            return
        empty = f"no recent request passes {words}; escape lets all pass" if words else "no request has ended yet"
        requests.draw(self._records, empty=empty)
        requests.border_title = Content(f"requests · {words}" if words else "requests")
        failed = sum(record.code is not None for record in self._records)
        since = ""
        if self._older is not None and self._records:
            since = time.strftime(", since %d %b %H:%M", time.localtime(self._records[-1].time))
        requests.border_subtitle = f"the last {len(self._records)}, {failed} failed{since}" if self._records else ""

    # --- the filter

    def _set(self, only: RequestFilter) -> None:
        self._only = only
        if self._older is not None:
            self._older.stop()
            self._older = None
        self.query_one(Input).value = request_filter.written(only)
        self._draw()
        self.refresh_now()
        self.refresh_bindings()

    def action_filter(self) -> None:
        self.query_one("#filter").display = True
        self.query_one(Input).focus()

    def action_leave(self) -> None:
        """Leave the filter as it was while it is typed, else let all pass again."""
        if self.query_one("#filter").display:
            self._close_filter()
        else:
            self._set(RequestFilter())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let only those keys act that make sense now."""
        return action != "leave" or self.query_one("#filter").display or self._only != RequestFilter()

    def _close_filter(self) -> None:
        self.query_one("#filter").display = False
        self.query_one("#mistake", Static).update("")
        self.query_one(Input).value = request_filter.written(self._only)
        self.query_one(RequestList).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        try:
            request_filter.parse(event.value)
        except ValueError as error:
            self.query_one("#mistake", Static).update(Content.styled(str(error), MUTED))
        else:
            self.query_one("#mistake", Static).update(Content.styled("enter applies it, escape leaves it", FAINT))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            only = request_filter.parse(event.value)
        except ValueError as error:
            self.query_one("#mistake", Static).update(Content.styled(str(error), BAD))
            return
        self._set(only)
        self._close_filter()

    def action_failed(self) -> None:
        only = self._only
        if only.failed:
            self._set(replace(only, failed=False, slow=SLOW))
        else:
            self._set(replace(only, failed=only.slow is None, slow=None))

    # --- the trace

    def on_row_list_selected(self, event: RowList.Selected) -> None:
        self._open_chosen()

    def action_trace(self) -> None:
        self.query_one(RequestList).action_select()

    @work(group="trace", exclusive=True)
    async def _open_chosen(self) -> None:
        record, feed = self.query_one(RequestList).chosen, self.session.feed
        if record is None or feed is None:
            return
        trace = None if self._older is None else self._older.trace(record.id)
        try:
            trace = trace or await feed.trace(record.id)
        except FeedLost as error:
            self.tell(str(error), level="error")
            return
        if trace is None:
            self.tell(f"the trace of {record.id} is not remembered any more", level="warning")
        else:
            self.open_trace(trace)


class _Words(Suggester):
    """Completes the last word of the filter: what may be filtered by, and the names that there are."""

    def __init__(self, session: Session) -> None:
        super().__init__(use_cache=False)
        self._session = session

    async def get_suggestion(self, value: str) -> str | None:
        start, _, word = value.rpartition(" ")
        if not word:
            return None
        known = next((known for known in self._words() if known.startswith(word) and known != word), None)
        return None if known is None else f"{start} {known}".lstrip()

    def _words(self) -> list[str]:
        snapshot = self._session.snapshot
        words = list(request_filter.WORDS)
        if snapshot is not None:
            words += [f"route:{route.name}" for route in snapshot.routes]
            words += [f"provider:{provider.name}" for provider in snapshot.providers]
            words += [f"target:{target.name}" for target in snapshot.targets]
            codes = {code: None for target in snapshot.targets for code in target.figures.window.errors}
            words += [f"code:{code}" for code in codes]
        return words
