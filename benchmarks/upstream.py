"""The upstream of the comparison: one asyncio process that answers from prepared bytes, faster than any client asks.

    python -m benchmarks.upstream      says its port, and ends with its standard input

The first part of a request's path says what becomes of it: `/ok`; `/many`, `/large` or `/tools`, which answer more
(`benchmarks.answers`); `/gather-N`, where a stream goes on when N are open; or a fault: `/reset`, `/hang`, `/503`,
`/cut` (a stream that breaks off before its first content). The vendor's own path follows. `GET /fault` tells when the
last fault was, on the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import threading
import time

from benchmarks.answers import LARGE, MANY, PATHS, events, plain, tool_events

WRITES = 4  # of a stream's body
PACED = 20  # of a gathered stream's, about
PAUSE = 0.02  # seconds between two of them
FINE = {"ok", "many", "large", "tools"}  # modes without a fault


def _answer(status: str, kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _parts(vendor: str, told: list[bytes], writes: int) -> list[bytes]:
    """A stream's bytes, to be written one after the other: its head, its chunks in HTTP's chunked encoding, its end."""
    kind = "application/x-ndjson" if vendor == "ollama" else "text/event-stream"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    size = -(-len(told) // writes)
    pieces = [b"".join(told[start : start + size]) for start in range(0, len(told), size)]
    parts = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    return [head + parts[0], *parts[1:-1], parts[-1] + b"0\r\n\r\n"]


def _plain(body: bytes) -> list[bytes]:
    return [_answer("200 OK", "application/json", body)]


# What is written, by mode and vendor; other modes answer as "ok" does.
PLAIN = {("ok", vendor): _plain(plain(vendor)) for vendor in PATHS}
PLAIN["large", "openai"] = _plain(plain("openai", LARGE))
STREAM = {("ok", vendor): _parts(vendor, events(vendor), WRITES) for vendor in PATHS}
STREAM["many", "openai"] = _parts("openai", events("openai", MANY), 10 * WRITES)
STREAM["tools", "openai"] = _parts("openai", tool_events(), WRITES)
SLOW = {vendor: _parts(vendor, events(vendor), PACED) for vendor in PATHS}
ERROR = _answer(
    "503 Service Unavailable", "application/json", b'{"error":{"message":"overloaded","type":"overloaded"}}'
)


class Upstream(asyncio.Protocol):
    """One connection."""

    gathered: list[Upstream] = []  # noqa: RUF012 - shared by all connections of the process
    fault = 0.0

    def __init__(self) -> None:
        self._data = b""
        self._transport: asyncio.Transport
        self.vendor = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.gathered:
            self.gathered.remove(self)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        at = lower.find(b"\r\ncontent-length:")
        length = 0 if at < 0 else int(lower[at + 17 :].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self._data = rest[length:]
        path = head.split(b" ", 2)[1].decode()
        body = rest[:length]
        _, mode, own = (*path.split("/", 2), "")[:3]
        self.vendor = next((name for name, end in PATHS.items() if own.endswith(end[1:])), "openai")
        streamed = b'"stream":true' in body or b'"stream": true' in body
        if streamed and mode.startswith("gather-"):
            self._gather(int(mode[7:]))
        elif mode in FINE or mode.startswith("gather-"):
            prepared = STREAM if streamed else PLAIN
            for part in prepared.get((mode, self.vendor), prepared["ok", self.vendor]):
                self._transport.write(part)
        else:
            self._fail(mode)

    def _fail(self, mode: str) -> None:
        if mode == "fault":
            self._transport.write(_answer("200 OK", "text/plain", repr(Upstream.fault).encode()))
            return
        Upstream.fault = time.perf_counter()
        if mode == "503":
            self._transport.write(ERROR)
        elif mode == "reset":
            linger = struct.pack("ii", 1, 0)  # closing sends RST
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()
        elif mode == "cut":
            head = STREAM["ok", self.vendor][0].split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n"
            first = events(self.vendor)[0]
            self._transport.write(head + b"%x\r\n%s\r\n" % (len(first), first))
            self._transport.close()

    def _gather(self, number: int) -> None:
        """Open a stream; when so many are open, all go on together."""
        self._transport.write(SLOW[self.vendor][0])
        self.gathered.append(self)
        if len(self.gathered) == number:
            streams = list(self.gathered)
            self.gathered.clear()
            self._pumping = asyncio.get_running_loop().create_task(_pump(streams))

    def next_part(self, number: int) -> None:
        self._transport.write(SLOW[self.vendor][number])


async def _pump(streams: list[Upstream]) -> None:
    for number in range(1, len(SLOW[streams[0].vendor])):
        for stream in streams:
            stream.next_part(number)
        await asyncio.sleep(PAUSE)


async def serve() -> asyncio.Server:
    """Listen on a free port of loopback."""
    return await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0, backlog=4096)


async def _main() -> None:
    server = await serve()
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait, daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(_main())
