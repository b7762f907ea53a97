"""Keeps the facts that processes tell, and hands each process those that are news to it.

The twin of `lua/news.lua`. Pure: time comes in.
"""

from __future__ import annotations

from typing import NamedTuple

from router.shared.fact import LONGEST_FACT, MOST_NEWS, Fact, NewsEntry
from router.shared.table import Moment

_AGAIN = 1.0  # seconds in which the same fact is no news again
_FORGOTTEN = 8  # of the oldest are looked at when another comes


class Kept(NamedTuple):
    """A fact with its version, when it was told and when it ends."""

    version: int
    at: float
    ends: float
    payload: str


class NewsTable:
    """All facts, by kind and name."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Kept] = {}  # by version, the oldest first
        self._version = 0

    def answer(self, entry: NewsEntry, moment: Moment) -> str:
        """Take in what is told, and return what is news to this process: its cursor, whether there is more, facts."""
        for fact in entry.facts:
            self._tell(fact, moment.now)
        cursor = 0 if moment.anew or entry.cursor > self._version else entry.cursor
        found = [(item, kept) for item, kept in self._kept.items() if kept.version > cursor][:MOST_NEWS]
        is_full = len(found) == MOST_NEWS
        version = found[-1][1].version if is_full else self._version
        lines = [f"{version} {is_full:d}"]
        for (kind, name), kept in found:
            if kept.ends > moment.now:
                lines.append(f"{kind} {name} {kept.ends - moment.now:.6f} {kept.payload}")
        return "\t".join(lines)

    def find(self, kind: str, name: str) -> Kept | None:
        """Return a fact as it was told last; None where it was not, or is forgotten."""
        return self._kept.get((kind, name))

    def publish(self, kind: str, name: str, payload: str, ends: float, now: float) -> None:
        """Make a fact news to all."""
        self._version += 1
        self._kept.pop((kind, name), None)
        self._kept[kind, name] = Kept(self._version, now, float(f"{ends:.6f}"), payload)  # as a server keeps it
        for item in list(self._kept)[:_FORGOTTEN]:
            if self._kept[item].ends <= now:
                del self._kept[item]

    def _tell(self, fact: Fact, now: float) -> None:
        """Keep a fact; where it is known already, the later end holds."""
        ends = now + min(fact.seconds, LONGEST_FACT)
        kept = self._kept.get((fact.kind, fact.name))
        if ends <= now:
            return
        if kept is not None and kept.ends > now:
            if kept.payload == fact.payload:
                if ends <= kept.ends:
                    return
                if now < kept.at + _AGAIN:
                    self._kept[fact.kind, fact.name] = kept._replace(ends=float(f"{ends:.6f}"))
                    return
            ends = max(ends, kept.ends)
        self.publish(fact.kind, fact.name, fact.payload, ends, now)
