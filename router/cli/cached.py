"""What the cache makes of a request: its key, what of the request is in it, and whether the answer is stored."""

from __future__ import annotations

import asyncio
import json
import time
from math import inf
from typing import Any

import msgspec

from providers.embeddings import AnyRequest, EmbeddingRequest
from providers.types import CompletionRequest
from router.cache.stats import Stored
from router.cli.terminal import echo
from router.config.units import format_duration
from router.errors import CacheUnavailable
from router.plan.plan import Chain
from router.router import Router

_WIDTH = 80  # characters of a part of the key that are shown


def cache_of(router: Router, chain: Chain, request: AnyRequest) -> dict[str, Any] | None:
    """The route's cache policy, the parts of the request's key, and whether the answer is stored; None for a route that
    keeps no answers.
    """
    from router.cache.key import NotCacheable, cache_key, parts

    plan, rules = router.plan, chain.cache
    if rules is None:
        return None
    values: dict[str, Any] = {
        "ttl": rules.ttl,
        "fallback_ttl": rules.lasts(by_fallback=True) if any(tier.level for tier in chain.tiers) else None,
        "stale_for": rules.stale_for if rules.stale_for < inf else None,
        "shared": plan.shares_answers,
    }
    if isinstance(request, EmbeddingRequest):
        return values | {"fallback_ttl": None} | _vectors(router, chain, request)
    assert isinstance(request, CompletionRequest), "ranks are not kept"
    try:
        key = cache_key(request, chain.route, chain.answers, rules.namespace)
    except NotCacheable as error:
        return values | {"key": None, "why": str(error), "stored": False}
    shown = {name: _short(value) for name, value in parts(request, chain.answers).items()}
    return (
        values
        | {"key": key.digest, "namespace": json.loads(key.namespace), "parts": shown}
        | stored_in(router, chain, request)
    )


def _vectors(router: Router, chain: Chain, request: EmbeddingRequest) -> dict[str, Any]:
    """The key of the first input, and whether all are stored: each is kept for itself."""
    from router.cache.key import CacheKey, NotCacheable, vector_keys
    from router.cache.vectors import made_at

    assert chain.cache is not None, "the route keeps vectors"
    try:
        keys = vector_keys(request, chain, chain.cache.namespace)
    except NotCacheable as error:
        return {"key": None, "why": str(error), "stored": False}
    key = msgspec.json.decode(keys[0], type=CacheKey)
    shown = {"vectors of": chain.targets[0].model, "input": _short(request.inputs[0])}
    if request.dimensions is not None:
        shown["dimensions"] = str(request.dimensions)
    told = {"key": key.digest, "namespace": json.loads(key.namespace), "parts": shown}

    async def look() -> list[float]:
        async with router:
            levels = await router.cache.many(keys, lambda data: made_at(data) is not None, 0)
            return [made_at(data) or 0.0 for found in levels.values() for data in found.values()]

    stored = asyncio.run(look())
    if len(stored) < len(set(keys)):
        return told | {"stored": False}
    age = max(0.0, time.time() - min(stored))
    return told | {"stored": True, "fresh": age <= chain.cache.ttl, "age": round(age), "lasts": chain.cache.ttl}


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def print_cache(cached: dict[str, Any]) -> None:
    """What `cache_of` found, for people."""
    kept, by_fallback = cached["ttl"], cached["fallback_ttl"]
    shorter = "" if by_fallback in (None, kept) else f"; {format_duration(by_fallback)} where a fallback stood in"
    echo(f"  cache: {format_duration(kept)}{shorter}{', shared by all machines' if cached['shared'] else ''}")
    if cached["key"] is None:
        echo(f"    no key: {cached['why']}")
        return
    echo(f"    key {cached['key'][:16]}… of")
    for name, value in cached["parts"].items():
        echo(f"      {name:<14} {value}")
    namespaces = [name for name in cached["namespace"] if name is not None]
    if namespaces:
        echo(f"      {'namespace':<14} {', '.join(namespaces)}")


def stored_in(router: Router, chain: Chain, request: CompletionRequest) -> dict[str, Any]:
    """Whether the answer is stored, and how old it is; `why_not` where that can't be told."""
    try:
        found = asyncio.run(_stored(router, chain, request))
    except CacheUnavailable as error:
        return {"stored": None, "why_not": str(error)}
    if found is None:
        return {"stored": False}
    fresh = found.age <= found.lasts
    return {"stored": True, "fresh": fresh, "age": round(found.age), "lasts": found.lasts} | (
        {"by_fallback": True} if found.by_fallback else {}
    )


async def _stored(router: Router, chain: Chain, request: CompletionRequest) -> Stored | None:
    async with router:
        return await router.cache.stored(chain, request)


def stored_line(cached: dict[str, Any]) -> str:
    """What `stored_in` found, for people."""
    if cached["stored"] is None:
        return f"whether the answer is stored can't be told: {cached['why_not']}"
    if not cached["stored"]:
        return "the answer is not stored"
    state = "is stored" if cached["fresh"] else "is stored, but has expired"
    line = f"the answer {state}; it is {format_duration(cached['age'])} old"
    if cached.get("by_fallback"):
        line += f"\n  a fallback made it: it lasts {format_duration(cached['lasts'])} (cache.fallback_ttl)"
    return line
