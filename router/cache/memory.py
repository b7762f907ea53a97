"""The first level of the cache: the answers used last, within a number of bytes."""

from __future__ import annotations

from collections import OrderedDict

MOST_BYTES = 32 * 1024 * 1024


class Memory:
    """Bytes by key; the least recently used go first."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._entries: OrderedDict[str, bytes] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> bytes | None:
        """Return what is stored under a key, which now counts as used last."""
        data = self._entries.get(key)
        if data is not None:
            self._entries.move_to_end(key)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Store data; what is larger than the whole level is not kept."""
        self.drop(key)
        if len(data) > self._most:
            return
        self._entries[key] = data
        self.size += len(data)
        while self.size > self._most:
            _, gone = self._entries.popitem(last=False)
            self.size -= len(gone)

    def drop(self, key: str) -> None:
        """Forget what is stored under a key."""
        gone = self._entries.pop(key, None)
        if gone is not None:
            self.size -= len(gone)

    def keys(self) -> list[str]:
        """Return all keys."""
        return list(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.size = 0
