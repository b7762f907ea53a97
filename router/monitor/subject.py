"""What is watched: all that the monitor, the local feed and the exporters need of a router, and none of its privates.

`Router` is one; whatever has these names can be watched as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Literal, Protocol, Unpack

from router.engine.params import RequestParams
from router.engine.request import Messages
from router.engine.stream import RouterStream
from router.monitor.report import Report
from router.plan.plan import Plan
from router.telemetry.recorder import Telemetry
from router.views.figures import Snapshot
from router.views.file import ReloadResult


class ClearableCache(Protocol):
    """The response cache of a subject."""

    def clear(self, *, route: str | None = None, namespace: str | None = None) -> Awaitable[int]:
        """Forget answers; gives how many."""
        ...


class Subject(Protocol):
    """A router, for those who watch it. All is called on its `loop`, but for `snapshot` before its first use."""

    @property
    def plan(self) -> Plan:
        """What runs."""
        ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that it belongs to; None before its first use."""
        ...

    @property
    def watching(self) -> bool:
        """Whether edits of its file are followed."""
        ...

    @property
    def telemetry(self) -> Telemetry:
        """What was counted."""
        ...

    @property
    def report(self) -> Report:
        """What makes data of it."""
        ...

    @property
    def cache(self) -> ClearableCache:
        """The stored answers."""
        ...

    def snapshot(self, *, with_sketches: bool = False) -> Snapshot:
        """What a dashboard shows, as data."""
        ...

    def stream(self, route: str, messages: Messages, **params: Unpack[RequestParams]) -> RouterStream:
        """A streamed answer, for test prompts."""
        ...

    async def reload(self) -> ReloadResult:
        """Read the file again."""
        ...

    def breaker(self, name: str, action: Literal["open", "close", "reset"]) -> None:
        """Open, close or reset a breaker by hand; raises UnknownRoute."""
        ...

    def drain(self, name: str) -> None:
        """Give a model or provider no new calls; raises UnknownRoute."""
        ...

    def undrain(self, name: str) -> None:
        """Give it calls again."""
        ...
