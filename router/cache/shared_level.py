"""The third level: answers that processes of all machines share. `router.shared` has it; the cache knows this much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

import msgspec

if TYPE_CHECKING:
    from router.cache.disk import Disk
    from router.cache.memory import Memory

T = TypeVar("T")

Level: TypeAlias = Literal["memory", "disk", "shared"]
LOOK_EVERY = 1.0  # seconds between two looks whether another process has cleared something


class SharedAnswers(Protocol):
    """Answers by the key's text. No method raises for what the server does, and none waits for one that is away."""

    async def get(self, text: str) -> bytes | None:
        """Return what is stored; None also when the server is late."""
        ...

    async def get_many(self, texts: Sequence[str]) -> dict[str, bytes]:
        """Return what is stored under several keys, as far as the server is in time."""
        ...

    def put(self, text: str, data: bytes, seconds: float) -> None:
        """Store an answer for so many seconds, beside the requests."""
        ...

    async def written(self) -> object:
        """Wait until everything that was to be stored is, or can't be."""
        ...

    async def clear(self, route: str | None, namespace: str | None) -> Mapping[str, str] | None:
        """Forget answers for everybody; returns the scope and which clearing it was, None when that failed."""
        ...

    async def cleared(self) -> Mapping[str, str] | None:
        """Return which clearing was the last of each scope; None when it is not known."""
        ...

    def scopes(self, text: str) -> tuple[str, ...]:
        """Return the scopes that an answer is in."""
        ...

    async def turn(self, text: str, most: float, read: Callable[[bytes], T | None]) -> T | None:
        """Wait so many seconds at most while another process makes this call; None: make it, and say when `done`."""
        ...

    async def take(self, texts: Sequence[str]) -> set[str] | None:
        """Return those of which no other process makes the call: make it, and say when it is `done`. None where nobody
        waits for others.
        """
        ...

    def done(self, text: str) -> None:
        """Say that the call was made, and its answer put."""
        ...


class Clearings:
    """What was cleared anywhere, as far as the levels of this process have followed."""

    def __init__(self) -> None:
        self._own: dict[str, str] = {}
        self._followed: Mapping[str, str] | None = None
        self._on_disk_at: float | None = None
        self._looked_at = -inf

    def look(
        self,
        start: Callable[[Coroutine[Any, Any, None]], object],
        memory: Memory,
        disk: Disk | None,
        shared: SharedAnswers | None,
    ) -> None:
        """Now and then, beside the requests: has another process cleared something?"""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        if disk is not None:
            start(self._follow_disk(memory, disk))
        if shared is not None:
            start(self.follow(shared, memory, disk))

    async def _follow_disk(self, memory: Memory, disk: Disk) -> None:
        at = await disk.cleared_at()
        if self._on_disk_at not in (None, at):
            memory.clear()
        self._on_disk_at = at

    def made(self, clearing: Mapping[str, str]) -> None:
        """Take note of a clearing of this process, which has followed it."""
        self._own |= clearing

    async def follow(self, shared: SharedAnswers, memory: Memory, disk: Disk | None) -> None:
        """Forget here what was cleared for all since the last look. The first look goes by what the folder has
        followed: processes before this one have written it down there.
        """
        cleared = await shared.cleared()
        if cleared is None:
            return
        known = self._followed
        if known is None:
            known = {} if disk is None else await disk.followed()
        scopes = {scope for scope, token in cleared.items() if token not in (known.get(scope), self._own.get(scope))}
        self._followed = cleared

        def matches(text: str) -> bool:
            try:
                return not scopes.isdisjoint(shared.scopes(text))
            except (msgspec.DecodeError, UnicodeError):
                return False

        if scopes:
            for key in filter(matches, memory.keys()):
                memory.drop(key)
        if disk is not None and cleared != known and (not scopes or await disk.clear(matches) is not None):
            await disk.follow(cleared)
