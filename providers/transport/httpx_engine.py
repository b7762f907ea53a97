"""Requests carried by an httpx transport that the caller has handed in: a proxy of its own, a recording, a mock.

Errors come out as those of `aiohttp_engine` do, whatever the transport raises: those of another httpx (httpx2) count by
their names. httpx's own transport calls a server that hangs up a protocol error, of which a router would not try again;
what h11 says of it tells the two apart.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import httpx

from providers.transport.engine import (
    KEEP_ALIVE,
    CarrierError,
    ConnectError,
    ConnectTimeout,
    ProtocolError,
    ReadError,
    ReadTimeout,
    StaleConnection,
    joined,
)
from providers.transport.failures import reason
from providers.transport.response import HttpResponse

_LINGER = 0.1  # seconds in which the end of a finished body is waited for, so that its connection can be used again

_WITHOUT_CONNECTIONS = httpx.MockTransport | httpx.ASGITransport
_OF_THE_PARENT = (
    "the transport that was handed in has connections of the process that this one was forked from; "
    "hand in one that was made here"
)


class HttpxEngine:
    """Calls the transport directly; httpx's client with its cookies, redirects and auth is not in between."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._used_in: int | None = None  # the process

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, connect: float | None
    ) -> HttpResponse:
        process = os.getpid()
        if self._used_in not in (None, process) and not isinstance(self._transport, _WITHOUT_CONNECTIONS):
            raise ConnectError(_OF_THE_PARENT)
        self._used_in = process
        call = _Call()
        _call.set(call)
        extensions = {"timeout": {"connect": connect}, "trace": call.trace}
        request = httpx.Request(method, url, headers=headers, content=body, extensions=extensions)
        try:
            answer = await self._transport.handle_async_request(request)
            return _HttpxAnswer(answer.status_code, joined(answer.headers.multi_items()), answer=answer)
        except Exception as error:  # whatever it is, this call failed by it
            exact = _exact(error)
            if call.was_stale and isinstance(exact, ReadError | ConnectError):
                raise StaleConnection(str(exact)) from error
            raise exact from error

    async def aclose(self) -> None:
        if self._used_in in (None, os.getpid()):
            await self._transport.aclose()


class _Call:
    """One request, as httpcore's events tell of it; transports of other makes say nothing, and are not stale.

    https://www.encode.io/httpcore/extensions/ (trace, network_stream)
    """

    __slots__ = ("_is_http1", "_is_new", "heard", "listens")

    def __init__(self) -> None:
        self._is_http1 = False  # HTTP/2 carries others on the same connection
        self._is_new = False
        self.listens = False  # its connection is one whose bytes are heard of
        self.heard = False

    @property
    def was_stale(self) -> bool:
        """Whether an earlier request used its connection as well, and this one got not a byte."""
        return self._is_http1 and self.listens and not self._is_new and not self.heard

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            self._is_http1 = True
        elif event.startswith("connection.connect_") and event.endswith(".complete"):
            self._is_new = True
            _keep_alive(info["return_value"])
            _listen(info["return_value"])
        elif event.endswith("start_tls.complete"):
            _listen(info["return_value"])


_call: ContextVar[_Call | None] = ContextVar("call", default=None)  # that the task makes


def _keep_alive(stream: Any) -> None:
    """Let a new connection notice when the other side is gone."""
    made = stream.get_extra_info("socket")
    for option in KEEP_ALIVE if made is not None else ():
        with suppress(OSError):  # a socket of another family
            made.setsockopt(*option)


def _listen(stream: Any) -> None:
    """Let the call that reads from a connection know that something came."""
    read = stream.read

    async def heard(*args: Any, **more: Any) -> bytes:
        call = _call.get()
        if call is not None:
            call.listens = True
        data: bytes = await read(*args, **more)
        if data and call is not None:
            call.heard = True
        return data

    stream.read = heard


# h11's words for a connection that was closed too early (its `_readers.py` and httpcore's `http11.py`).
_HUNG_UP = ("Server disconnected", "peer closed connection")
# Failures by the name of their class, the same in httpx, httpx2 and httpcore; and Python's own.
_OF_THE_NETWORK: dict[str, type[CarrierError]] = {
    "ConnectError": ConnectError,
    "ConnectionRefusedError": ConnectError,
    **dict.fromkeys(("NetworkError", "ReadError", "WriteError", "CloseError", "OSError"), ReadError),
}
_LIKE: dict[str, type[CarrierError]] = {
    **_OF_THE_NETWORK,
    **dict.fromkeys(("ProxyError", "UnsupportedProtocol"), ConnectError),
    **dict.fromkeys(("ConnectTimeout", "PoolTimeout"), ConnectTimeout),
    **dict.fromkeys(("ReadTimeout", "WriteTimeout", "TimeoutException", "TimeoutError"), ReadTimeout),
    **dict.fromkeys(("RemoteProtocolError", "DecodingError"), ProtocolError),
    **dict.fromkeys(("ProtocolError", "LocalProtocolError", "TransportError", "RequestError"), CarrierError),
}


def _exact(error: Exception) -> CarrierError:
    """The failure in our terms; one of a class unlike httpx's broke the connection, for all that is known."""
    text = str(error)
    if isinstance(error, RuntimeError) and "loop is closed" in text:
        return ReadError("the transport that was handed in has connections of an event loop that is closed")
    name = next((base.__name__ for base in type(error).__mro__ if base.__name__ in _LIKE), "")
    if not name:
        return ReadError(f"the transport failed: {type(error).__name__}: {text}")
    if name == "RemoteProtocolError" and text.startswith(_HUNG_UP):
        return ReadError(f"the connection broke: {text}")
    if name == "ConnectTimeout" and not text:
        return ConnectTimeout("no connection in time (timeout.connect)")
    if name in _OF_THE_NETWORK:
        return _LIKE[name](reason(error) or text or "the connection was closed")
    return _LIKE[name](text or type(error).__name__)


class _HttpxAnswer(HttpResponse, eq=False, kw_only=True):
    answer: httpx.Response
    pieces: AsyncIterator[bytes] | None = None
    finished: bool = False

    async def sent(self) -> bytes:
        try:
            if self.pieces is None:
                source: Any = self.answer.stream
                self.pieces = aiter(source)
            async for data in self.pieces:
                if data:
                    return data
        except Exception as error:
            raise _exact(error) from error
        return b""

    def finish(self) -> None:
        self.finished = True

    async def aclose(self) -> None:
        if self.finished:
            with suppress(TimeoutError, CarrierError):
                async with asyncio.timeout(_LINGER):
                    while await self.sent():
                        pass
        # The generator of the pieces as well: left alone it would be closed by a task of its own.
        for source in (self.pieces, self.answer.stream):
            close = getattr(source, "aclose", None)
            if close is not None:
                with suppress(Exception):  # the answer is here, or its failure is known
                    await close()
