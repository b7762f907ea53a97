"""What processes tell of themselves, and what those who watch ask for, in an exchange. Pure.

A process tells a `BriefEntry` now and then, and hears whether anybody wants a `SnapshotEntry` of it. Who watches sends
a `WatchEntry`, which names those processes and gets the labels of all, and `ReadEntry`s for what they told. The last
key of all these is the same: over several shards of a server they lie together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import msgspec

BRIEF, SNAPSHOT, WATCH = 10, 5, 10  # seconds that each is kept
NOTHING = "-"  # in an answer
_WATCHED = "w"  # the key of the labels of those who are watched


class BriefEntry(msgspec.Struct, frozen=True):
    """The brief of a process, sealed."""

    label: str
    sealed: str

    kind: ClassVar[str] = "brief"

    def keys(self) -> tuple[str, ...]:
        """Return the keys of the brief, and of those who are watched."""
        return brief_key(self.label), _WATCHED

    def arguments(self) -> Iterator[str]:
        """Return the brief."""
        yield self.sealed


class SnapshotEntry(msgspec.Struct, frozen=True):
    """The snapshot of a process that is watched, sealed."""

    label: str
    sealed: str

    kind: ClassVar[str] = "snapshot"

    def keys(self) -> tuple[str, ...]:
        """Return the keys of the snapshot, and of those who are watched."""
        return snapshot_key(self.label), _WATCHED

    def arguments(self) -> Iterator[str]:
        """Return the snapshot."""
        yield self.sealed


class WatchEntry(msgspec.Struct, frozen=True):
    """The labels of those who shall tell snapshots, for the next ten seconds; none changes nothing. The answer has the
    labels of all who live.
    """

    labels: tuple[str, ...]

    kind: ClassVar[str] = "watch"

    def keys(self) -> tuple[str, ...]:
        """Return the key of those who are watched."""
        return (_WATCHED,)

    def arguments(self) -> Iterator[str]:
        """Return the labels."""
        yield " ".join(self.labels)


class ReadEntry(msgspec.Struct, frozen=True):
    """What is kept under some keys is wanted. The answer has one word for each: what it is, or `NOTHING`."""

    names: tuple[str, ...]

    kind: ClassVar[str] = "read"

    def keys(self) -> tuple[str, ...]:
        """Return the keys, and that of those who are watched."""
        return *self.names, _WATCHED

    def arguments(self) -> Iterator[str]:
        """Return how many they are."""
        yield str(len(self.names))


class Watched(NamedTuple):
    """What a process hears: whether somebody wants its snapshots, and the server's time (seconds since 1970)."""

    wanted: bool
    time: float

    @staticmethod
    def read(answer: str) -> Watched:
        """Read the answer to a brief. Raises ValueError where it is none."""
        wanted, time = answer.split(" ")
        return Watched(wanted == "1", float(time))


def brief_key(label: str) -> str:
    """Return the key of the brief of a process."""
    return f"br:{label}"


def snapshot_key(label: str) -> str:
    """Return the key of the snapshot of a process."""
    return f"s:{label}"
