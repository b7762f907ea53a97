"""One call for all machines (`shared.single_flight`): whoever is not the first waits for the first one's answer."""

from __future__ import annotations

from functools import partial
from math import inf

from msgspec.structs import replace

from providers.embeddings import EmbeddingRequest
from providers.types import CompletionRequest, CompletionResponse
from router.cache.codec import served
from router.cache.shared_level import SharedAnswers
from router.cache.store import ResponseCache
from router.engine.engine import Engine
from router.plan.plan import Chain
from router.state.latency import Recent
from router.views.trace import Trace

_UNKNOWN = 10.0  # seconds that are waited for a route of which too few answers were seen


class Turns:
    """Makes calls when it is this machine's turn, and remembers how long they take."""

    def __init__(self, engine: Engine, cache: ResponseCache) -> None:
        self._engine = engine
        self._cache = cache
        self._times: dict[str, Recent] = {}

    async def complete(
        self, answers: SharedAnswers, key: str, chain: Chain, request: CompletionRequest, trace: Trace
    ) -> CompletionResponse:
        """Return the answer of another machine that makes the same call, or that of a call.

        Raises:
            RouteExhausted, ProviderError.
        """
        clock = self._engine.enter_loop().time
        rules, began, total = chain.cache, clock(), total_of(chain, request)
        assert rules is not None, "only requests of routes with a cache come here"
        times = self._times.setdefault(chain.route, Recent())
        entry = await answers.turn(key, patience(times, total), partial(self._cache.read, key, rules=rules))
        if entry is not None:
            self._cache.stats.joined += 1
            trace.cache, trace.cache_level = "joined", "shared"
            return served(entry, stale=False, trace=trace)
        called_at = clock()
        if total < inf and called_at > began:
            left = {**(request.timeout or {}), "total": total - (called_at - began)}
            request = replace(request, timeout=left)
        response = await self._engine.complete(chain, request, trace)
        times.append(clock() - called_at)
        return response


def patience(times: Recent, total: float) -> float:
    """Return how many seconds another machine's call is waited for, by how long such calls took."""
    usual = times.quantile(0.95)
    return min(_UNKNOWN if usual is None else usual, total / 2)


def total_of(chain: Chain, request: CompletionRequest | EmbeddingRequest) -> float:
    """Return the seconds that a request may take."""
    own = (request.timeout or {}).get("total", chain.total)
    return own if isinstance(own, int | float) else inf
