"""A gateway on loopback, over a router whose vendors are the simulator's: for any client that takes a base URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from aiohttp import web

from providers.simulator import Simulator
from router import Router
from router.gateway.exchange import Answered, Asked
from router.gateway.gateway import Gateway
from router.gateway.http import server_of
from tests.support.vendors import KEY

# By the name of its route: the provider's lines, the vendor of the simulator, and the model that is asked for.
TARGETS = {
    "chat": ("kind: openai, api: chat", "openai", "gpt-5-mini"),
    "responses": ("kind: openai, api: responses", "openai", "gpt-5-mini"),
    "claude": ("kind: anthropic", "anthropic", "claude-haiku-4-5"),
    "llama": ("kind: ollama", "ollama", "qwen3:8b"),
}


# One try, and as much time as the slowest machine needs.
DEFAULTS = """\
defaults:
  retry: {max_attempts: 1}
  timeout: {connect: 60s, first_token: 60s, answer: 60s, idle: 60s, total: 120s}
"""


class Told(NamedTuple):
    """What a request was answered with."""

    method: str
    path: str
    status: int
    agent: str  # the client, as it calls itself


@dataclass
class Served:
    """A gateway that runs, and what is behind it. `told` has every answer so far."""

    simulator: Simulator
    router: Router
    gateway: Gateway
    url: str
    told: list[Told] = field(default_factory=list)

    @property
    def refused(self) -> list[Told]:
        return [told for told in self.told if told.status >= 400]


def routes(simulator: Simulator, routed: Mapping[str, str] | None = None) -> str:
    """A routes.yaml of one target and one try a route.

    Args:
        routed: the target of each route; by itself each of `TARGETS` has a route of its own name.
    """
    routed = {name: name for name in TARGETS} if routed is None else routed
    providers, named = "", ""
    for route, name in routed.items():
        lines, vendor, model = TARGETS[name]
        providers += f'  {name}: {{{lines}, base_url: "{simulator.base_url(vendor)}", api_key: {KEY}}}\n'
        named += f'  {route}: {{targets: ["{name}/{model}"]}}\n'
    return f"providers:\n{providers}{DEFAULTS}routes:\n{named}"


@asynccontextmanager
async def served(text: str | None = None, *, simulator: Simulator | None = None) -> AsyncIterator[Served]:
    """Serve a router on a free port of loopback.

    Args:
        text: the routes.yaml, in which `{openai}` and so on are the vendors' base URLs; by itself it has the routes of
            `TARGETS`.
        simulator: one that runs; by itself a new one, whose vendors answer at once.
    """
    if simulator is None:
        async with Simulator(seed=1) as own:
            for vendor in own.vendors.values():
                vendor.set(fast=True)
            async with served(text, simulator=own) as running:
                yield running
        return
    file = routes(simulator) if text is None else text
    for name in simulator.vendors:
        file = file.replace(f"{{{name}}}", simulator.base_url(name))
    async with Router.from_text(file, env={}, seed=1) as router:
        told: list[Told] = []
        running = Served(simulator, router, _Watched(router, told), "", told)
        runner = web.ServerRunner(server_of(running.gateway))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            running.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield running
        finally:
            await runner.cleanup()


class _Watched(Gateway):
    """Remembers what it answered."""

    def __init__(self, router: Router, told: list[Told]) -> None:
        super().__init__(router)
        self._told = told

    async def handle(self, asked: Asked) -> Answered:
        answered = await super().handle(asked)
        path = f"{asked.path}?{asked.query}" if asked.query else asked.path
        self._told.append(Told(asked.method, path, answered.status, asked.headers.get("user-agent") or ""))
        return answered
