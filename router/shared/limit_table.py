"""Hands out leases of limits: never more than a limit's amount in any of its periods, and its `cap` at once.

The twin of `lua/limit.lua`. Pure: time comes in.
"""

from __future__ import annotations

import struct
from math import floor

from router.shared.limit import SLOTS, LimitEntry
from router.shared.table import Moment

_RING = SLOTS + 1  # the running slot is counted besides, so that the ring never covers too little
_FLOATS = struct.Struct(f">{_RING}f")  # what the script keeps of a ring
_ROUNDING = 0.001


class _Limit:
    """What is known of one limit: when its bucket is full again, the newest slot, and the units in each slot."""

    __slots__ = ("arrival", "newest", "ring")

    def __init__(self, arrival: float, newest: int) -> None:
        self.arrival = arrival
        self.newest = newest
        self.ring = [0.0] * _RING


class LimitTable:
    """All limits.

    What is leased counts as used, in a ring of slots of 1/30 of the period, and in a bucket that refills at the limit's
    rate.
    """

    def __init__(self) -> None:
        self._limits: dict[str, _Limit] = {}

    def answer(self, entry: LimitEntry, moment: Moment) -> str:
        """Take in what was used, and lease what is wanted: units, how far it is used up, seconds until there is one."""
        now, rate, length = moment.now, entry.amount / entry.period, entry.period / SLOTS
        limit = self._limits.get(entry.name)
        if limit is None:
            # Else all that was lost could be had again at once.
            arrival = now + entry.cap / rate if moment.lost else 0.0
            limit = self._limits[entry.name] = _Limit(arrival, floor(now / length))
        ring, newest = limit.ring, max(limit.newest, floor(now / length))
        for gone in range(limit.newest + 1, min(newest, limit.newest + _RING) + 1):
            ring[gone % _RING] = 0.0
        arrival = max(limit.arrival, now)
        if not moment.anew:
            arrival = max(arrival + entry.charge / rate, now)
            for age, units in entry.used:
                slot = floor((now - age) / length)
                if newest - SLOTS <= slot <= newest:
                    ring[slot % _RING] += units
        if entry.left is not None:
            arrival = max(arrival, now + max(0.0, entry.cap - entry.left) / rate)
        if entry.cap >= entry.amount:
            arrival = now  # a rate that is not smoothed: the ring alone says what is left
        used = 0.0
        for units in ring:  # not by sum(), which rounds less than the script does
            used += units
        bucket = entry.cap - (arrival - now) * rate
        got = max(0, min(entry.want, floor(min(bucket, entry.amount - used) + _ROUNDING)))
        wait = 0.0
        if not got:
            freed = _freed(ring, newest, used - (entry.amount - 1), length)
            wait = max(0.0, (1 - bucket) / rate, freed - now)
        ring[newest % _RING] += got
        limit.arrival, limit.newest = arrival + got / rate, newest
        limit.ring = list(_FLOATS.unpack(_FLOATS.pack(*ring)))
        fill = max(0.0, min(1.0, max((used + got) / entry.amount, 1 - (bucket - got) / entry.cap)))
        return f"{got} {fill:.4f} {wait:.6f}"


def _freed(ring: list[float], newest: int, over: float, length: float) -> float:
    """Return when so many units will have left the ring; 0 where none have to."""
    slot, moment = newest - SLOTS, 0.0
    while over > 0 and slot <= newest:
        over -= ring[slot % _RING]
        slot += 1
        moment = (slot + SLOTS) * length
    return moment
