"""Vectors that are kept, each by what it is of: a request asks the vendor for those alone that are not known."""

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
from router.cache.stats import CacheStats
from router.cache.store import ResponseCache
from router.config.serve_schema import CacheControl
from router.engine.batching import Share
from router.engine.embedder import Embedder, Make
from router.engine.splitting import apportioned, weight
from router.errors import not_cached
from router.plan.plan import Chain
from router.plan.pricing import cost
from router.plan.rules import CacheRules
from router.views.trace import Trace

_HEAD = struct.Struct("<4sdI")  # mark and version, when it was made (seconds since 1970), tokens
_MARK = b"SBv1"
_UNKNOWN = 2**32 - 1  # tokens


class Kept(NamedTuple):
    """A vector, and the tokens that it took; None where that is not known."""

    data: bytes
    tokens: int | None


class CachedVectors:
    """Answers requests for embeddings from the cache, as far as it goes.

    Args:
        wall: seconds since 1970.
    """

    def __init__(self, embedder: Embedder, cache: ResponseCache, wall: Callable[[], float]) -> None:
        self._embedder = embedder
        self._cache = cache
        self._wall = wall

    async def embed(
        self, chain: Chain, request: EmbeddingRequest, trace: Trace, control: CacheControl
    ) -> EmbeddingResponse:
        """Make a vector of each input, but for those that are known; raises as `Embedder.embed`."""
        around = partial(self._embed, chain, request, trace, control)
        return await self._embedder.embed(chain, request, trace, around)

    async def _embed(
        self, chain: Chain, request: EmbeddingRequest, trace: Trace, control: CacheControl, make: Make
    ) -> EmbeddingResponse | Share:
        rules, inputs = chain.cache, request.inputs
        assert rules is not None, "only requests of routes with a cache come here"
        try:
            keys = vector_keys(request, chain, rules.namespace)
        except NotCacheable as error:
            trace.cache = f"not cacheable: {error}"
            if control == "only":
                raise not_cached(chain.route, trace, trace.cache) from None
            return await make(request)
        known: dict[str, Kept] = {}
        if control != "refresh":
            found, trace.cache_level = await self._cache.many(list(dict.fromkeys(keys)))
            known = self._usable(found, rules, self._embedder.width(chain, request))
        places = {key: place for place, key in enumerate(keys) if key not in known}
        hits = sum(key in known for key in keys)
        self._count(chain, known, keys, len(places), trace.cache_level)
        if not places:
            trace.cache = "hit"
            return _response(chain, [known[key] for key in keys], trace)
        trace.cache_level = trace.cache_level if hits else ""
        if control == "only":
            raise not_cached(chain.route, trace, f"the cache has {hits} of {len(keys)} vectors")
        made = await make(replace(request, inputs=tuple(inputs[place] for place in places.values())))
        if known and made.response.dimensions * FLOAT != len(next(iter(known.values())).data):
            first = made.parts  # the vendor's model is another one by now: what is known is worth nothing
            known, places = {}, {key: place for place, key in enumerate(keys)}
            made = await make(replace(request, inputs=tuple(inputs[place] for place in places.values())))
            made = made._replace(parts=[*first, *made.parts])
            hits = 0
        fresh = dict(zip(places, _each(made.response, [inputs[place] for place in places.values()]), strict=True))
        with harmless:
            self._keep(fresh, rules)
        trace.cache = f"hit for {hits} of {len(keys)}" if hits else "stored"
        return _filled(made, [known.get(key) or fresh[key] for key in keys], trace)

    def _usable(self, found: Mapping[str, bytes], rules: CacheRules, width: int | None) -> dict[str, Kept]:
        """Those that may be served: young enough, whole, and all of one length."""
        now, usable = self._wall(), {}
        for key, data in found.items():
            if len(data) <= _HEAD.size or len(data) % FLOAT or not data.startswith(_MARK):
                continue
            _, at, tokens = _HEAD.unpack_from(data)
            vector = data[_HEAD.size :]
            width = width or len(vector) // FLOAT
            if max(0.0, now - at) <= rules.ttl and len(vector) == width * FLOAT and is_finite(vector):
                usable[key] = Kept(vector, None if tokens == _UNKNOWN else tokens)
        return usable

    def _keep(self, fresh: Mapping[str, Kept], rules: CacheRules) -> None:
        now = self._wall()
        entries = {
            key: _HEAD.pack(_MARK, now, _UNKNOWN if kept.tokens is None else min(kept.tokens, _UNKNOWN)) + kept.data
            for key, kept in fresh.items()
        }
        self._cache.put_many(entries, rules.ttl)

    def _count(self, chain: Chain, known: Mapping[str, Kept], keys: Sequence[str], misses: int, level: str) -> None:
        """Count what was found, an input at a time, and what that saved."""
        stats: CacheStats = self._cache.stats
        hits = [known[key] for key in keys if key in known]
        tokens = sum(kept.tokens or 0 for kept in hits)
        stats.hits += len(hits)
        stats.misses += misses
        stats.from_disk += len(hits) if level == "disk" else 0
        stats.input_tokens_saved += tokens
        stats.cost_saved += cost(chain.targets[0].capabilities.price, Usage(tokens, 0)) or 0.0


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


def _response(chain: Chain, vectors: Sequence[Kept], trace: Trace) -> EmbeddingResponse:
    usage = _usage(vectors)
    return EmbeddingResponse(
        data=b"".join(kept.data for kept in vectors),
        dimensions=len(vectors[0].data) // FLOAT,
        usage=usage,
        model=chain.targets[0].model,
        route=chain.route,
        cost=cost(chain.targets[0].capabilities.price, usage),
        cached=True,
        trace=trace,
    )


def _filled(made: Share, vectors: Sequence[Kept], trace: Trace) -> Share:
    """The answer of the calls with what was known, each vector in its place; the cost is that of the calls."""
    data = b"".join(kept.data for kept in vectors)
    return Share(replace(made.response, data=data, usage=_usage(vectors), trace=trace), made.parts)
