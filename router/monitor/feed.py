"""The one door to a router that is watched, whether it runs in this process or in another one.

`router.monitor.local_feed.LocalFeed` and `router.monitor.socket.client.SocketFeed` are its two sides.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from router.views.commands import Command, Done, Prompt, PromptEvent
from router.views.events import Event
from router.views.figures import KEPT, Snapshot
from router.views.file import ConfigView
from router.views.history import History
from router.views.requests import RequestFilter, RequestRecord, TraceView
from router.views.routes import Chains


class Feed(Protocol):
    """Everything that can be seen of a router and asked of it.

    A feed belongs to the event loop that it is first used on, which need not be the router's. Iterators go on until
    they are closed (`contextlib.aclosing`). A router that goes away shows by a snapshot with
    `connected=False`; meanwhile the other calls raise `FeedLost`, and when it comes back all go on.
    """

    @property
    def name(self) -> str:
        """The router's name."""
        ...

    def snapshots(self, every: float = 0.25) -> AsyncGenerator[Snapshot, None]:
        """Yield a snapshot at once, then one every so many seconds; a slow reader gets the newest and misses others."""
        ...

    def events(self) -> AsyncGenerator[Event, None]:
        """Yield the recent events, the oldest first, and then those that happen."""
        ...

    async def history(self, span: int = KEPT) -> History:
        """Return the last so many seconds (one of `RANGES`): five minutes by the second, longer ones more coarsely."""
        ...

    async def requests(self, only: RequestFilter | None = None, limit: int = 100) -> tuple[RequestRecord, ...]:
        """Return the recent requests that pass the filter, the newest first."""
        ...

    async def trace(self, id: str) -> TraceView | None:
        """Return a recent request step by step; None when it is not remembered any more."""
        ...

    async def chains(self) -> Chains:
        """Return the compiled routes; they change only with `Snapshot.revision`."""
        ...

    async def config(self) -> ConfigView:
        """Return the file, its difference from what runs, and the log of revisions."""
        ...

    async def command(self, command: Command) -> Done:
        """Run a command; with several processes, in all of them. What can't be done says so in the result."""
        ...

    def prompt(self, prompt: Prompt) -> AsyncGenerator[PromptEvent, None]:
        """Run a prompt through the router: chunks, then one `PromptEnd`, also after an error. Closing it cancels."""
        ...

    async def aclose(self) -> None:
        """Let go of the router, which goes on."""
        ...


class FeedLost(Exception):
    """No process of the router answers now."""
