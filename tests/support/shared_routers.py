"""Routers that share limits over a server: what tests of them ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router import RouteExhausted, Router
from router.views.events import Event

KEY = "sk-planted-0123456789"
FILE = """
providers: {{a: {{kind: fake, api_key: {key}, base_url: https://planted.example/v1, limits: {{requests: {limit}}}}}}}
routes: {{chat: a/planted-model}}
defaults: {{retry: {{max_wait: {wait}}}}}
shared: {{url: "{url}", app: shop, timeout: 2s{more}}}
"""


def file(url: str, limit: str = "60/min", *, wait: str = "0s", more: str = "") -> str:
    return FILE.format(key=KEY, url=url, limit=limit, wait=wait, more=more)


@asynccontextmanager
async def routers(text: str, count: int = 2) -> AsyncIterator[list[Router]]:
    found = [Router.from_text(text, env={}) for _ in range(count)]
    try:
        for router in found:
            await router.__aenter__()
        yield found
    finally:
        for router in found:
            await router.aclose()


async def served(router: Router, route: str = "chat") -> bool:
    try:
        await router.complete(route, "hi")
    except RouteExhausted:
        return False
    return True


def events_of(router: Router) -> list[Event]:
    return [event for event in router.telemetry.events if event.kind == "shared"]


def states_of(router: Router) -> list[str]:
    return [event.fields["state"] for event in events_of(router)]
