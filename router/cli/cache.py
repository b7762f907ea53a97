"""`signalbox cache`: what is stored, forgetting it, and why a request is a hit or not."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from providers.errors import SignalboxError
from providers.types import CompletionRequest
from router.cache.stats import Stored
from router.cli.common import Failure, file_option, shared_feed, valid_file
from router.cli.explain import cache_of, print_cache, read_request
from router.cli.terminal import echo, echo_json
from router.config.units import format_duration, format_size
from router.errors import CacheUnavailable
from router.monitor.feed import FeedLost
from router.plan.compile import compile_plan
from router.plan.plan import Chain
from router.router import Router
from router.views.commands import ClearCache, Done

if TYPE_CHECKING:
    from router.monitor.fleet.feed import SharedFeed

T = TypeVar("T")


@click.group("cache")
def command() -> None:
    """The stored answers of the routes that keep them."""


@command.command("stats")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@file_option
def stats(as_json: bool, path: str) -> int:
    """How many answers are stored, and where."""
    router = _router(path)
    entries, size = _asked(_volume(router))
    folder, most = router.cache.place
    routes = {name: chain.cache.ttl for name, chain in router.plan.chains.items() if chain.cache is not None}
    if as_json:
        statistics: dict[str, Any] = {
            "entries": entries,
            "bytes": size,
            "most": most,
            "folder": str(folder or ""),
            "routes": routes,
        }
        echo_json(statistics | {"shared": router.plan.shares_answers})
        return 0
    shared = router.plan.shares_answers
    if folder is None and shared:
        echo("on the server of `shared`, where nobody counts them")
    else:
        where = "in memory only, gone with each process" if folder is None else str(folder)
        more = "; others are on the server of `shared`" if shared else ""
        echo(f"{_answers(entries)}, {format_size(size)} of {format_size(most)}  {where}{more}")
    for name, ttl in routes.items():
        echo(f"  {name}  for {format_duration(ttl)}")
    if not routes:
        echo("  no route of this file keeps answers: add `cache: {ttl: 1h}` to one")
    return 0


@command.command("clear")
@click.option("--route", help="Only answers of this route.")
@click.option("--namespace", help="Only answers of this namespace.")
@click.option("--shared", is_flag=True, help="In all processes on all machines that share as the file says.")
@file_option
def clear(route: str | None, namespace: str | None, shared: bool, path: str) -> int:
    """Forget stored answers; routers that run notice within about a second."""
    if shared:
        if namespace is not None:
            raise Failure("processes elsewhere are told to forget a route or all, not a namespace")
        done = asyncio.run(_clear_shared(shared_feed(path), route))
        if not done.ok:
            raise Failure(done.message)
        echo(done.message)
        return 0
    router = _router(path)
    if route is not None:
        try:
            router.chain(route)
        except SignalboxError as error:
            raise Failure(str(error)) from None
    gone = _asked(_clear(router, route, namespace))
    others = ", and all that machines share" if router.plan.shares_answers else ""
    echo(f"{_answers(gone)} forgotten{others}")
    return 0


@command.command("why")
@click.argument("route")
@click.argument("request_file", metavar="FILE")
@file_option
def why(route: str, request_file: str, path: str) -> int:
    """Whether the answer to the request in FILE (or - for standard input) is stored, and what decides it."""
    router = _router(path)
    try:
        chain = router.chain(route)
        request = read_request(route, request_file, None)
    except (SignalboxError, TypeError) as error:
        raise Failure(str(error)) from None
    cached = cache_of(chain, request, router.plan)
    if cached is None or chain.cache is None:
        echo(f"{route} keeps no answers: add `cache: {{ttl: 1h}}` to it")
        return 0
    stored = None if cached["key"] is None else asyncio.run(_stored(router, chain, request))
    if stored is None:
        echo("the answer is not stored")
    else:
        state = "is stored" if stored.age <= stored.lasts else "is stored, but has expired"
        echo(f"the answer {state}; it is {format_duration(round(stored.age))} old")
        if stored.by_fallback:
            echo(f"  a fallback made it: it lasts {format_duration(stored.lasts)} (cache.fallback_ttl)")
    print_cache(cached)
    return 0


def _router(path: str) -> Router:
    return Router(compile_plan(valid_file(path)))


def _asked(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except CacheUnavailable as error:
        raise Failure(str(error)) from None


def _answers(count: int) -> str:
    return f"{count:,} answer{'' if count == 1 else 's'}"


async def _volume(router: Router) -> tuple[int, int]:
    async with router:
        return await router.cache.volume()


async def _clear(router: Router, route: str | None, namespace: str | None) -> int:
    async with router:
        return await router.cache.clear(route=route, namespace=namespace)


async def _clear_shared(feed: SharedFeed, route: str | None) -> Done:
    try:
        return await feed.command(ClearCache(route))
    except FeedLost as error:
        raise Failure(str(error)) from None
    finally:
        await feed.aclose()


async def _stored(router: Router, chain: Chain, request: CompletionRequest) -> Stored | None:
    async with router:
        return await router.cache.stored(chain, request)
