"""Spreads what is shared over several places of a server: each entry has its own, by the last of its keys.

So those that have a key in common name it last, and lie in one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from zlib import crc32

import msgspec

from router.shared.exchange import Entry, Message, Reply
from router.shared.link import Exchange

_ALIVE = 1.0  # seconds after which a shard hears of a process again that has nothing to tell it


class Sharded:
    """Exchanges with all shards at once that a message has something for, as if they were one.

    If one of them fails, the message has failed: it is repeated, and those that had answered it do so again, without
    effect. If one has lost its data, all count as having lost theirs.

    Args:
        exchanges: with each shard.
    """

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._exchanges = exchanges
        self._epochs: dict[int, str] = {}  # of the shards that this process is known to
        self._asked_at: dict[int, float] = {}
        self._losses = 0

    async def open(self, message: Message) -> None:
        """Connect to all shards that a message goes to."""
        shards = self._entries(message, asyncio.get_running_loop().time())
        opened = (self._exchanges[shard].open(message) for shard in shards)
        for problem in await asyncio.gather(*opened, return_exceptions=True):
            if problem is not None:
                raise problem

    def _entries(self, message: Message, now: float) -> dict[int, list[tuple[int, Entry]]]:
        """Return what goes to each shard, with its place in the message."""
        entries: dict[int, list[tuple[int, Entry]]] = {0: []}  # the first always answers: it knows all who live
        for at, entry in enumerate(message.entries):
            entries.setdefault(self._shard(entry), []).append((at, entry))
        for shard in self._epochs:
            if message.leaving or now - self._asked_at[shard] >= _ALIVE:
                entries.setdefault(shard, [])
        return entries

    async def send(self, message: Message) -> Reply:
        """Return the replies as one; raises what the first that fails does."""
        now = asyncio.get_running_loop().time()
        entries = self._entries(message, now)
        asked = (self._exchanges[shard].send(self._part(message, shard, part)) for shard, part in entries.items())
        replies: dict[int, Reply] = {}
        for shard, reply in zip(entries, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(reply, BaseException):
                raise reply
            replies[shard] = reply
        answers = [""] * len(message.entries)
        for shard, reply in replies.items():
            if len(reply.answers) != len(entries[shard]):
                raise ValueError("the server has another reply than was asked for")
            for (at, _), answer in zip(entries[shard], reply.answers, strict=True):
                answers[at] = answer
        self._losses += any(self._epochs.get(shard, reply.epoch) != reply.epoch for shard, reply in replies.items())
        for shard, reply in replies.items():
            self._epochs[shard], self._asked_at[shard] = reply.epoch, now
        processes = max(reply.processes for reply in replies.values())
        tick = max(reply.tick for reply in replies.values())
        return Reply(f"{self._losses} losses", replies[0].time, processes, tick, tuple(answers))

    def _shard(self, entry: Entry) -> int:
        return crc32(entry.keys()[-1].encode()) % len(self._exchanges)

    def _part(self, message: Message, shard: int, part: list[tuple[int, Entry]]) -> Message:
        own = tuple(entry for _, entry in part)
        return msgspec.structs.replace(message, entries=own, seen=self._epochs.get(shard, ""))

    async def aclose(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(exchange.aclose() for exchange in self._exchanges))
