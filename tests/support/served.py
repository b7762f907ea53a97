"""A gateway on real sockets over a provider that answers when it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from providers.accumulate import Accumulator
from providers.base import ChunkStream
from providers.fake import FakeProvider
from providers.settings import ProviderSettings
from providers.types import CompletionRequest, CompletionResponse, StreamChunk, Usage
from router import Router
from router.config.listen import Address
from router.gateway.connection import Bounds
from router.gateway.gateway import Gateway
from router.gateway.http import server_of
from router.gateway.server import Server

FILE = """
providers: {fake: {kind: fake}}
routes: {chat: {targets: [fake/m]}}
"""


class Held(FakeProvider):
    """Says half of an answer, and the rest when the gate is open; plain answers come when it is open."""

    def __init__(self) -> None:
        super().__init__(ProviderSettings(name="fake", kind="fake"))
        self.gate = asyncio.Event()

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        self.requests.append(request)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return CompletionResponse(text="one two", finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=2))

    def stream(self, request: CompletionRequest) -> ChunkStream:
        gathered = Accumulator(self.name, request.model)
        return ChunkStream(self._halves(request, gathered), gathered.response)

    async def _halves(self, request: CompletionRequest, gathered: Accumulator) -> AsyncIterator[StreamChunk]:
        self.requests.append(request)
        chunks = [
            StreamChunk(text="one "),
            StreamChunk(text="two"),
            StreamChunk(finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=2), done=True),
        ]
        try:
            for number, chunk in enumerate(chunks):
                if number == 1:
                    await self.gate.wait()
                gathered.add(chunk)
                yield chunk
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise


class Served(NamedTuple):
    port: int
    gateway: Gateway
    server: Server
    provider: FakeProvider


@asynccontextmanager
async def served(
    serve: str = "{}",
    *,
    provider: FakeProvider | None = None,
    bounds: Bounds | None = None,
    host: str = "127.0.0.1",
    **more: Any,
) -> AsyncIterator[Served]:
    """A gateway whose file has this `serve` section."""
    fake = provider or FakeProvider.scripted(name="fake")
    async with Router.from_text(f"{FILE}serve: {serve}\n", providers={"fake": fake}, monitor=False) as router:
        gateway = Gateway(router)
        server = Server(server_of(gateway, bounds), [Address(host, 0)], **more)
        await server.start()
        try:
            yield Served(server.addresses[0].port, gateway, server, fake)
        finally:
            await server.stop()
            server.abort()


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def raw(port: int, data: bytes, host: str = "127.0.0.1") -> bytes:
    """Send bytes, and give all that comes until the other side closes."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(data)
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()


def parsed(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, body)


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request after which the connection is closed."""
    lines = {"host": "127.0.0.1", "connection": "close", "content-length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    return parsed(await raw(port, request(method, path, body, **headers)))


def question(*, stream: bool = False, **fields: Any) -> bytes:
    """The body of a chat, which Anthropic and Ollama can read as well."""
    messages = [{"role": "user", "content": "hi"}]
    return json.dumps({"model": "chat", "max_tokens": 9, "messages": messages, "stream": stream, **fields}).encode()


CHAT = "/v1/chat/completions"
