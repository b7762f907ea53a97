"""Vectors that are kept, each by what it is of: a request asks the vendor for those alone that are not known.

Of a text that another request has asked for at the same time the vendor is asked once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from providers.embeddings import FLOAT, EmbeddingRequest, EmbeddingResponse
from providers.harmless import harmless
from providers.types import Usage
from providers.vectors import is_finite
from router.cache.key import NotCacheable, vector_keys
from router.cache.once_each import MakeSome, OnceEach, in_turn
from router.cache.shared_level import Level
from router.cache.store import ResponseCache
from router.cache.turns import patience, total_of
from router.config.serve_schema import CacheControl
from router.engine.batching import Share
from router.engine.embedder import Embedder, Make
from router.engine.engine import Engine
from router.engine.splitting import apportioned, weight
from router.errors import not_cached
from router.plan.plan import Chain
from router.plan.pricing import cost
from router.plan.rules import CacheRules
from router.state.latency import Recent
from router.views.trace import Trace

_HEAD = struct.Struct("<4sdI")  # mark and version, when it was made (seconds since 1970), tokens
_MARK = b"SBv1"
_UNKNOWN = 2**32 - 1  # tokens


class Kept(NamedTuple):
    """A vector, and the tokens that it took; None where that is not known."""

    data: bytes
    tokens: int | None


class CachedVectors:
    """Answers requests for embeddings from the cache, as far as it goes; a router has one."""

    def __init__(self, engine: Engine, embedder: Embedder, cache: ResponseCache) -> None:
        self._engine = engine
        self._embedder = embedder
        self._cache = cache
        self._once: OnceEach[Kept] = OnceEach()
        self._times: dict[str, Recent] = {}  # that calls took, by their route
        engine.on_new_loop.append(self._once.on_new_loop)

    async def embed(
        self, chain: Chain, request: EmbeddingRequest, trace: Trace, control: CacheControl
    ) -> EmbeddingResponse:
        """Make a vector of each input, but for those that are known; raises as `Embedder.embed`."""
        around = partial(self._embed, chain, request, trace, control)
        return await self._embedder.embed(chain, request, trace, around)

    async def _embed(
        self, chain: Chain, request: EmbeddingRequest, trace: Trace, control: CacheControl, make: Make
    ) -> EmbeddingResponse | Share:
        rules, stats = chain.cache, self._cache.stats
        assert rules is not None, "only requests of routes with a cache come here"
        try:
            keys = vector_keys(request, chain, rules.namespace)
        except NotCacheable as error:
            trace.cache = f"not cacheable: {error}"
            if control == "only":
                raise not_cached(chain.route, trace, trace.cache) from None
            return await make(request)
        wanted = _Wanted(request, keys, self._embedder.width(chain, request), rules.ttl, self._engine.wall_clock)
        levels = {} if control == "refresh" else await self._cache.many(list(wanted.inputs), wanted.is_fresh, rules.ttl)
        known = wanted.of_one_length(levels)
        hits, missing = sum(key in known for key in keys), [key for key in wanted.inputs if key not in known]
        self._count(chain, [known[key] for key in keys if key in known], levels)
        stats.misses += len(missing)
        if missing and control == "only":
            raise not_cached(chain.route, trace, f"the cache has {hits} of {len(keys)} vectors")
        made: list[Share] = []
        others: set[str] = set()  # of other machines

        async def call(some: Sequence[str]) -> Mapping[str, Kept]:
            share = await make(replace(request, inputs=tuple(wanted.inputs[key] for key in some)))
            made.append(share)
            fresh = dict(zip(some, _each(share.response, [wanted.inputs[key] for key in some]), strict=True))
            with harmless:
                self._keep(fresh, rules)
            return fresh

        async def over_machines(some: Sequence[str]) -> Mapping[str, Kept]:
            found = dict[str, Kept]()
            others.update(await self._in_turn(chain, wanted, some, call, found))
            return found

        once = over_machines if control == "use" and self._cache.shared is not None else call
        fresh, joined = await self._once.get(missing, repr(request.timeout), once)
        joined |= others
        vectors = known | fresh
        if len({len(kept.data) for kept in vectors.values()}) > 1:
            # The vendor's model is another one by now: what was known is worth nothing.
            vectors, joined, hits = {**await call(list(wanted.inputs))}, set(), 0
        stats.joined += len(joined)
        trace.cache = _told(hits, sum(key in joined for key in keys), len(keys))
        last = next((level for level in reversed(levels) if levels[level]), "")
        trace.cache_level = "shared" if joined & others else last if hits else ""
        ordered = [vectors[key] for key in keys]
        return _filled(made, ordered, trace) if made else _response(chain, ordered, trace, cached=not joined)

    async def _in_turn(
        self, chain: Chain, wanted: _Wanted, some: Sequence[str], call: MakeSome[Kept], found: dict[str, Kept]
    ) -> set[str]:
        """Find what other machines make of some keys, and have made what they don't; says what they have made."""
        shared = self._cache.shared
        assert shared is not None, "only who shares asks for it"
        times = self._times.setdefault(chain.route, Recent())
        clock = self._engine.enter_loop().time

        async def look(keys: Sequence[str]) -> Mapping[str, Kept]:
            levels = await self._cache.many(keys, wanted.is_fresh, wanted.ttl)
            found.update(new := wanted.of_one_length(levels))
            return new

        async def timed(keys: Sequence[str]) -> Mapping[str, Kept]:
            began = clock()
            found.update(new := await call(keys))
            times.append(clock() - began)
            return new

        return await in_turn(shared, some, patience(times, total_of(chain, wanted.request)), look, timed)

    def _keep(self, fresh: Mapping[str, Kept], rules: CacheRules) -> None:
        now = self._engine.wall_clock()
        entries = {
            key: _HEAD.pack(_MARK, now, _UNKNOWN if kept.tokens is None else min(kept.tokens, _UNKNOWN)) + kept.data
            for key, kept in fresh.items()
        }
        self._cache.put_many(entries, rules.ttl)

    def _count(self, chain: Chain, hits: Sequence[Kept], levels: Mapping[Level, Mapping[str, bytes]]) -> None:
        """Count what was found, an input at a time, and what that saved."""
        stats = self._cache.stats
        tokens = sum(kept.tokens or 0 for kept in hits)
        stats.hits += len(hits)
        stats.from_disk += len(levels.get("disk", ()))
        stats.from_shared += len(levels.get("shared", ()))
        stats.input_tokens_saved += tokens
        stats.cost_saved += cost(chain.targets[0].capabilities.price, Usage(tokens, 0)) or 0.0


