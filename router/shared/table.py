"""What every table of the allocator is: it answers the entries of one kind."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

_Entry_contra = TypeVar("_Entry_contra", contravariant=True)


class Moment(NamedTuple):
    """When, for whom and in which circumstances an entry is answered.

    Args:
        now: seconds on the server's clock.
        label: of the process that asks.
        anew: whether the process knows other data than the server has: what it tells of was lost.
        lost: whether data was lost within the last minute.
        leaving: whether the process ends.
        processes: that live, this one included unless it leaves.
        born: when the server's data was made.
    """

    now: float
    label: str
    anew: bool
    lost: bool
    leaving: bool
    processes: int
    born: float


class Table(Protocol[_Entry_contra]):
    """Everything of one kind that the server knows."""

    def answer(self, entry: _Entry_contra, moment: Moment) -> str:
        """Take in what is told, and return the line that answers it."""
        ...
