"""The response cache of a router: two levels, their expiry, and what they saved."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import msgspec
from msgspec.structs import replace

from providers.threads import in_thread
from providers.types import CompletionRequest, CompletionResponse
from router.cache.codec import BadEntry, Entry, decode, encode
from router.cache.key import CacheKey, cache_key
from router.cache.memory import MOST_BYTES, Memory
from router.cache.worth import is_by_fallback, why_not_stored
from router.config.units import format_duration
from router.errors import ONE_A_PROCESS, CacheUnavailable

if TYPE_CHECKING:
    from router.cache.disk import Disk
    from router.plan.plan import Chain
    from router.plan.rules import CacheRules

log = logging.getLogger("signalbox.cache")

MEMORY_ONLY = "memory"  # the `path` of a cache that is not on disk
_LARGE = 64 * 1024  # characters from which an answer is written in a thread, not on the loop
COUNT_EVERY = 5.0  # seconds between two counts of what is on disk, while somebody watches
LOOK_EVERY = 1.0  # seconds between two looks whether another process has cleared something


class CacheStats(msgspec.Struct):
    """Counts since the router's start. `joined` counts requests that waited for the call of an identical one.

    What hits saved: tokens that were not read and made again, and US dollars as far as prices are known.
    """

    hits: int = 0
    misses: int = 0
    stale: int = 0
    joined: int = 0
    stored: int = 0
    input_tokens_saved: int = 0
    output_tokens_saved: int = 0
    cost_saved: float = 0.0


class Stored(NamedTuple):
    """An answer that is stored, and fresh until it is older than it `lasts`; seconds. `by_fallback`: a fallback made
    it, because a target before it failed.
    """

    age: float
    lasts: float
    by_fallback: bool


class ResponseCache:
    """Stores answers by key, in memory and in a folder that all processes of the machine share.

    Args:
        folder: of the disk level; None keeps answers in memory only.
        most: bytes on disk.
        wall: seconds since 1970; answers outlive the process.
        tell: called with the folder, and what has become of it (`disk.Tell`).
    """

    def __init__(
        self,
        folder: Path | None,
        most: int,
        wall: Callable[[], float],
        tell: Callable[[Path, str, str], None] = lambda folder, state, why: None,
    ) -> None:
        self.stats = CacheStats()
        self._wall = wall
        self._memory = Memory()
        self._folder = folder
        self._most = most
        self._disk: Disk | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._unwritten: dict[str, Entry] = {}  # large ones, until they are in memory
        self._tell = tell
        self._counted: tuple[int, int] | None = None  # what was on disk, as (entries, bytes)
        self._counted_at = -inf
        self._looked_at = -inf
        self._cleared_at: float | None = None

    def __reduce__(self) -> NoReturn:
        raise TypeError(ONE_A_PROCESS)

    # --- what a person asks

    async def volume(self) -> tuple[int, int]:
        """Return how much is stored, as (entries, bytes): on disk, or in memory where there is no disk.

        Raises:
            CacheUnavailable: the disk has failed.
        """
        disk = self._on_disk()
        if disk is None:
            return len(self._memory), self._memory.size
        self._counted = await disk.volume()
        if self._counted is None:
            raise CacheUnavailable(f"what is stored in {disk.folder} can't be counted now: {disk.trouble}")
        return self._counted

    def last_volume(self) -> tuple[int, int] | None:
        """Return what `volume` would, as far as it is known, at once; the disk is asked beside, every few seconds."""
        if self._folder is None:
            return len(self._memory), self._memory.size
        try:
            now = asyncio.get_running_loop().time()
        except RuntimeError:  # nobody could wait for the disk
            return self._counted
        if self._disk is not None and now - self._counted_at >= COUNT_EVERY:
            self._counted_at = now
            self._start(self._count(self._disk))
        return self._counted

    async def _count(self, disk: Disk) -> None:
        self._counted = await disk.volume()

    @property
    def most(self) -> int:
        """The most bytes that are kept: on disk, or in memory where there is no disk."""
        return MOST_BYTES if self._folder is None else self._most

    @property
    def place(self) -> tuple[Path | None, int]:
        """The folder and the most bytes in it; the folder is None where answers are in memory only."""
        return self._folder, self._most

    async def stored(self, chain: Chain, request: CompletionRequest) -> Stored | None:
        """Return what is known of the stored answer to a request; None when there is none.

        Raises:
            NotCacheable: the request has no key.
        """
        assert chain.cache is not None, "the route keeps no answers"
        key = cache_key(request, chain.route, chain.answers, chain.cache.namespace).text()
        fresh, spare = await self.find(key, msgspec.structs.replace(chain.cache, stale_for=inf))
        entry = fresh or spare
        if entry is None:
            return None
        return Stored(self._age(entry), chain.cache.lasts(entry.by_fallback), entry.by_fallback)

    def forget_memory(self) -> None:
        """Empty the memory level; what is on disk stays."""
        self._memory.clear()

    async def clear(self, *, route: str | None = None, namespace: str | None = None) -> int:
        """Forget answers, in all processes within about a second; returns how many went.

        Args:
            route: of this route only; None of all.
            namespace: of this namespace only, be it the route's or a request's; None of all.

        Raises:
            CacheUnavailable: the disk has failed, so that only the answers in memory are forgotten.
        """

        def matches(text: str) -> bool:
            return _matches(text, route, namespace)

        await self.written()
        keys = [key for key in self._memory.keys() if matches(key)]  # noqa: SIM118 - it is no dict
        for key in keys:
            self._memory.drop(key)
        disk = self._on_disk()
        if disk is None:
            return len(keys)
        gone = await disk.clear(matches)
        if gone is None:
            raise CacheUnavailable(f"what is stored in {disk.folder} can't be forgotten now: {disk.trouble}")
        return gone

    # --- what the engine asks

    async def find(self, text: str, rules: CacheRules) -> tuple[Entry | None, Entry | None]:
        """Return an entry that is fresh, and one that may be served when all else fails.

        Args:
            text: of the key (`CacheKey.text`).
        """
        entry = self._in_memory(text)
        if self._folder is not None and (entry is None or self._age(entry) > rules.lasts(entry.by_fallback)):
            on_disk = await self._from_disk(text)
            # What was stored while the disk was asked is in memory: nobody may miss it, or make the same call again.
            known = [each for each in (self._in_memory(text), on_disk) if each is not None]
            entry = max(known, key=lambda each: each.at, default=None)
        self._look()
        if entry is None:
            return None, None
        age = self._age(entry)
        lasts = rules.lasts(entry.by_fallback)
        if age <= lasts:
            return entry, entry
        return None, entry if age <= lasts + rules.stale_for else None

    def keep(self, text: str, response: CompletionResponse, rules: CacheRules) -> str:
        """Store an answer, beside the request; says "stored", for how long where that is less than the route's `ttl`,
        or why it is not.
        """
        by_fallback = is_by_fallback(response.trace)
        if why := why_not_stored(response, rules, by_fallback=by_fallback):
            return f"not stored: {why}"
        entry, lasts = Entry(self._wall(), response, by_fallback), rules.lasts(by_fallback)
        stored = "stored" if lasts == rules.ttl else f"stored for {format_duration(lasts)}: a fallback made it"
        if len(response.text) > _LARGE:
            self._unwritten[text] = entry
            self._start(self._keep_large(text, entry, rules))
            return stored
        try:
            data = encode(entry)
        except (ValueError, TypeError):
            return "not stored: it can't be written as JSON"
        if len(data) > rules.max_entry:
            return "not stored: larger than cache.max_entry"
        self._put(text, data, lasts + rules.stale_for)
        return stored

    def saved(self, response: CompletionResponse) -> None:
        """Count a hit and what it saved."""
        self.stats.hits += 1
        self.stats.input_tokens_saved += response.usage.input_tokens or 0
        self.stats.output_tokens_saved += response.usage.output_tokens or 0
        self.stats.cost_saved += response.cost or 0.0

    async def written(self) -> None:
        """Wait until everything that was to be stored is."""
        while self._writing:
            await asyncio.wait(self._writing)

    def adopt(self, folder: Path | None, most: int) -> None:
        """Take over another folder or size after an edit of the file; the memory level goes on."""
        if (folder, most) == (self._folder, self._most):
            return
        old, self._disk = self._disk, None
        self._folder, self._most = folder, most
        self._counted, self._counted_at = None, -inf
        if old is not None:
            self._start(old.aclose())

    def on_new_loop(self) -> None:
        """Forget what was being written, which went with the old loop."""
        self._writing.clear()
        self._unwritten.clear()

    async def aclose(self) -> None:
        """Wait for what is being written, and close the disk level."""
        await self.written()
        disk, self._disk = self._disk, None
        if disk is not None:
            await disk.aclose()

    # --- inside

    def _age(self, entry: Entry) -> float:
        return max(0.0, self._wall() - entry.at)

    def _on_disk(self) -> Disk | None:
        if self._disk is None and self._folder is not None:
            from router.cache.disk import Disk  # here: it loads diskcache

            self._disk = Disk(self._folder, self._most, partial(self._tell, self._folder))
        return self._disk

    def _in_memory(self, text: str) -> Entry | None:
        return self._unwritten.get(text) or self._decoded(text, self._memory.get(text))

    async def _from_disk(self, text: str) -> Entry | None:
        """What the disk has; the memory takes it, where it has nothing as new."""
        disk = self._on_disk()
        data = None if disk is None else await disk.get(text)
        if data is None:
            return None
        entry, known = self._decoded(text, data), self._in_memory(text)
        if entry is None and disk is not None:
            await disk.drop(text)
        elif entry is not None and (known is None or known.at < entry.at):
            self._memory.put(text, data)
        return entry

    def _decoded(self, text: str, data: bytes | None) -> Entry | None:
        if data is None:
            return None
        try:
            return decode(data)
        except BadEntry:
            self._memory.drop(text)
            return None

    async def _keep_large(self, text: str, entry: Entry, rules: CacheRules) -> None:
        try:
            data = await in_thread(encode, entry)
            if len(data) <= rules.max_entry:
                self._put(text, data, rules.lasts(entry.by_fallback) + rules.stale_for)
        except (ValueError, TypeError):
            return
        finally:
            self._unwritten.pop(text, None)

    def _put(self, text: str, data: bytes, seconds: float) -> None:
        self.stats.stored += 1
        self._memory.put(text, data)
        disk = self._on_disk()
        if disk is not None:
            self._start(_ignored(disk.put(text, data, min(seconds, 10 * 366 * 86_400.0))))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    def _look(self) -> None:
        """Now and then, beside the requests: has another process cleared something?"""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= LOOK_EVERY and self._folder is not None:
            self._looked_at = now
            self._start(self._forget_cleared())

    async def _forget_cleared(self) -> None:
        disk = self._on_disk()
        cleared_at = 0.0 if disk is None else await disk.cleared_at()
        if self._cleared_at is not None and cleared_at != self._cleared_at:
            self._memory.clear()
        self._cleared_at = cleared_at


async def _ignored(work: Coroutine[Any, Any, object]) -> None:
    await work


def _matches(text: str, route: str | None, namespace: str | None) -> bool:
    try:
        key = msgspec.json.decode(text, type=CacheKey)
        namespaces = msgspec.json.decode(key.namespace, type=list[str | None])
    except (msgspec.DecodeError, UnicodeError):
        return route is None and namespace is None
    return (route is None or key.route == route) and (namespace is None or namespace in namespaces)


def served(entry: Entry, *, stale: bool, trace: object) -> CompletionResponse:
    """Return the stored answer as the one to this request: unchanged, but saying that it comes from the cache.

    Its `raw` was the answer to another request's body.
    """
    return replace(entry.response, cached=True, stale=stale, trace=trace, native=False)
