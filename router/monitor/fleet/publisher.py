"""What a process tells of itself over a Redis: a brief every second, and snapshots while somebody wants them."""

from __future__ import annotations

import asyncio
import socket
import weakref
import zlib
from collections.abc import Callable, Iterator
from importlib.metadata import version

import msgspec
from msgspec.structs import replace

from providers.harmless import harmless
from providers.threads import in_thread
from router.monitor.fleet.brief import Briefing
from router.monitor.fleet.orders import KIND, Orders
from router.monitor.local_feed import LocalFeed
from router.monitor.socket.encoding import SnapshotEncoder
from router.monitor.subject import Subject
from router.shared.fleet import NOTHING, BriefEntry, SnapshotEntry, Watched
from router.shared.link import Link, Telling
from router.shared.news import News
from router.shared.sealing import Sealer
from router.turns import in_turns

_EVERY = 0.8  # seconds from one brief to the next, at least: less than a process without calls is silent
_LEVEL = 1  # of zlib: a snapshot is made small quickly

_encoder = msgspec.json.Encoder()


class Publisher:
    """Tells how a router is; a `router.shared.link.Party`.

    Args:
        link: to the server.
        subject: the router, held weakly.
        news: brings commands.
    """

    def __init__(self, link: Link, subject: Subject, news: News) -> None:
        rules = link.rules
        self._link = link
        self._subject = weakref.ref(subject)
        self._sealer = Sealer(rules.secret or "", rules.app)
        self._briefing = Briefing(subject, rules.host or socket.gethostname(), version("llm-signalbox"))
        self._orders: Orders | None = None
        if rules.commands:
            self._orders = Orders(subject, self._sealer, link.label, self._hurry)
            news.on(KIND, self._orders.hear)
        self._due = 0.0
        self._skew = 0.0  # seconds by which the server's clock is ahead of the time of day here
        self._encoded: SnapshotEncoder | None = None
        self._making: asyncio.Task[None] | None = None
        self._ready: str | None = None

    def tell(self, now: float, *, leaving: bool) -> Iterator[Telling]:
        """Tell a brief when it is time, and a snapshot that is made."""
        if leaving or self._subject() is None:
            return
        if now >= self._due:
            self._due = now + _EVERY
            yield _Brief(self)
        ready, self._ready = self._ready, None
        if ready is not None:
            yield _Snapshot(SnapshotEntry(self._link.label, ready))

    def void(self, now: float) -> None:
        """Do nothing: all is told again in a second."""

    def look_again(self) -> None:
        """Do nothing: nobody waits for it."""

    def brief(self, now: float) -> BriefEntry:
        """Return the brief of this moment."""
        label, subject = self._link.label, self._subject()
        if subject is None:
            return BriefEntry(label, NOTHING)
        brief = self._briefing.brief(subject, now, self._skew, self._orders)
        return BriefEntry(label, self._sealer.seal(f"brief {label}", _encoder.encode(brief)))

    def heard(self, watched: Watched, asked_at: float, now: float) -> None:
        """Take over what the server answered to a brief."""
        subject = self._subject()
        if subject is None:
            return
        self._skew = watched.time - now - subject.telemetry.offset
        if self._orders is not None:
            self._orders.hear_time(watched.time, now)
        if not watched.wanted:
            self._encoded = None
        elif self._making is None or self._making.done():
            self._making = asyncio.get_running_loop().create_task(self._make(subject))

    def _hurry(self) -> None:
        """Tell a brief at once."""
        self._due = 0.0
        self._link.ask(asyncio.get_running_loop().time())

    async def _make(self, subject: Subject) -> None:
        with harmless:
            snapshot = await LocalFeed(subject).snapshot(with_sketches=True)
            snapshot = replace(
                snapshot,
                time=snapshot.time + self._skew,
                started_at=snapshot.started_at + self._skew,
                loaded_at=snapshot.loaded_at + self._skew,
            )
            self._encoded = self._encoded or SnapshotEncoder()
            encoded = await in_turns(self._encoded.encoding(snapshot))
            self._ready = await in_thread(self._sealed, encoded)
            self._link.ask(asyncio.get_running_loop().time())

    def _sealed(self, encoded: bytes) -> str:
        return self._sealer.seal(f"snapshot {self._link.label}", zlib.compress(encoded, _LEVEL))


class _Brief:
    """A brief, made anew each time that it is sent."""

    is_idle = True

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def entry(self, now: float) -> BriefEntry:
        return self._publisher.brief(now)

    def read(self, answer: str) -> Callable[[float, float], None]:
        watched = Watched.read(answer)
        return lambda asked_at, now: self._publisher.heard(watched, asked_at, now)


class _Snapshot:
    """A snapshot that is sent once."""

    is_idle = True

    def __init__(self, entry: SnapshotEntry) -> None:
        self._entry = entry

    def entry(self, now: float) -> SnapshotEntry:
        return self._entry

    def read(self, answer: str) -> Callable[[float, float], None]:
        if answer != NOTHING:
            raise ValueError(f"this is no answer to a snapshot: {answer!r}")
        return lambda asked_at, now: None
