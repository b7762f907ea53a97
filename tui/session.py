"""What the dashboard knows of the router that it watches. The app keeps one `Session`, and every screen is given it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeAlias

from router.views.commands import Command, Done
from router.views.events import Event
from router.views.figures import Snapshot
from router.views.requests import RequestFilter
from router.views.running import Running
from tui.feed import Feed, FeedLost
from tui.simulated import SimulatedVendors

EVENTS = 500  # that are remembered

Find: TypeAlias = Callable[[], Awaitable[tuple[Running, ...]]]
Attach: TypeAlias = Callable[[Running], Feed]


class Session:
    """The watched router's feed, its newest snapshot, its events, and the commands that are sent to it.

    It knows nothing of the terminal: the app reads `snapshots` and `news`, and draws.

    Args:
        feed: The router's feed; None while none is watched.
        find: Finds the routers that run now; None when there is nothing to choose.
        attach: Makes the feed of a router that was found.
        vendors: The simulated vendors of a demo.
        every: Seconds between snapshots.
    """

    def __init__(
        self,
        feed: Feed | None = None,
        *,
        find: Find | None = None,
        attach: Attach | None = None,
        vendors: SimulatedVendors | None = None,
        every: float = 0.25,
    ) -> None:
        self.feed = feed
        self.find = find
        self.vendors = vendors
        self.snapshot: Snapshot | None = None  # the one that is shown
        self.shown = 0  # snapshots of this router that were shown so far
        self.events: deque[Event] = deque(maxlen=EVENTS)
        self.paused = False
        self.wanted_requests: RequestFilter | None = None  # what another screen asks the Requests screen to show
        self.wanted_targets: tuple[str, ...] = ()  # whom another screen asks the Try screen to choose
        self._attach = attach
        self._every = every
        self._newest: Snapshot | None = None  # which a pause does not hold back
        self._since = 0.0  # the time of the first snapshot, in seconds since 1970

    def watch(self, running: Running) -> Feed | None:
        """Watch this router from now on, and forget the one before.

        Returns:
            The feed of the router before, for the caller to close.
        """
        assert self._attach is not None, "routers are chosen only where they can be attached to"
        before, self.feed = self.feed, self._attach(running)
        self.snapshot = self._newest = None
        self.shown = 0
        self._since = 0.0
        self.events.clear()
        return before

    async def snapshots(self) -> AsyncGenerator[Snapshot, None]:
        """Yield each snapshot that is to be shown, for ever; none while the picture is paused."""
        assert self.feed is not None
        async with aclosing(self.feed.snapshots(self._every)) as snapshots:
            async for snapshot in snapshots:
                self._newest = snapshot
                self._since = self._since or snapshot.time
                if not self.paused:
                    self.snapshot = snapshot
                    self.shown += 1
                    yield snapshot

    async def news(self) -> AsyncGenerator[Event, None]:
        """Remember and yield each event, for ever: first those that happened before the dashboard came."""
        assert self.feed is not None
        async with aclosing(self.feed.events()) as events:
            async for event in events:
                self.events.append(event)
                yield event

    def happened_while_watched(self, event: Event) -> bool:
        """Return whether an event is news, and not one of those before the first snapshot."""
        return event.time > self._since > 0

    def pause_or_go_on(self) -> Snapshot | None:
        """Hold the picture still, or let it go on from the newest snapshot; returns the one to show now."""
        self.paused = not self.paused
        if not self.paused:
            self.snapshot = self._newest
        return self.snapshot

    async def run(self, command: Command) -> Done:
        """Send a command to the router. Where it can't be reached, the result says so."""
        if self.feed is None:
            return Done(False, "no router is watched")
        try:
            return await self.feed.command(command)
        except FeedLost as error:
            return Done(False, str(error))

    async def aclose(self) -> None:
        """Let go of the router, which goes on."""
        if self.feed is not None:
            await self.feed.aclose()
