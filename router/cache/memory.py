"""The first level: the answers used last, within a number of bytes."""

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
        data = self._entries.get(key)
        if data is not None:
            self._entries.move_to_end(key)
        return data

    def put(self, key: str, data: bytes) -> None:
        """What is larger than all of it is not kept."""
        self.drop(key)
        if len(data) > self._most:
            return
        self._entries[key] = data
        self.size += len(data)
        while self.size > self._most:
            _, gone = self._entries.popitem(last=False)
            self.size -= len(gone)

    def drop(self, key: str) -> None:
        gone = self._entries.pop(key, None)
        if gone is not None:
            self.size -= len(gone)

    def keys(self) -> list[str]:
        return list(self._entries)

    def clear(self) -> None:
        self._entries.clear()
        self.size = 0
