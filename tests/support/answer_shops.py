"""Routers of several machines that share their answers over a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis import Redis

from providers import FakeProvider
from providers.fake import Reply
from providers.types import CompletionResponse
from router import RouteExhausted, Router
from tests.support.redis_server import RedisServer

KEY, SECRET, PROMPT = "sk-planted-0123456789", "planted-secret", "planted-prompt"
FILE = """
providers: {{a: {{kind: fake, api_key: {key}, base_url: https://planted.example/v1}}}}
routes:
  planted-route: {{targets: [a/planted-model], cache: {{ttl: 1h, max_entry: 2KB{cache}}}}}
  other: {{targets: [a/planted-model], cache: {{ttl: 1h}}}}
shared: {{url: "{url}", app: shop, share: [cache], secret: {secret}, timeout: 2s{shared}}}
{more}
"""


def file(
    url: str, *, secret: str = SECRET, cache: str = "", shared: str = "", more: str = "cache: {path: memory}"
) -> str:
    return FILE.format(key=KEY, url=url, secret=secret, cache=cache, shared=shared, more=more)


class Shop:
    """A router of one process, and its vendor."""

    def __init__(self, text: str, answer: str = "answer") -> None:
        self.fake = FakeProvider.scripted(Reply(answer), name="a")
        self.router = Router.from_text(text, env={}, providers={"a": self.fake})

    @property
    def calls(self) -> int:
        return len(self.fake.requests)

    async def ask(
        self, prompt: str = PROMPT, *, route: str = "planted-route", namespace: str | None = None, stream: bool = False
    ) -> CompletionResponse:
        if not stream:
            return await self.router.complete(route, prompt, namespace=namespace)
        async with self.router.stream(route, prompt, namespace=namespace) as answer:
            async for _ in answer:
                pass
        return answer.response

    async def store(self, prompt: str = PROMPT, *, route: str = "planted-route", namespace: str | None = None) -> None:
        await self.ask(prompt, route=route, namespace=namespace)
        await self.router.cache.written()

    async def level(self, prompt: str = PROMPT, *, route: str = "planted-route", namespace: str | None = None) -> str:
        """Who has the answer, but for memory; "" when nobody does."""
        self.router.cache.forget_memory()
        return await self.held(prompt, route=route, namespace=namespace)

    async def held(self, prompt: str = PROMPT, *, route: str = "planted-route", namespace: str | None = None) -> str:
        """Who has the answer; "" when nobody does."""
        try:
            reply = await self.router.complete(route, prompt, namespace=namespace, cache="only")
        except RouteExhausted:
            return ""
        return reply.trace.cache_level


@asynccontextmanager
async def shops(*texts: str) -> AsyncIterator[list[Shop]]:
    found = [Shop(text, f"answer of {number}") for number, text in enumerate(texts)]
    try:
        for shop in found:
            await shop.router.__aenter__()
        yield found
    finally:
        for shop in found:
            await shop.router.aclose()


def raw(server: RedisServer) -> Redis:
    return Redis(port=server.port)
