"""What a vendor, or what stands between, can do wrong to one answer; and what a router makes of each.

A faulty proxy stands before the simulator: it passes a request on, takes the healthy answer, and plays it back broken.
`python -m tests.support.faults` prints the whole matrix.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import httpx

from providers.errors import ProviderError
from providers.simulator import Simulator
from providers.transport.httpx_engine import HttpxEngine
from router import RouteExhausted, Router
from tests.support.raw_server import closes_by_reset

PROTOCOLS = ("chat", "responses", "anthropic", "ollama")
CARRIERS = ("aiohttp", "httpx")
OK = "ok"
BROKEN = "stream_interrupted"


@dataclass
class Wire:
    """The connection to the client, and the healthy answer that is to be broken.

    `events` are the pieces of a stream; a plain answer is one. `head` has no length and no encoding.
    """

    writer: asyncio.StreamWriter
    status: bytes
    headers: list[bytes]
    events: list[bytes]
    stream: bool
    played: int = 0

    @property
    def body(self) -> bytes:
        return b"".join(self.events)

    def head(self, *more: bytes, status: bytes | None = None) -> bytes:
        return b"\r\n".join([status or self.status, *self.headers, *more, b"", b""])

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def whole(self, body: bytes, *more: bytes, status: bytes | None = None) -> None:
        """Send an answer that is complete by HTTP."""
        self.send(self.head(*more, b"Content-Length: %d" % len(body), status=status) + body)

    async def reset(self) -> None:
        """Close with RST, after what was written has left."""
        await self.writer.drain()
        closes_by_reset(self.writer)
        self.writer.transport.abort()

    async def silence(self) -> None:
        """Say nothing more until the client leaves."""
        await asyncio.get_running_loop().create_future()


Play = Callable[[Wire], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """A fault, and what one target alone comes to by it: `ok`, or the code of the error.

    Args:
        stream: of a stream; the same as a plain answer where it is not given.
        url: the base URL in place of the proxy's; `{port}` is the proxy's.
        timeout: of the faulty provider.
        raised: whether the error is raised at once, in place of asking the next target.
        large: whether it takes so much memory that one runs at a time.
        early: whether a stream may fail before its content is seen, as the reading of what came at once goes.
    """

    name: str
    play: Play
    plain: str
    stream: str = ""
    url: str = ""
    timeout: str = ""
    raised: bool = False
    large: bool = False
    early: bool = False

    def expected(self, *, streamed: bool, fallback: bool) -> set[str]:
        alone = self.stream or self.plain if streamed else self.plain
        seen = {alone, self.plain} if streamed and self.early else {alone}
        if not fallback or self.raised:
            return seen
        return {code if code == BROKEN else OK for code in seen}


FAULTS: list[Fault] = []
_SHORT = "{first_token: 80ms, answer: 80ms}"


def fault(name: str, plain: str, stream: str = "", **more: Any) -> Callable[[Play], Play]:
    def add(play: Play) -> Play:
        FAULTS.append(Fault(name, play, plain, stream, **more))
        return play

    return add


# --- the connection


async def _never(wire: Wire) -> None:
    raise AssertionError("nobody should get so far")


FAULTS += [
    Fault("nobody listens", _never, "connection_failed", url="http://127.0.0.1:1"),
    Fault("no such name", _never, "connection_failed", url="http://vendor.invalid"),
]


@fault("TLS to a plain server", "connection_failed", url="https://127.0.0.1:{port}")
async def _(wire: Wire) -> None:
    wire.writer.close()


@fault("reset before the headers", "connection_failed")
async def _(wire: Wire) -> None:
    await wire.reset()


@fault("closed before the headers", "connection_failed")
async def _(wire: Wire) -> None:
    wire.writer.close()


@fault("reset within the headers", "connection_failed")
async def _(wire: Wire) -> None:
    wire.send(wire.head()[:40])
    await wire.reset()


@fault("closed within the headers", "connection_failed")
async def _(wire: Wire) -> None:
    wire.send(wire.head()[:40])
    wire.writer.close()


@fault("closed after the headers", "connection_failed")
async def _(wire: Wire) -> None:
    wire.send(wire.head(b"Content-Length: 1000"))
    wire.writer.close()


@fault("reset within the body", "connection_failed", BROKEN)
async def _(wire: Wire) -> None:
    wire.send(wire.head(b"Transfer-Encoding: chunked"))
    wire.chunk(wire.body[: len(wire.body) * 2 // 3])
    await wire.reset()


@fault("closed between two chunks", "connection_failed", BROKEN)
async def _(wire: Wire) -> None:
    wire.send(wire.head(b"Transfer-Encoding: chunked"))
    wire.chunk(wire.body[: len(wire.body) * 2 // 3])
    wire.writer.close()


@fault("closed within a UTF-8 character", "connection_failed", BROKEN)
async def _(wire: Wire) -> None:
    at = wire.body.index("é".encode(), len(wire.body) // 3) + 1
    wire.send(wire.head(b"Transfer-Encoding: chunked"))
    wire.chunk(wire.body[:at])
    wire.writer.close()


@fault("headers, then silence", "timeout", timeout=_SHORT)
async def _(wire: Wire) -> None:
    wire.send(wire.head(b"Content-Length: 1000"))
    await wire.silence()


@fault("no answer at all", "timeout", timeout=_SHORT)
async def _(wire: Wire) -> None:
    await wire.silence()


@fault("half an answer, then silence", "timeout", BROKEN, timeout="{first_token: 30s, idle: 80ms, answer: 80ms}")
async def _(wire: Wire) -> None:
    wire.send(wire.head(b"Transfer-Encoding: chunked"))
    wire.chunk(wire.body[: len(wire.body) * 2 // 3])
    await wire.silence()


# --- HTTP


@fault("no HTTP", "protocol_error")
async def _(wire: Wire) -> None:
    wire.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    wire.writer.close()


@fault("a broken chunked encoding", "protocol_error", BROKEN, early=True)
async def _(wire: Wire) -> None:
    wire.send(wire.head(b"Transfer-Encoding: chunked"))
    wire.chunk(wire.body[: len(wire.body) * 2 // 3])
    wire.send(b"zz\r\nhello\r\n")
    wire.writer.close()


@fault("a Content-Length that is too large", "connection_failed", OK)
async def _(wire: Wire) -> None:
    wire.send(wire.head(b"Content-Length: %d" % (len(wire.body) + 10)) + wire.body)
    wire.writer.close()


@fault("a Content-Length that is too small", "protocol_error", BROKEN)
async def _(wire: Wire) -> None:
    cut = len(wire.body) * 2 // 3
    wire.send(wire.head(b"Content-Length: %d" % cut) + wire.body[:cut])


@fault("a redirect to another host", "protocol_error")
async def _(wire: Wire) -> None:
    wire.whole(b"", b"Location: http://elsewhere.invalid/", status=b"HTTP/1.1 307 Temporary Redirect")


@fault("packed, as asked for", OK)
async def _(wire: Wire) -> None:
    wire.whole(gzip.compress(wire.body), b"Content-Encoding: gzip")


@fault("packed otherwise than it says", "protocol_error")
async def _(wire: Wire) -> None:
    wire.whole(wire.body, b"Content-Encoding: gzip")


@fault("packed as nobody asked", "protocol_error")
async def _(wire: Wire) -> None:
    wire.whole(wire.body, b"Content-Encoding: br")


@fault("a bomb", "protocol_error")
async def _(wire: Wire) -> None:
    wire.whole(_BOMB, b"Content-Encoding: gzip")


_BOMB = gzip.compress(b"\n" * 16_000_000)


# --- the body


@fault("a page of HTML", "protocol_error")
async def _(wire: Wire) -> None:
    page = b"<!doctype html><html><body>It works!</body></html>"
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))


@fault("an empty body", "protocol_error")
async def _(wire: Wire) -> None:
    wire.whole(b"")


@fault("JSON that stops in the middle", "protocol_error", BROKEN)
async def _(wire: Wire) -> None:
    wire.whole(wire.body[: len(wire.body) * 2 // 3])


@fault("an error with status 200", "server_error")
async def _(wire: Wire) -> None:
    wire.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_ERROR), _ERROR)
    )


_ERROR = b'{"error": {"type": "server_error", "message": "the server had an error"}}'


@fault("one byte at a time", OK)
async def _(wire: Wire) -> None:
    wire.send(wire.head(b"Transfer-Encoding: chunked"))
    for at in range(len(wire.body)):
        wire.chunk(wire.body[at : at + 1])
    wire.send(b"0\r\n\r\n")


@fault("lines that end with CRLF", OK)
async def _(wire: Wire) -> None:
    wire.whole(wire.body.replace(b"\n", b"\r\n") if wire.stream else wire.body)


@fault("a byte order mark", OK)
async def _(wire: Wire) -> None:
    wire.whole(b"\xef\xbb\xbf" + wire.body)


@fault("comments between the events", OK)
async def _(wire: Wire) -> None:
    wire.whole(b": keep-alive\n\n".join(wire.events) if wire.stream else wire.body)


@fault("an event beyond every bound", "protocol_error", large=True)
async def _(wire: Wire) -> None:
    if not wire.stream:
        wire.whole(b'{"padding": "' + b"x" * (65 * 1024 * 1024))
        return
    wire.send(wire.head(b"Transfer-Encoding: chunked"))
    wire.chunk(b'data: {"padding": "' + b"x" * (17 * 1024 * 1024))


@fault("an error as the first event", "server_error")
async def _(wire: Wire) -> None:
    if wire.stream:
        wire.whole(_event(wire, _ERROR))
    else:
        wire.whole(_ERROR)


@fault("an error after some chunks", "server_error", BROKEN)
async def _(wire: Wire) -> None:
    if wire.stream:
        wire.whole(b"".join(wire.events[: len(wire.events) * 2 // 3]) + _event(wire, _ERROR))
    else:
        wire.whole(_ERROR)


def _event(wire: Wire, data: bytes) -> bytes:
    if wire.events[0].startswith(b"{"):
        return data + b"\n"
    return b"event: error\ndata: " + data + b"\n\n"


@fault("no end of the protocol", OK, BROKEN)
async def _(wire: Wire) -> None:
    if wire.stream:
        wire.whole(b"".join(wire.events[: len(wire.events) * 2 // 3]))
    else:
        wire.whole(wire.body)


@fault("an end, and then an open connection", OK)
async def _(wire: Wire) -> None:
    if wire.stream:
        wire.send(wire.head(b"Transfer-Encoding: chunked"))
        wire.chunk(wire.body)
        await wire.silence()
    wire.whole(wire.body)


# --- statuses


def _answers(
    status: int, reason: str, code: str, *headers: bytes, raised: bool = False, name: str = "", said: str = ""
) -> None:
    @fault(name or f"{status} {reason}", code, raised=raised)
    async def _(wire: Wire) -> None:
        body = b'{"error": {"message": "%s"}}' % (said or reason).encode()
        line = f"HTTP/1.1 {status} {reason}".encode()
        wire.whole(body, *headers, status=line)


for _status, _reason, _code in (
    (401, "Unauthorized", "authentication"),
    (402, "Payment Required", "quota_exhausted"),
    (403, "Forbidden", "permission_denied"),
    (408, "Request Timeout", "timeout"),
    (413, "Content Too Large", "request_too_large"),
    (429, "Too Many Requests", "rate_limited"),
    (500, "Internal Server Error", "server_error"),
    (502, "Bad Gateway", "server_error"),
    (503, "Service Unavailable", "overloaded"),
    (504, "Gateway Timeout", "server_error"),
    (529, "Overloaded", "overloaded"),
    (599, "Unknown", "server_error"),
):
    _answers(_status, _reason, _code)
_answers(400, "Bad Request", "invalid_request", raised=True)
_answers(404, "Not Found", "model_not_found", name="404 for the model", said="The model does not exist.")
_answers(404, "Not Found", "invalid_request", name="404 for the path", raised=True)
for _name, _header in (
    ("seconds", b"Retry-After: 30"),
    ("a date", b"Retry-After: Fri, 01 Jan 2100 00:00:00 GMT"),
    ("milliseconds", b"Retry-After-Ms: 30000"),
    ("nonsense", b"Retry-After: soon"),
    ("a reset header", b"X-RateLimit-Remaining-Requests: 0\r\nX-RateLimit-Reset-Requests: 30s"),
):
    _answers(429, "Too Many Requests", "rate_limited", _header, name=f"429, to wait by {_name}")


# --- how a cell is run

_PROVIDER = '  {name}: {{kind: {kind}, base_url: "{url}", api_key: sk-0123456789abcdef{more}}}'
_FILE = """
providers:
  healthy: {{kind: openai, base_url: "{healthy}", api_key: sk-0123456789abcdef}}
{providers}
defaults:
  retry: {{same_target: 0, backoff: 1ms, max_backoff: 1ms, max_wait: 1ms}}
  timeout: {{connect: 60s}}