class _Wanted:
    """What a request wants of the cache.

    Args:
        keys: of its inputs.
        width: how many numbers a vector has, None where nobody knows yet.
        ttl: seconds that a vector is served.
        wall: seconds since 1970.

    `inputs` are what the keys are of, each once.
    """

    def __init__(
        self, request: EmbeddingRequest, keys: Sequence[str], width: int | None, ttl: float, wall: Callable[[], float]
    ) -> None:
        self.request = request
        self.inputs = dict(zip(keys, request.inputs, strict=True))
        self.ttl = ttl
        self._width = width
        self._wall = wall

    def is_fresh(self, data: bytes) -> bool:
        """Say whether a vector may be served: young enough, and whole."""
        at, vector = made_at(data), data[_HEAD.size :]
        return (
            at is not None
            and max(0.0, self._wall() - at) <= self.ttl
            and len(vector) == (self._width * FLOAT if self._width else len(vector) // FLOAT * FLOAT)
            and is_finite(vector)
        )

    @staticmethod
    def of_one_length(levels: Mapping[Level, Mapping[str, bytes]]) -> dict[str, Kept]:
        """Read what the levels had; vectors of another length than the first one's are of another model."""
        found = {key: _read(data) for had in levels.values() for key, data in had.items()}
        length = next((len(kept.data) for kept in found.values()), 0)
        return {key: kept for key, kept in found.items() if len(kept.data) == length}


def _read(data: bytes) -> Kept:
    tokens = _HEAD.unpack_from(data)[2]
    return Kept(data[_HEAD.size :], None if tokens == _UNKNOWN else tokens)


def _told(hits: int, joined: int, count: int) -> str:
    """What the trace says of the cache."""
    if hits == count:
        return "hit"
    if hits + joined == count:
        return "joined"
    some = [f"{what} for {number} of {count}" for what, number in (("hit", hits), ("joined", joined)) if number]
    return ", ".join(some) or "stored"


def made_at(data: bytes) -> float | None:
    """When a kept vector was made, in seconds since 1970; None for what is none."""
    if len(data) <= _HEAD.size or not data.startswith(_MARK):
        return None
    at: float = _HEAD.unpack_from(data)[1]
    return at


def _each(response: EmbeddingResponse, inputs: Sequence[str | tuple[int, ...]]) -> list[Kept]:
    """The vectors of an answer one by one, with their share of the tokens."""
    tokens = apportioned(response.usage.input_tokens, [weight(each) for each in inputs])
    return [Kept(response.bytes_of(place), its) for place, its in enumerate(tokens)]


def _usage(vectors: Sequence[Kept]) -> Usage:
    tokens = [kept.tokens for kept in vectors]
    return Usage(None if None in tokens else sum(each for each in tokens if each), 0)


def _response(chain: Chain, vectors: Sequence[Kept], trace: Trace, *, cached: bool) -> EmbeddingResponse:
    usage = _usage(vectors)
    return EmbeddingResponse(
        data=b"".join(kept.data for kept in vectors),
        dimensions=len(vectors[0].data) // FLOAT,
        usage=usage,
        model=chain.targets[0].model,
        route=chain.route,
        cost=cost(chain.targets[0].capabilities.price, usage),
        cached=cached,
        trace=trace,
    )


def _filled(made: Sequence[Share], vectors: Sequence[Kept], trace: Trace) -> Share:
    """The answer of the calls with what was known, each vector in its place; the cost is that of the calls."""
    data, costs = b"".join(kept.data for kept in vectors), [share.response.cost for share in made]
    total = None if None in costs else sum(each for each in costs if each)
    response = replace(made[-1].response, data=data, usage=_usage(vectors), cost=total, trace=trace)
    return Share(response, [part for share in made for part in share.parts])
