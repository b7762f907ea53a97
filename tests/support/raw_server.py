"""A socket that answers as it is told, for tests of the HTTP client."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A socket that answers as it is told, and sees what its clients do."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self.ended = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


def closes_by_reset(writer: asyncio.StreamWriter) -> None:
    """Have a connection end with RST, however it is closed."""
    end: socket.socket = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def serving(
    answer: bytes | Handler,
    *,
    requests: int = 100,
    bound: socket.socket | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """Answers each request with `answer`, and closes a connection after `requests` of them.

    `bound` is a socket that listens, and stays open; None makes one. With `tls` it speaks that.
    """
    server = Server()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            for _ in range(requests):
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line.partition(b":")[2]) for line in head.lower().splitlines() if b"content-length:" in line),
                    0,
                )
                server.requests.append(head + await reader.readexactly(length))
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            server.ended.set()

    async with accepting(handle, bound=bound, tls=tls) as server.port:
        yield server


@asynccontextmanager
async def accepting(
    handle: Handler, *, bound: socket.socket | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Has every connection handled, and closed afterwards; gives the port. At its end no connection is left."""
    tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(handle(reader, writer))
        tasks[task] = writer
        task.add_done_callback(lambda _: writer.close())  # also where it is cancelled before it begins

    own = socket.create_server(("127.0.0.1", 0)) if bound is None else bound.dup()
    listener = await asyncio.start_server(accept, sock=own, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        # Nobody else is let in, and whoever was just let in is handed over: a server that has closed drops them.
        asyncio.get_running_loop().remove_reader(own.fileno())
        for _ in range(3):
            await asyncio.sleep(0)
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in tasks.values():
            writer.transport.abort()  # what is unsent would keep the connection open
        for _ in range(2):  # connections are closed in the loop's next turn, those of TLS in the one after it
            await asyncio.sleep(0)
