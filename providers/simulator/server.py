"""The simulator: an HTTP server on loopback with one vendor below each first part of the path."""

from __future__ import annotations

import asyncio
import re
from random import Random
from types import TracebackType
from typing import Self

from aiohttp import web

from providers.simulator.anthropic_messages import AnthropicMessages
from providers.simulator.bedrock_invoke import BedrockInvoke
from providers.simulator.control import control
from providers.simulator.dialect import Dialect
from providers.simulator.embeddings import RERANKS
from providers.simulator.exchange import Exchange
from providers.simulator.ollama_chat import OllamaChat
from providers.simulator.openai_chat import OpenAIChat
from providers.simulator.openai_responses import OpenAIResponses
from providers.simulator.vendor import Protocol, Recorded, SimulatedVendor
from providers.wire.writing import encode

HOST = "127.0.0.1"
DIALECTS: dict[Protocol, Dialect] = {
    "openai": OpenAIChat(),
    "anthropic": AnthropicMessages(),
    "ollama": OllamaChat(),
}
RESPONSES = OpenAIResponses()  # OpenAI's other protocol, at the same vendor
SECRET_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "proxy-authorization", "cookie"})


class Simulator:
    """A server that answers like OpenAI, Anthropic and Ollama, and fails as it is told to.

    It listens on 127.0.0.1 only. Use it as an async context manager:

        async with Simulator() as simulator:
            simulator.vendor("openai").set(error_rate=1.0, error="overloaded")
            ...  # talk to simulator.base_url("openai")

    Args:
        port: 0 takes a free one.
        seed: makes errors, jitter and ids repeatable.
    """

    def __init__(self, *, port: int = 0, seed: int = 0) -> None:
        self.vendors: dict[str, SimulatedVendor] = {}
        self._port = port
        self._random = Random(seed)
        self._runner: web.ServerRunner | None = None
        self._open: dict[int, web.BaseRequest] = {}  # by id(): requests have no hash
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        for protocol in DIALECTS:
            self.add_vendor(protocol, protocol)

    @property
    def url(self) -> str:
        """The root under which all its vendors are, with its port."""
        return f"http://{HOST}:{self.port}"

    @property
    def port(self) -> int:
        """The port it listens on; 0 before it does, unless one was asked for."""
        return self._port

    def base_url(self, name: str) -> str:
        """What a client of this vendor takes as its base URL. Raises KeyError as `vendor` does."""
        return f"{self.url}/{name}{DIALECTS[self.vendor(name).protocol].base}"

    def vendor(self, name: str) -> SimulatedVendor:
        """Raises KeyError on a name that was not added."""
        if name not in self.vendors:
            raise KeyError(f"no vendor {name!r}; there are: {', '.join(self.vendors)}")
        return self.vendors[name]

    def add_vendor(self, name: str, protocol: Protocol = "openai") -> SimulatedVendor:
        """Add a vendor below `/name`, also while the server runs.

        Raises:
            ValueError: the name is taken or no plain path part, or there is no such protocol.
        """
        if name in self.vendors or name == "control" or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
            raise ValueError(f"a vendor cannot be named {name!r}: taken, or not only letters, digits and . _ -")
        if protocol not in DIALECTS:
            raise ValueError(f"unknown protocol {protocol!r}; there are: {', '.join(DIALECTS)}")
        self.vendors[name] = SimulatedVendor(name, protocol)
        return self.vendors[name]

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._closing = False
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        self._port = runner.addresses[0][1]

    async def aclose(self) -> None:
        """Stop listening and cut all that is open; a second time does nothing."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._closing = True
        for request in list(self._open.values()):
            if request.transport is not None:
                request.transport.abort()
        await self._idle.wait()  # each leaves as its connection is lost, in the loop's next turns
        await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._open[id(request)] = request
        self._idle.clear()
        try:
            # Not request.read(): that refuses bodies over 1 MiB, which a few images exceed.
            body = await request.content.read()
            name, _, rest = request.path.lstrip("/").partition("/")
            if request.path in RERANKS or request.path == "/v1/embeddings":  # of servers that have no base path
                return await self._answer(self.vendor("openai"), request, request.path, body)
            if name in self.vendors:
                return await self._answer(self.vendors[name], request, f"/{rest}", body)
            status = 404
            found: dict[str, object] = {"error": f"no such path; vendors: {', '.join(self.vendors)}; see also /control"}
            if name == "control":
                status, found = control(request.method, request.path, body, self.vendors)
            return web.Response(body=encode(found), status=status, content_type="application/json")
        finally:
            self._open.pop(id(request), None)
            if not self._open:
                self._idle.set()

    async def _answer(
        self, vendor: SimulatedVendor, request: web.BaseRequest, path: str, body: bytes
    ) -> web.StreamResponse:
        exchange = Exchange(vendor, _dialect(vendor.protocol, path), request, path, self._random)
        vendor.requests += 1
        vendor.keys[exchange.key[-4:]] += 1
        vendor.last_request = _recorded(request, path, body)
        vendor.in_flight += 1
        try:
            return await exchange.answer(body)
        except (asyncio.CancelledError, ConnectionError):
            if not (self._closing or exchange.severed):
                vendor.cancelled += 1
            raise
        finally:
            vendor.in_flight -= 1


def _dialect(protocol: Protocol, path: str) -> Dialect:
    if protocol == "anthropic" and path.startswith("/model/"):
        return BedrockInvoke(path)
    if protocol == "openai" and path.startswith(RESPONSES.chat):
        return RESPONSES
    return DIALECTS[protocol]


def _recorded(request: web.BaseRequest, path: str, body: bytes) -> Recorded:
    headers = {name.lower(): value for name, value in request.headers.items()}
    kept = {name: value for name, value in headers.items() if name not in SECRET_HEADERS}
    return Recorded(request.method, path, kept, body)