routes:
{routes}
"""
_KINDS = {
    "chat": ("openai", "gpt-4o", "/openai/v1", ", api: chat"),
    "responses": ("openai", "gpt-4o", "/openai/v1", ", api: responses"),
    "anthropic": ("anthropic", "claude-haiku-4-5", "/anthropic", ""),
    "ollama": ("ollama", "qwen3:4b", "/ollama", ""),
}
TEXT = "Café, naïve, déjà vu: words enough for many chunks, with é in all of them. " * 3


@dataclass
class Cell:
    """What one combination came to."""

    fault: Fault
    protocol: str
    streamed: bool
    fallback: bool
    found: str
    wanted: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.wanted = self.fault.expected(streamed=self.streamed, fallback=self.fallback)


@contextmanager
def carried_by(carrier: str) -> Iterator[None]:
    """Requests go over aiohttp, as ever, or over httpx's own transport."""

    def carried(*, proxy: str | None, **_: object) -> HttpxEngine:
        return HttpxEngine(httpx.AsyncHTTPTransport(verify=False, proxy=proxy))

    look_up = socket.getaddrinfo

    def looked_up(host: Any, *args: Any, **more: Any) -> Any:
        if host in ("vendor.invalid", b"vendor.invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *args, **more)

    with patch.object(socket, "getaddrinfo", looked_up):
        if carrier == "aiohttp":
            yield
        else:
            with patch("providers.transport.http.AiohttpEngine", carried):
                yield


@asynccontextmanager
async def faulty_proxy(simulator: Simulator, fault: Fault) -> AsyncIterator[int]:
    """A server that passes requests on to the simulator and plays the answers back with the fault; gives its port."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(_pass_on(reader, writer, simulator.port, fault.play))
        tasks.add(task)
        task.add_done_callback(lambda _: writer.transport.abort() if task.cancelled() else writer.close())

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # connections are closed in the loop's next turn


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, play: Play) -> None:
    first = await reader.read(1)
    if first == b"\x16":  # a handshake of TLS, to which a plain server answers so
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    if first in (b"\x16", b""):
        return
    head = first + await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    length = next((int(line.partition(b":")[2]) for line in lines if line.lower().startswith(b"content-length")), 0)
    body = await reader.readexactly(length)
    kept = [line for line in lines[1:-2] if not line.lower().startswith((b"connection", b"accept-encoding"))]
    upstream, to_it = await asyncio.open_connection("127.0.0.1", port)
    to_it.write(b"\r\n".join([lines[0], *kept, b"Connection: close", b"", b""]) + body)
    answer = await upstream.read()
    to_it.close()
    head, _, raw = answer.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    framing = (b"content-length", b"transfer-encoding", b"connection")
    chunked = b"transfer-encoding: chunked" in head.lower()
    healthy = b"".join(_dechunked(raw)) if chunked else raw
    headers = [line for line in headers if not line.lower().startswith(framing)]
    streamed = b"json\r" not in head.lower() + b"\r" or b"ndjson" in head.lower()
    end = b"\n" if b"ndjson" in head.lower() else b"\n\n"
    events = [part + end for part in healthy.split(end) if part] if streamed else [healthy]
    wire = Wire(writer, status, headers, events, streamed)
    await play(wire)
    await writer.drain()
    await reader.read()  # until the client leaves


def _dechunked(raw: bytes) -> Iterator[bytes]:
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        yield raw[:length]
        raw = raw[length + 2 :]


COMBINATIONS = tuple(itertools.product(PROTOCOLS, (False, True), (False, True)))


async def run_fault(
    simulator: Simulator, fault: Fault, cells: Sequence[tuple[str, bool, bool]] = COMBINATIONS
) -> list[Cell]:
    """The cells of one fault: every protocol, plain and streamed, alone and with another target behind it.

    Each has a provider of its own, so that no breaker or hold of one decides another.
    """
    for vendor in ("openai", "anthropic", "ollama"):
        simulator.vendor(vendor).set(fast=True, answer=TEXT)
    providers, routes = [], []
    async with faulty_proxy(simulator, fault) as port:
        for number, (protocol, _, fallback) in enumerate(cells):
            kind, model, path, more = _KINDS[protocol]
            url = (fault.url.format(port=port) or f"http://127.0.0.1:{port}") + path
            timeout = f", timeout: {fault.timeout}" if fault.timeout else ""
            providers.append(_PROVIDER.format(name=f"p{number}", kind=kind, url=url, more=more + timeout))
            fallbacks = ", fallbacks: [healthy/gpt-4o]" if fallback else ""
            routes.append(f"  r{number}: {{targets: [p{number}/{model}]{fallbacks}}}")
        text = _FILE.format(
            providers="\n".join(providers), routes="\n".join(routes), healthy=simulator.base_url("openai")
        )
        async with Router.from_text(text, env={}, seed=1, monitor=False) as router:
            asked = [_asked(router, f"r{number}", streamed=cell[1]) for number, cell in enumerate(cells)]
            if fault.large:
                found = [await one for one in asked]
            else:
                found = await asyncio.gather(*asked)
    return [
        Cell(fault, protocol, streamed, fallback, result)
        for (protocol, streamed, fallback), result in zip(cells, found, strict=True)
    ]


async def _asked(router: Router, route: str, *, streamed: bool) -> str:
    """`ok` for the whole text, else the code of the error, which has to have its trace."""
    try:
        async with asyncio.timeout(60):
            if streamed:
                async with router.stream(route, "hi") as stream:
                    text = "".join([chunk.text async for chunk in stream])
            else:
                text = (await router.complete(route, "hi")).text
    except (ProviderError, RouteExhausted) as error:
        if error.trace is None:
            return f"{error.code}, without a trace"
        return str(error.code)
    except Exception as error:
        return f"{type(error).__name__}, raw"
    return OK if text == TEXT else f"other text: {text[:30]!r}"


async def _main() -> bool:
    wrong: list[str] = []
    count = 0
    print(f"{'fault':38} {'plain':20} {'stream':20} {'plain, fallback':20} {'stream, fallback':20}")
    async with Simulator(seed=1) as simulator:
        for fault in FAULTS:
            found: dict[tuple[bool, bool], set[str]] = {}
            for carrier in CARRIERS:
                with carried_by(carrier):
                    for cell in await run_fault(simulator, fault):
                        count += 1
                        found.setdefault((cell.fallback, cell.streamed), set()).add(cell.found)
                        if cell.found not in cell.wanted:
                            where = f"{fault.name}, {carrier}, {cell.protocol}"
                            how = f"{'stream' if cell.streamed else 'plain'}{', fallback' if cell.fallback else ''}"
                            wrong.append(f"{where}, {how}: {cell.found}, not {' or '.join(cell.wanted)}")
            print(
                f"{fault.name:38} " + " ".join(f"{'/'.join(sorted(found[at])):20}" for at in sorted(found)), flush=True
            )
    print(f"\n{count} cells ({len(FAULTS)} faults, {len(PROTOCOLS)} protocols, plain and stream, alone and with a")
    print(f"fallback, {len(CARRIERS)} HTTP engines); {len(wrong)} otherwise than they should be")
    for line in wrong:
        print(f"  {line}")
    return not wrong


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(_main()) else 1)
