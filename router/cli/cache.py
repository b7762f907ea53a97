"""`signalbox cache`: what is stored, forgetting it, and why a request is a hit or not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from router.cli.cached import cache_of, print_cache, stored_line
from router.cli.common import UNREADABLE, Failure, json_option, shared_feed, takes_file, valid_plan
from router.cli.explain import asked_of
from router.cli.terminal import echo, echo_json
from router.cli.verb import Verbs, completing
from router.config.units import format_duration, format_size
from router.monitor.feed import FeedLost
from router.router import Router
from router.views.commands import ClearCache, Done

if TYPE_CHECKING:
    from router.monitor.fleet.feed import SharedFeed


@click.group(
    "cache",
    cls=Verbs,
    examples=[
        "signalbox cache stats",
        "signalbox cache clear --route chat conf/prod.yaml",
        'signalbox cache why chat -p "Hello"',
    ],
)
def command() -> None:
    """The stored answers of the routes that keep them."""


@command.command("stats", examples=["signalbox cache stats", "signalbox cache stats conf/prod.yaml --json"])
@json_option
@takes_file()
def stats(as_json: bool, path: str) -> int:
    """How many answers are stored, and where."""
    router = _router(path)
    entries, size = asyncio.run(_volume(router))
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


@command.command(
    "clear",
    examples=[
        "signalbox cache clear                 # all of this file's folder",
        "signalbox cache clear --route chat",
        "signalbox cache clear --shared        # in all processes on all machines",
    ],
)
@click.option("--route", help="Only answers of this route.", shell_complete=completing("routes"))
@click.option("--namespace", help="Only answers of this namespace.")
@click.option("--shared", is_flag=True, help="In all processes on all machines that share as the file says.")
@json_option
@takes_file()
def clear(route: str | None, namespace: str | None, shared: bool, as_json: bool, path: str) -> int:
    """Forget stored answers; routers that run notice within about a second."""
    if shared:
        if namespace is not None:
            raise Failure("processes elsewhere are told to forget a route or all, not a namespace")
        done = asyncio.run(_clear_shared(shared_feed(path), route))
        if not done.ok:
            raise Failure(done.message)
        if as_json:
            echo_json({"done": done.message, "shared": True})
        else:
            echo(done.message)
        return 0
    router = _router(path)
    if route is not None:
        router.chain(route)  # raises where there is none
    gone = asyncio.run(_clear(router, route, namespace))
    if as_json:
        echo_json({"forgotten": gone, "shared": router.plan.shares_answers})
        return 0
    others = ", and all that machines share" if router.plan.shares_answers else ""
    echo(f"{_answers(gone)} forgotten{others}")
    return 0


@command.command(
    "why",
    examples=[
        'signalbox cache why chat -p "Hello"',
        "signalbox cache why chat request.json conf/prod.yaml",
        "echo Hello | signalbox cache why chat - --json | jq .stored",
    ],
)
@click.argument("route", shell_complete=completing("routes", "models"))
@click.argument("request_file", metavar="[REQUEST]", required=False, type=click.Path(allow_dash=True))
@click.option("-p", "--prompt", help="The prompt, in place of a REQUEST.")
@json_option
@takes_file(texts=True)
def why(route: str, request_file: str | None, prompt: str | None, as_json: bool, path: str) -> int:
    """Whether the answer to a request is stored, and what decides it.

    REQUEST (a file, or - for standard input) holds a prompt as plain text, or JSON in the shape of OpenAI's chat
    completions; FILE is the routes.yaml.
    """
    if request_file is None and prompt is None:
        raise Failure("which request? Name a file with it, or give a prompt by -p", UNREADABLE)
    router = _router(path)
    chain = router.chain(route)
    cached = cache_of(router, chain, asked_of(chain, route, request_file, prompt))
    if as_json:
        echo_json({"route": route, "stored": False, "keeps_answers": False} if cached is None else cached)
    elif cached is None:
        echo(f"{route} keeps no answers: add `cache: {{ttl: 1h}}` to it")
    else:
        echo(stored_line(cached))
        print_cache(cached)
    return 0


def _router(path: str) -> Router:
    return Router(valid_plan(path)[1])


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
