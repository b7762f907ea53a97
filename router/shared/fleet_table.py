"""Keeps what processes tell of themselves, for those who watch. The twin of `lua/fleet.lua`. Pure: time comes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from router.shared.fleet import (
    BRIEF,
    NOTHING,
    SNAPSHOT,
    WATCH,
    BriefEntry,
    ReadEntry,
    SnapshotEntry,
    WatchEntry,
    brief_key,
    snapshot_key,
)
from router.shared.table import Moment

FleetEntry: TypeAlias = BriefEntry | SnapshotEntry | WatchEntry | ReadEntry


class FleetTable:
    """All briefs and snapshots.

    Args:
        living: returns when each living process was heard last, by label.
    """

    def __init__(self, living: Callable[[], Mapping[str, float]]) -> None:
        self._living = living
        self._kept: dict[str, tuple[float, str]] = {}  # until when, and what

    def answer(self, entry: FleetEntry, moment: Moment) -> str:
        """Keep what is told, and say what is asked for."""
        now = moment.now
        match entry:
            case BriefEntry():
                self._keep(brief_key(entry.label), entry.sealed, now + BRIEF)
                wanted = moment.label in self._find("w", now).split(" ")
                return f"{wanted:d} {now:.6f}"
            case SnapshotEntry():
                self._keep(snapshot_key(entry.label), entry.sealed, now + SNAPSHOT)
                return NOTHING
            case WatchEntry():
                if entry.labels:
                    self._keep("w", " ".join(entry.labels), now + WATCH)
                seen = sorted((round(time, 6), label) for label, time in self._living().items())
                return " ".join(label for _, label in seen)
        return " ".join(self._find(name, now) for name in entry.names)

    def _keep(self, name: str, what: str, until: float) -> None:
        self._kept[name] = until, what

    def _find(self, name: str, now: float) -> str:
        until, what = self._kept.get(name, (now, ""))
        if until > now:
            return what
        self._kept.pop(name, None)
        return NOTHING
