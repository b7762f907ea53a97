"""The response cache of a router: its levels, their expiry, and what they saved."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

import msgspec
from msgspec.structs import replace

from providers.threads import in_thread
from providers.types import CompletionRequest, CompletionResponse
from router.cache.codec import BadEntry, Entry, decode, encode
from router.cache.key import cache_key, is_within
from router.cache.memory import MOST_BYTES, Memory
from router.cache.shared_level import Clearings, Level, SharedAnswers
from router.cache.stats import CacheStats, Stored
from router.cache.worth import is_by_fallback, why_not_stored
from router.config.units import format_duration
from router.errors import ONE_A_PROCESS, CacheUnavailable

if TYPE_CHECKING:
    from router.cache.disk import Disk
    from router.plan.plan import Chain
    from router.plan.rules import CacheRules

log = logging.getLogger("signalbox.cache")

MEMORY_ONLY = "memory"  # the `path` of a cache that is not on disk
_MEMORY: Level = "memory"
_LONGEST = 10 * 366 * 86_400.0  # seconds that anything is kept on disk
_LARGE = 64 * 1024  # characters from which an answer is written in a thread, not on the loop
COUNT_EVERY = 5.0  # seconds between two counts of what is on disk, while somebody watches


class ResponseCache:
    """Stores answers by key, in memory, in a folder that all processes of the machine share, and on a server that all
    machines do.

    Args:
        folder: of the disk level; None keeps answers in memory only.
        most: bytes on disk.
        wall: seconds since 1970; answers outlive the process.
        tell: called with the folder, and what has become of it (`disk.Tell`).

    `shared` are the answers that machines share now, None where they don't.
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
        self._writing: set[asyncio.Task[Any]] = set()
        self._unwritten: dict[str, Entry] = {}  # large ones, until they are in memory
        self._large: dict[str, asyncio.Task[Any]] = {}  # which write them
        self._tell = tell
        self.shared: SharedAnswers | None = None
        self._clearings = Clearings()
        self._counted: tuple[int, int] | None = None  # what was on disk, as (entries, bytes)
        self._counted_at = -inf

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
        fresh, spare, _ = await self.find(key, msgspec.structs.replace(chain.cache, stale_for=inf))
        entry = fresh or spare
        if entry is None:
            return None
        return Stored(self._age(entry), chain.cache.lasts(entry.by_fallback), entry.by_fallback)

    def forget_memory(self) -> None:
        """Empty the memory level; what is on disk stays."""
        self._memory.clear()

    async def clear(self, *, route: str | None = None, namespace: str | None = None) -> int:
        """Forget answers, in all processes within about a second; returns how many went, without those that machines
        share, which nobody counts.

        Args:
            route: of this route only; None of all.
            namespace: of this namespace only, be it the route's or a request's; None of all.

        Raises:
            CacheUnavailable: the disk has failed, or the server of shared answers does not answer: the other levels
                have forgotten.
        """

        def matches(text: str) -> bool:
            return is_within(text, route, namespace)

        await self.written()
        keys = [key for key in self._memory.keys() if matches(key)]  # noqa: SIM118 - it is no dict
        for key in keys:
            self._memory.drop(key)
        gone: int | None = len(keys)
        disk = self._on_disk()
        if disk is not None:
            gone = await disk.clear(matches)
        if (shared := self.shared) is not None:
            clearing = await shared.clear(route, namespace)
            if clearing is None:
                raise CacheUnavailable("what other machines share can't be forgotten now: the server does not answer")
            self._clearings.made(clearing)
        if gone is None:
            assert disk is not None
            raise CacheUnavailable(f"what is stored in {disk.folder} can't be forgotten now: {disk.trouble}")
        return gone

    # --- what the engine asks

    async def find(self, text: str, rules: CacheRules) -> tuple[Entry | None, Entry | None, Level]:
        """Return an entry that is fresh, one that may be served when all else fails, and who had it.

        Args:
            text: of the key (`CacheKey.text`).
        """
        self._look()
        entry, level = self._in_memory(text), _MEMORY
        if entry is not None and self._age(entry) <= rules.lasts(entry.by_fallback):
            return entry, entry, level
        if self._folder is not None:
            entry, level = self._newest(text, await self._from_disk(text), "disk")
        if (shared := self.shared) is not None and not self.is_fresh(entry, rules):
            found, where = self._taken(text, await shared.get(text), rules)
            if found is not None and (entry is None or found.at > entry.at):
                entry, level = found, where
        if self.is_fresh(entry, rules):
            return entry, entry, level
        is_spare = entry is not None and self._age(entry) <= rules.lasts(entry.by_fallback) + rules.stale_for
        return None, entry if is_spare else None, level

    async def many(
        self, texts: Sequence[str], fresh: Callable[[bytes], bool], seconds: float
    ) -> dict[Level, dict[str, bytes]]:
        """Return what is kept under these keys, as bytes, by who had it; a level is asked for all at once.

        Args:
            fresh: says whether something may be served.
            seconds: for how long what other machines have made is kept on this one.
        """
        self._look()
        missing, found = list(texts), dict[Level, dict[str, bytes]]()
        found[_MEMORY] = {text: data for text in texts if (data := self._memory.get(text)) is not None and fresh(data)}
        others: dict[Level, Disk | SharedAnswers | None] = {"disk": self._on_disk(), "shared": self.shared}
        for level, where in others.items():
            missing = [text for text in missing if not any(text in had for had in found.values())]
            kept = {} if where is None or not missing else await where.get_many(missing)
            found[level] = {text: data for text, data in kept.items() if fresh(data)}
            self._put_many_here(found[level], seconds if level == "shared" else 0)
        return found

    def put_many(self, entries: Mapping[str, bytes], seconds: float) -> None:
        """Keep bytes under their keys for so long."""
        self.stats.stored += len(entries)
        self._put_many_here(entries, seconds)
        if (shared := self.shared) is not None:
            for text, data in entries.items():
                shared.put(text, data, seconds)

    def _put_many_here(self, entries: Mapping[str, bytes], seconds: float) -> None:
        """Put bytes into the memory, and on the disk for so long; 0 leaves that as it is."""
        for text, data in entries.items():
            self._memory.put(text, data)
        if seconds and (disk := self._on_disk()) is not None:
            self._start(disk.put_many(entries, min(seconds, _LONGEST)))

    def is_fresh(self, entry: Entry | None, rules: CacheRules) -> TypeGuard[Entry]:
        """Say whether an entry may be served."""
        return entry is not None and self._age(entry) <= rules.lasts(entry.by_fallback)

    def _newest(self, text: str, found: Entry | None, level: Level) -> tuple[Entry | None, Level]:
        # What was stored while the level was asked is in memory: nobody may miss it, or make the same call again.
        entry = self._in_memory(text)
        if found is not None and (entry is None or entry.at <= found.at):
            return found, level
        return entry, "memory"

    def keep(self, text: str, response: CompletionResponse, rules: CacheRules) -> str:
        """Store an answer, beside the request; says "stored", for how long where that is less than the route's `ttl`,
        or why it is not.
        """
        by_fallback = is_by_fallback(response.trace)
        if why := why_not_stored(response, rules, by_fallback=by_fallback):
            return f"not stored: {why}"
        if self.shared is not None:  # some vendors repeat there what was asked: OpenAI's Responses `instructions`
            response = replace(response, raw=None)
        entry, lasts = Entry(self._wall(), response, by_fallback), rules.lasts(by_fallback)
        stored = "stored" if lasts == rules.ttl else f"stored for {format_duration(lasts)}: a fallback made it"
        if len(response.text) > _LARGE:
            self._unwritten[text] = entry
            self._large[text] = self._start(self._keep_large(text, entry, rules))
            return stored
        try:
            data = encode(entry)
        except (ValueError, TypeError):
            return "not stored: it can't be written as JSON"
        if len(data) > rules.max_entry:
            return "not stored: larger than cache.max_entry"
        self._put(text, data, lasts + rules.stale_for)
        return stored

    def when_put(self, text: str, then: Callable[[], None]) -> None:
        """Call once what was kept under a key is where others find it."""
        if (task := self._large.get(text)) is None:
            then()
        else:
            task.add_done_callback(lambda _: then())

    def saved(self, response: CompletionResponse, level: Level = _MEMORY) -> None:
        """Count a hit and what it saved."""
        self.stats.hits += 1
        if level != _MEMORY:
            self.stats.from_disk += level == "disk"
            self.stats.from_shared += level == "shared"
        self.stats.input_tokens_saved += response.usage.input_tokens or 0
        self.stats.output_tokens_saved += response.usage.output_tokens or 0
        self.stats.cost_saved += response.cost or 0.0

    async def written(self) -> None:
        """Wait until everything that was to be stored is."""
        while self._writing:
            await asyncio.wait(self._writing)
        if (shared := self.shared) is not None:
            await shared.written()

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
        self._large.clear()

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
            self._large.pop(text, None)

    def _put(self, text: str, data: bytes, seconds: float) -> None:
        self.stats.stored += 1
        self._put_here(text, data, seconds)
        if (shared := self.shared) is not None:
            shared.put(text, data, seconds)

    def _put_here(self, text: str, data: bytes, seconds: float) -> None:
        self._memory.put(text, data)
        disk = self._on_disk()
        if disk is not None:
            self._start(disk.put(text, data, min(seconds, _LONGEST)))

    def _taken(self, text: str, data: bytes | None, rules: CacheRules) -> tuple[Entry | None, Level]:
        """Take an answer of others into the levels of this machine, where they have nothing newer."""
        entry, level = self._newest(text, self._decoded(text, data), "shared")
        if entry is not None and data is not None and level == "shared":
            lasts = rules.lasts(entry.by_fallback) + rules.stale_for - self._age(entry)
            self._put_here(text, data, max(0.0, lasts))
        return entry, level

    def read(self, text: str, data: bytes, rules: CacheRules) -> Entry | None:
        """Read an answer of others; None for one that may not be served."""
        entry, _ = self._taken(text, data, rules)
        return entry if self.is_fresh(entry, rules) else None

    def _start(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    def _look(self) -> None:
        self._clearings.look(self._start, self._memory, self._on_disk(), self.shared)
