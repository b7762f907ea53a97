"""The script's twin in Python: hands out leases of limits, on plain data. `exchange.lua` is the same for a server.

Pure: time comes in.
"""

from __future__ import annotations

import struct
from math import floor

from router.shared.exchange import SLOTS, Ask, Grant, Message, Reply

_RING = SLOTS + 1  # the running slot is counted besides, so that the ring never covers too little
_FLOATS = struct.Struct(f">{_RING}f")  # what the script keeps of a ring
_LIVING = 5.0  # seconds after its last exchange that a process counts as living
_ROUNDING = 0.001


class _Limit:
    """What is known of one limit: when its bucket is full again, the newest slot, and the units in each slot."""

    __slots__ = ("arrival", "newest", "ring")

    def __init__(self, arrival: float, newest: int) -> None:
        self.arrival = arrival
        self.newest = newest
        self.ring = [0.0] * _RING


class Allocator:
    """Hands out leases: never more than a limit's amount in any of its periods, and its `cap` at once.

    What is leased counts as used, in a ring of slots of 1/30 of the period, and in a bucket that refills at the limit's
    rate.
    """

    def __init__(self) -> None:
        self._epoch = ""
        self._living: dict[str, float] = {}
        self._replies: dict[str, tuple[int, Reply]] = {}
        self._limits: dict[str, _Limit] = {}

    def exchange(self, message: Message, now: float) -> Reply:
        """Answer a message.

        Args:
            now: seconds on a clock that all messages share.
        """
        self._epoch = self._epoch or f"{now:.6f}"
        number, last = self._replies.get(message.label, (None, None))
        if last is not None and number == message.number:
            return last
        if message.leaving:
            self._living.pop(message.label, None)
        else:
            self._living[message.label] = now
        self._living = {label: seen for label, seen in self._living.items() if seen > now - _LIVING}
        anew = message.seen not in ("", self._epoch)
        grants = tuple(self._grant(ask, now, anew=anew, lost=anew or message.lost) for ask in message.asks)
        processes = len(self._living)
        reply = Reply(self._epoch, processes, round(max(0.1, min(1.0, processes / 10_000)), 4), grants)
        self._replies[message.label] = message.number, reply
        return reply

    def _grant(self, ask: Ask, now: float, *, anew: bool, lost: bool) -> Grant:
        rate, length = ask.amount / ask.period, ask.period / SLOTS
        limit = self._limits.get(ask.name)
        if limit is None:
            # Else all that was lost could be had again at once.
            arrival = now + ask.cap / rate if lost else 0.0
            limit = self._limits[ask.name] = _Limit(arrival, floor(now / length))
        ring, newest = limit.ring, max(limit.newest, floor(now / length))
        for gone in range(limit.newest + 1, min(newest, limit.newest + _RING) + 1):
            ring[gone % _RING] = 0.0
        arrival = max(limit.arrival, now)
        if not anew:
            arrival = max(arrival + ask.charge / rate, now)
            for age, units in ask.used:
                slot = floor((now - age) / length)
                if newest - SLOTS <= slot <= newest:
                    ring[slot % _RING] += units
        if ask.left is not None:
            arrival = max(arrival, now + max(0.0, ask.cap - ask.left) / rate)
        if ask.cap >= ask.amount:
            arrival = now  # a rate that is not smoothed: the ring alone says what is left
        used = 0.0
        for units in ring:  # not by sum(), which rounds less than the script does
            used += units
        bucket = ask.cap - (arrival - now) * rate
        got = max(0, min(ask.want, floor(min(bucket, ask.amount - used) + _ROUNDING)))
        wait = (
            0.0 if got else max(0.0, (1 - bucket) / rate, _freed(ring, newest, used - (ask.amount - 1), length) - now)
        )
        ring[newest % _RING] += got
        limit.arrival, limit.newest, limit.ring = (
            arrival + got / rate,
            newest,
            list(_FLOATS.unpack(_FLOATS.pack(*ring))),
        )
        fill = max(0.0, min(1.0, max((used + got) / ask.amount, 1 - (bucket - got) / ask.cap)))
        return Grant(got, round(fill, 4), round(wait, 6))


def _freed(ring: list[float], newest: int, over: float, length: float) -> float:
    """Return when so many units will have left the ring; 0 where none have to."""
    slot, moment = newest - SLOTS, 0.0
    while over > 0 and slot <= newest:
        over -= ring[slot % _RING]
        slot += 1
        moment = (slot + SLOTS) * length
    return moment
