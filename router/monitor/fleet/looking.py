"""What one look at the server finds: who lives, what each tells, and that opened and added up. Without a task."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar, cast

import msgspec

from router.monitor.fleet.adding import add_up
from router.monitor.fleet.brief import Brief, read_brief
from router.monitor.fleet.orders import FRESH, KIND, Order, seal
from router.plan.rules import SharedRules
from router.shared.exchange import Entry, Message
from router.shared.fact import Fact, NewsEntry
from router.shared.fleet import NOTHING, ReadEntry, WatchEntry, brief_key, snapshot_key
from router.shared.link import Exchange
from router.shared.sealing import Sealer
from router.views.commands import Command
from router.views.events import Event, EventKind, Level
from router.views.figures import Snapshot

SAMPLED = 50  # processes that are asked for snapshots
PATIENCE = 2.0  # seconds that the server may take for a reply
_BRIEFS, _SNAPSHOTS = 500, 10  # that are read in one exchange
_SAME = 0.5  # seconds: by so much a time may change that is told again, as clocks are compared anew
_LONGEST = 64 * 1024 * 1024  # bytes of a snapshot

T = TypeVar("T")


class Look(NamedTuple):
    """What was found: the labels of all who live, and what they tell, still sealed."""

    labels: tuple[str, ...]
    chosen: tuple[str, ...]
    briefs: dict[str, str]
    snapshots: dict[str, str]


class Looking:
    """Looks at a fleet, and says whose snapshots are wanted.

    Args:
        exchange: carries messages.
        rules: of the file.
    """

    def __init__(self, exchange: Exchange, rules: SharedRules) -> None:
        self._exchange = exchange
        self._rules = rules
        self._label = secrets.token_urlsafe(9)
        self._number = 0
        self._one_at_a_time = asyncio.Lock()
        self._chosen: tuple[str, ...] = ()
        self._ahead = 0.0  # the server's time less the loop's
        self._sealer = sealer = Sealer(rules.secret or "", rules.app)
        self._briefs = _Opened(sealer, "brief", read_brief)
        self._snapshots = _Opened(sealer, "snapshot", _snapshot)

    async def look(self) -> Look:
        """Ask the server; raises whatever goes wrong."""
        labels = await self._watch()
        chosen = tuple(sorted(labels)[:SAMPLED])  # they are random, so this is a sample, and the same for all who watch
        if chosen != self._chosen:
            self._chosen = chosen
            await self._watch()
        briefs = await self._read(labels, brief_key, _BRIEFS)
        snapshots = await self._read(chosen, snapshot_key, _SNAPSHOTS)
        return Look(labels, chosen, briefs, snapshots)

    def add_up(self, look: Look) -> Snapshot | None:
        """Open what was found and make one snapshot of it; None where nothing can be read. For a thread: of many
        processes it takes long.
        """
        briefs = self._briefs.open(look.briefs)
        snapshots = self._snapshots.open({label: look.snapshots[label] for label in look.snapshots if label in briefs})
        if not briefs:
            return None
        rules = self._rules
        return add_up(rules.app, briefs, snapshots, len(look.labels), common="budgets" in rules.share)

    @property
    def briefs(self) -> Mapping[str, Brief]:
        """Those of the last look, by label."""
        return self._briefs.found

    async def ask(self, entry: Entry) -> str:
        """Return the answer to an entry; raises whatever goes wrong."""
        self._number += 1
        message = Message(self._label, self._number, "", (entry,), leaving=True)  # who watches does not count
        async with asyncio.timeout(PATIENCE), self._one_at_a_time:
            await self._exchange.open(message)
            reply = await self._exchange.send(message)
        self._ahead = reply.time - asyncio.get_running_loop().time()
        (answer,) = reply.answers
        return answer

    async def order(self, command: Command, to: str) -> str:
        """Tell a command to one process or all; returns its number. Raises whatever goes wrong."""
        await self._watch()  # which tells the server's time
        number = secrets.token_urlsafe(9)
        at = asyncio.get_running_loop().time() + self._ahead
        payload = seal(self._sealer, number, Order(to, at, command))
        await self.ask(NewsEntry(0, (Fact(KIND, number, FRESH, payload),)))
        return number

    async def _watch(self) -> tuple[str, ...]:
        return tuple((await self.ask(WatchEntry(self._chosen))).split())

    async def _read(self, labels: Sequence[str], key: Callable[[str], str], at_once: int) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(labels), at_once):
            some = labels[start : start + at_once]
            told = (await self.ask(ReadEntry(tuple(map(key, some))))).split(" ")
            found |= {label: each for label, each in zip(some, told, strict=True) if each != NOTHING}
        return found


class _Opened(Generic[T]):
    """What processes tell, opened: what is the same as before is not opened anew."""

    def __init__(self, sealer: Sealer, purpose: str, read: Callable[[bytes], T]) -> None:
        self._sealer, self._purpose, self._read = sealer, purpose, read
        self._known: dict[str, tuple[str, T]] = {}

    @property
    def found(self) -> dict[str, T]:
        return {label: read for label, (_, read) in self._known.items()}

    def open(self, sealed: Mapping[str, str]) -> dict[str, T]:
        """Open all that can be; what was sealed with another secret, or is none of it, is left out."""
        known: dict[str, tuple[str, T]] = {}
        for label, text in sealed.items():
            before = self._known.get(label)
            if before is not None and before[0] == text:
                known[label] = before
                continue
            try:
                known[label] = text, self._read(self._sealer.open(f"{self._purpose} {label}", text))
            except (ValueError, zlib.error):  # msgspec's errors are of the first kind
                continue
        self._known = known
        return self.found


_decoder = msgspec.json.Decoder(Snapshot)


def _snapshot(packed: bytes) -> Snapshot:
    return _decoder.decode(zlib.decompressobj().decompress(packed, _LONGEST))


def changed_lamps(before: Mapping[str, Brief], after: Iterable[Brief]) -> dict[tuple[str, str], int]:
    """Return whose lamp is the worst of how many processes, where it was of none before."""
    known = {(brief.worst, brief.state) for brief in before.values()}
    found: dict[tuple[str, str], int] = {}
    for brief in after:
        lamp = brief.worst, brief.state
        if brief.worst and lamp not in known:
            found[lamp] = found.get(lamp, 0) + 1
    return found


def new_events(before: Mapping[str, Brief], after: Mapping[str, Brief]) -> list[Event]:
    """Return what processes have told since, the oldest first."""
    found: list[Event] = []
    for label, brief in after.items():
        known = before[label].events if label in before else ()
        found += [
            Event(
                told.time,
                cast(EventKind, told.kind),
                f"{told.sentence} (process {brief.pid} on {brief.host})",
                cast(Level, told.level),
                told.provider or None,
                told.target or None,
                pid=brief.pid,
                fields={"host": brief.host},
            )
            for told in brief.events
            if not any(old.sentence == told.sentence and abs(old.time - told.time) < _SAME for old in known)
        ]
    return sorted(found, key=lambda event: event.time)
