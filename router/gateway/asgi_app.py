"""The gateway as an ASGI app, for those who have a server already: FastAPI, Starlette, uvicorn, granian, hypercorn."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

from providers.errors import ErrorCode
from router.gateway.connection import Bounds
from router.gateway.errors import Refused
from router.gateway.exchange import Answered, Asked, Body
from router.gateway.gateway import Gateway
from router.gateway.inflate import read_body

if TYPE_CHECKING:
    from router.router import Router

_LENGTH = re.compile("[0-9]{1,18}")
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class Asgi:
    """An ASGI 3 app; see `router.gateway.asgi`."""

    def __init__(self, router: Router) -> None:
        self.gateway = Gateway(router)
        self._bounds = Bounds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what a server hands on."""
        if scope["type"] == "http":
            await _Exchange(self.gateway, self._bounds, scope, receive, send).run()
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})  # before it is accepted: the server answers 403
        else:
            raise ValueError(f"an ASGI scope of type {scope['type']!r} is not known here")

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start the router with the server, and close it with it; an app that mounts this has none of it."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.gateway.router.__aenter__()
            else:
                self.gateway.is_ready = False
                await self.gateway.router.aclose()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


class _Exchange:
    """One request. A client that leaves ends it, whether it waits for an answer or takes one."""

    def __init__(self, gateway: Gateway, bounds: Bounds, scope: Scope, receive: Receive, send: Send) -> None:
        self._gateway = gateway
        self._bounds = bounds
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers = _Headers(scope["headers"])
        self._has_left = False
        self._is_read = asyncio.Event()  # the body: from then on nothing comes but that the client left

    async def run(self) -> None:
        task = asyncio.current_task()
        assert task is not None

        def leave(watching: asyncio.Task[None]) -> None:
            if not watching.cancelled() and watching.exception() is None:
                self._has_left = True
                task.cancel()

        watcher = asyncio.get_running_loop().create_task(self._watch())
        watcher.add_done_callback(leave)
        try:
            await self._respond(await self._gateway.handle(self._asked()))
        except asyncio.CancelledError:
            if not self._has_left or task.uncancel():
                raise  # the server cancels it, not the client
        finally:
            watcher.cancel()

    async def _watch(self) -> None:
        """Wait until the client leaves."""
        await self._is_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _asked(self) -> Asked:
        scope = self._scope
        path, root = scope["path"], scope.get("root_path", "").rstrip("/")
        if root and path.startswith(f"{root}/"):  # where it is mounted; some servers leave it in the path
            path = path[len(root) :]
        client = scope.get("client")
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            self._is_read.set()  # nobody asks for their body
        return Asked(
            scope["method"],
            path,
            scope.get("query_string", b"").decode("latin-1"),
            self._headers,
            self._read,
            str(client[0]) if client else "",
        )

    async def _read(self, limit: int) -> bytes:
        written = self._headers.get("content-length") or ""
        length = int(written) if _LENGTH.fullmatch(written) else None
        encoding = self._headers.get("content-encoding") or ""
        try:
            async with asyncio.timeout(self._bounds.body) as within:
                return await read_body(self._pieces(), encoding, length, limit)
        except TimeoutError:
            if not within.expired():
                raise
            text = f"the body was not there after {self._bounds.body:.0f} s"
            raise Refused(ErrorCode.INVALID_REQUEST, text, status=408) from None
        finally:
            self._is_read.set()

    async def _pieces(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._has_left = True
                raise asyncio.CancelledError
            yield message.get("body", b"")
            more = message.get("more_body", False)

    async def _respond(self, answered: Answered) -> None:
        body = answered.body
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answered.headers.items()]
        if isinstance(body, bytes):
            if answered.status != HTTPStatus.NO_CONTENT:
                headers.append((b"content-length", str(len(body)).encode()))
            await self._send({"type": "http.response.start", "status": answered.status, "headers": headers})
            shown = b"" if self._scope["method"] == "HEAD" else body
            await self._send({"type": "http.response.body", "body": shown})
            return
        await self._stream(answered.status, headers, body)

    async def _stream(self, status: int, headers: list[tuple[bytes, bytes]], body: Body) -> None:
        try:
            await self._send({"type": "http.response.start", "status": status, "headers": headers})
            async for data in body:
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
            await self._send({"type": "http.response.body", "body": b""})
        finally:
            await body.aclose()


class _Headers:
    """The headers of a scope by their names in lower case; see `exchange.Headers`."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in raw:
            self._values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

    def get(self, name: str, /) -> str | None:
        return self._values.get(name, (None,))[0]

    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]:
        return self._values.get(name, default)

    def __contains__(self, name: object, /) -> bool:
        return name in self._values
