"""Ours: the Router, or a provider without it."""

from __future__ import annotations

import asyncio
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks import engine
from benchmarks.answers import MODEL
from benchmarks.worker import Setup, serve
from providers import CompletionRequest, Message, Provider, ProviderSettings, registry
from router import Router

FIRST_TOKEN = 0.2  # seconds, after which a target that hangs is given up in the failover case


class Routed:
    def __init__(self, router: Router, setup: Setup) -> None:
        self.router = router
        self._messages = setup.messages

    async def call(self) -> str:
        return (await self.router.complete("chat", self._messages)).text

    async def stream(self) -> str:
        async with self.router.stream("chat", self._messages) as stream:
            return "".join([chunk.text async for chunk in stream])

    async def tools(self) -> str:
        async with self.router.stream("chat", self._messages) as stream:
            return "".join([call.arguments async for chunk in stream for call in chunk.tool_calls])

    async def aclose(self) -> None:
        await self.router.aclose()


class FromDisk(Routed):
    async def call(self) -> str:
        self.router.cache.forget_memory()
        return await super().call()


class Bare:
    """The provider alone; like the router's callers, it is given plain messages and makes a request of them."""

    def __init__(self, provider: Provider, setup: Setup) -> None:
        self._provider = provider
        self._messages = setup.messages

    def _request(self) -> CompletionRequest:
        return CompletionRequest(model=MODEL, messages=tuple(Message.user(each["content"]) for each in self._messages))

    async def call(self) -> str:
        return (await self._provider.complete(self._request())).text

    async def stream(self) -> str:
        async with self._provider.stream(self._request()) as stream:
            return "".join([chunk.text async for chunk in stream])

    async def tools(self) -> str:
        async with self._provider.stream(self._request()) as stream:
            return "".join([call.arguments async for chunk in stream for call in chunk.tool_calls])

    async def aclose(self) -> None:
        await self._provider.aclose()


def file_of(setup: Setup) -> str:
    """The routes.yaml of a setup."""
    urls = [setup.url(number) for number in range(1 + setup.fallbacks)]
    providers = "".join(
        f'  p{number}: {{kind: {setup.vendor}, base_url: "{url}", api_key: k}}\n' for number, url in enumerate(urls)
    )
    targets = ", ".join(f"p0/{MODEL}{'' if number == 0 else f'-{number}'}" for number in range(setup.targets))
    fallbacks = ", ".join(f"p{number}/{MODEL}" for number in range(1, len(urls)))
    cache = f'cache: {{path: "{tempfile.mkdtemp()}"}}\n' if setup.cache else ""
    kept = ", cache: {ttl: 1h}" if setup.cache else ""
    return f"providers:\n{providers}routes:\n  chat: {{targets: [{targets}], fallbacks: [{fallbacks}]{kept}}}\n{cache}"


async def open_peer(setup: Setup) -> Routed | Bare:
    if setup.bare:
        settings = ProviderSettings(name="p0", kind=setup.vendor, base_url=setup.url(), api_key="k")
        return Bare(registry.create(settings), setup)
    router = Router.from_text(file_of(setup), env={})
    if setup.dead:
        router.breaker(f"p0/{MODEL}", "open")
    if setup.cache:
        await router.complete("chat", setup.messages)
        await router.cache.written()
    return (FromDisk if setup.cache == "disk" else Routed)(router, setup)


async def failover(setup: Setup, times: int) -> dict[str, Any]:
    """Seconds from the fault to the first content of the next target, each time on a new router."""
    found, limit = [], f"{{first_token: {FIRST_TOKEN * 1000:g}ms}}"
    for _ in range(times):
        good = Setup(setup.base)
        text = (
            f'providers:\n  bad: {{kind: openai, base_url: "{setup.url()}", api_key: k, timeout: {limit}}}\n'
            f'  good: {{kind: openai, base_url: "{good.url()}", api_key: k}}\n'
            f"routes: {{chat: {{targets: [bad/m], fallbacks: [good/m]}}, warm: {{targets: [good/m]}}}}\n"
        )
        async with Router.from_text(text, env={}) as router:
            await router.complete("warm", "hi")
            began = time.perf_counter()
            async with router.stream("chat", "hi") as stream:
                async for chunk in stream:
                    if chunk.text:
                        break
            first = time.perf_counter()
        fault = began
        if not setup.dead:
            fault = await asyncio.to_thread(_last_fault, setup.base)
            fault += FIRST_TOKEN if setup.mode == "hang" else 0.0
        found.append(first - fault)
    return {"times": times, "seconds": sorted(found)}


def _last_fault(base: str) -> float:
    with urllib.request.urlopen(f"{base}/fault") as answer:
        return float(answer.read())


async def engine_alone(setup: Setup, times: int) -> dict[str, Any]:
    """Seconds of CPU over the fake provider (see `benchmarks.engine`)."""
    routed, bare = await engine.calls(3)
    many, bare_of_many = await engine.calls(1000)
    chunk, bare_chunk = await engine.chunks(3)
    own = {"own call": routed - bare, "own call of 1000": many - bare_of_many, "own chunk": chunk - bare_chunk}
    return {"times": times, "call": routed, **own}


async def load(setup: Setup, times: int) -> dict[str, Any]:
    """Seconds for a router on a file of 1,000 models and 200 routes."""
    Router.from_text(engine.file_of(3), env={})  # what it needs is imported
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "routes.yaml"
        path.write_text(engine.file_of(1000))
        cpu, wall = time.process_time(), time.perf_counter()
        router = Router.from_yaml(path, env={})
        told = {"times": times, "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    assert len(router.routes) >= 200
    return told


if __name__ == "__main__":
    serve(open_peer, failover=failover, engine=engine_alone, load=load)
