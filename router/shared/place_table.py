"""Hands out places, never more than there are; those of dead processes come free.

The twin of `lua/place.lua`. Pure: time comes in.
"""

from __future__ import annotations

from math import inf

from router.shared.place import DEAD, GATHERING, PlaceEntry
from router.shared.table import Moment

_SHORT = 2.0  # seconds for which it counts that somebody got none
_SWEPT = 10  # dead processes that are looked for each time


class _Held:
    """Who holds how many, with when each was heard, the longest ago first; and when somebody got too few."""

    __slots__ = ("holders", "short_at")

    def __init__(self) -> None:
        self.holders: dict[str, tuple[float, int]] = {}
        self.short_at = -inf


class PlaceTable:
    """All places."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def answer(self, entry: PlaceEntry, moment: Moment) -> str:
        """Take in what is held, and give what is wanted: how many, those free then, whether they were short."""
        now, held = moment.now, self._held.setdefault(entry.name, _Held())
        dead = [who for who, (seen, _) in held.holders.items() if seen <= now - DEAD]
        for who in sorted(dead, key=lambda who: (held.holders[who][0], who))[:_SWEPT]:
            del held.holders[who]
        held.holders.pop(moment.label, None)
        room = entry.most - sum(count for _, count in held.holders.values()) - entry.held
        gathers = moment.lost and now < moment.born + GATHERING
        got = min(0, room) if gathers else min(entry.want, room)
        holds = entry.held + max(0, got)
        if holds:
            held.holders[moment.label] = now, holds
        if got < entry.want:
            held.short_at = now
        is_short = now < held.short_at + _SHORT
        return f"{got} {max(0, room - got)} {is_short:d}"
