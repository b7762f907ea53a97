"""The script and its twin in Python, asked the same: `exchange` gives both replies."""

from __future__ import annotations

from router.shared.allocator import Allocator
from router.shared.exchange import Entry, Message, Reply, read_reply
from router.shared.redis import SCRIPT
from tests.support.redis_server import RedisServer

CLOCK = "redis.call('TIME')"  # the server's own can't be set


class Twins:
    """An empty server and an empty allocator, at the same time of day."""

    def __init__(self, server: RedisServer) -> None:
        self.now = 1_700_000_000.0
        self.epoch = ""
        self._allocator = Allocator()
        self._client = server.client()
        self._client.flushall()
        self._numbers: dict[str, int] = {}

    def exchange(self, label: str, *entries: Entry, seen: str = "", **more: bool) -> tuple[Reply, Reply]:
        """Have a process exchange; returns what the script says, and its twin."""
        number = self._numbers[label] = self._numbers.get(label, 0) + 1
        message = Message(label, number, seen, entries, **more)
        keys, (whole, micro) = message.keys("sb:{app/0}:"), f"{self.now:.6f}".split(".")
        assert CLOCK in SCRIPT
        script = SCRIPT.replace(CLOCK, f'{{"{whole}", "{micro}"}}')
        reply = read_reply(self._client.eval(script, len(keys), *keys, *message.arguments()))
        twin = self._allocator.exchange(message, int(whole) + int(micro) / 1_000_000)
        self.epoch = reply.epoch
        assert reply[:-1] == twin[:-1]
        return reply, twin

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.now = round(self.now + seconds, 6)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
