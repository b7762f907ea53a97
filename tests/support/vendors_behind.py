"""A gateway over four vendors, one of each protocol, that answer what they are told and keep what they are asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from providers.simulator import Simulator
from tests.support.gateway import Served, served
from tests.support.native import CHAT, MESSAGES, OLLAMA, RESPONSES, Wire, http
from tests.support.raw_server import Server, serving
from tests.support.vendors import KEY

# By the name of its route.
WIRES: Mapping[str, Wire] = {"chat": CHAT, "responses": RESPONSES, "claude": MESSAGES, "llama": OLLAMA}
# By the name of its route: where a client of the same protocol asks.
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "claude": "/v1/messages", "llama": "/api/chat"}
_DEFAULTS = """\
defaults:
  retry: {max_attempts: 1}
  timeout: {connect: 60s, first_token: 60s, answer: 60s, idle: 60s, total: 120s}
"""


class Behind:
    """The vendors behind a gateway, by the names of their routes; `answers` are whole HTTP answers, the next first."""

    def __init__(self, servers: Mapping[str, Server], answers: dict[str, list[bytes]]) -> None:
        self._servers = servers
        self.answers = answers
        self.gateway: Served
        self.client: httpx.AsyncClient

    def asked(self, name: str) -> list[dict[str, Any]]:
        """The bodies that a vendor was sent."""
        return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in self._servers[name].requests]

    def heads(self, name: str) -> list[str]:
        """What came before each body, in lower case."""
        return [request.partition(b"\r\n\r\n")[0].decode().lower() for request in self._servers[name].requests]

    def says(self, name: str, plain: dict[str, Any] | None = None, stream: bytes | None = None) -> None:
        """Answer with these from now on."""
        wire = WIRES[name]
        self.answers[name] = [http(json.dumps(plain).encode() if stream is None else stream, _type(wire, stream))]

    async def post(self, face: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        """Ask by the face of a route's protocol, or at a path."""
        path = PATHS.get(face, face)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(self.gateway.url + path, json=body, headers=named)


def _type(wire: Wire, stream: bytes | None) -> str:
    return "application/json" if stream is None else wire.content_type


@asynccontextmanager
async def behind(more: str = "", *, options: Mapping[str, str] | None = None) -> AsyncIterator[Behind]:
    """Serve.

    Args:
        more: is added to the routes.yaml; `{chat}` and so on stand for the vendors' base URLs.
        options: further lines of a provider, by the name of its route.
    """
    answers: dict[str, list[bytes]] = {}
    servers: dict[str, Server] = {}
    async with AsyncExitStack() as stack:
        for name, wire in WIRES.items():

            async def answer(
                _: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str = name, wire: Wire = wire
            ) -> None:
                said = answers.get(name)
                if said:
                    writer.write(said.pop(0) if len(said) > 1 else said[0])
                elif _streams(servers[name].requests[-1]):
                    writer.write(http(wire.stream, wire.content_type))
                else:
                    writer.write(http(json.dumps(wire.answer).encode()))
                await writer.drain()

            servers[name] = await stack.enter_async_context(serving(answer))
        text, routes = "providers:\n", "routes:\n"
        for name, wire in WIRES.items():
            url = servers[name].url if wire.kind == "openai" else servers[name].url.removesuffix("/v1")
            api = "api: responses, " if name == "responses" else ""
            lines = (options or {}).get(name, "options: {dialect: generic}, " if wire.kind == "openai" else "")
            text += f'  {name}: {{kind: {wire.kind}, {api}{lines}base_url: "{url}", api_key: {KEY}}}\n'
            routes += f"  {name}: {{targets: [{name}/m-{name}]}}\n"
            more = more.replace(f"{{{name}}}", url)
        simulator = await stack.enter_async_context(Simulator())
        told = more if more.startswith("routes:") else routes + more
        running = Behind(servers, answers)
        running.gateway = await stack.enter_async_context(served(text + _DEFAULTS + told, simulator=simulator))
        running.client = await stack.enter_async_context(httpx.AsyncClient(timeout=60))
        yield running


def _streams(request: bytes) -> bool:
    body = json.loads(request.partition(b"\r\n\r\n")[2])
    return bool(body.get("stream"))


def events(data: bytes) -> list[dict[str, Any]]:
    """The JSON of a stream's events, or of its lines."""
    lines = [line.removeprefix(b"data:").strip() for line in data.split(b"\n")]
    return [json.loads(line) for line in lines if line.startswith(b"{")]
