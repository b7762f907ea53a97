"""Connections that break, and those that are given up: whoever waits is told at once, and nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from providers.errors import ErrorCode, ProviderError
from providers.settings import ProviderSettings
from providers.transport.http import HttpClient
from tests.support.certificates import make_certificates
from tests.support.raw_server import accepting, closes_by_reset, serving

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n"


def client(url: str, *, retries: int = 0, **settings: Any) -> HttpClient:
    made = ProviderSettings(name="p", kind="openai", base_url=url, options={"max_retries": retries}, **settings)
    return HttpClient(made, default_base_url="http://unused.invalid", headers={})


def local(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


async def ask(http: HttpClient, body: bytes = b"{}") -> bytes:
    return await (await http.open("POST", "/chat", body)).read()


async def turns() -> None:
    """Let both sides see what was sent, or closed."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "broken",
    [b"\r\nzz\r\nhush\r\n", b"\r\n2\r\nhush\r\n", b"\r\n0\rhush\r\n\r\n", b"hush"],
    ids=["size", "data", "end", "more"],
)
async def test_a_chunk_that_is_none_ends_the_reading(broken: bytes, every_carrier: str) -> None:
    """Also where the server stays; what came is not shown."""
    asked, over = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(CHUNKED[:-2])
        await asked.wait()
        writer.write(broken)
        await over.wait()

    async with accepting(answer) as port:
        http = client(local(port))
        response = await http.open("POST", "/chat", b"{}")
        assert await response.read_some() == b"{"
        reading = asyncio.create_task(response.read())
        asked.set()
        with pytest.raises(ProviderError) as caught:
            await reading
        over.set()
        await http.aclose()
    assert (caught.value.code, caught.value.phase) == (ErrorCode.PROTOCOL_ERROR, "read")
    if every_carrier == "aiohttp":
        assert "hush" not in str(caught.value)


@pytest.mark.usefixtures("every_carrier")
async def test_a_reset_is_no_end_of_a_body_without_length() -> None:
    """Where nothing else tells the end, only a connection that was closed as it should be does."""
    seen = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf of ")
        await seen.wait()
        closes_by_reset(writer)
        writer.transport.abort()

    async with accepting(answer) as port:
        http = client(local(port))
        response = await http.open("POST", "/chat", b"{}")
        assert await response.read_some() == b"half of "
        seen.set()
        with pytest.raises(ProviderError) as caught:
            await response.read_some()
        await response.aclose()
        await http.aclose()
    assert (caught.value.code, caught.value.phase) == (ErrorCode.CONNECTION_FAILED, "read")


async def test_a_reset_takes_nothing_of_what_came_before_it() -> None:
    """It is given first, and then the failure."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf of ")
        await opened.wait()
        closes_by_reset(writer)
        writer.transport.abort()

    opened = asyncio.Event()
    async with accepting(answer) as port:
        http = client(local(port))
        response = await http.open("POST", "/chat", b"{}")
        await turns()
        opened.set()
        await turns()
        assert await response.read_some() == b"half of "
        with pytest.raises(ProviderError):
            await response.read_some()
        await response.aclose()
        await http.aclose()


@pytest.mark.usefixtures("every_carrier")
async def test_half_an_answer_that_nobody_asked_for() -> None:
    """The connection on which it came carries no request: the other half would stand before its answer."""
    silent, said = asyncio.Event(), asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        if not silent.is_set():
            await silent.wait()
            writer.write(b"HTTP/1.1 408 Requ")
            await writer.drain()
            said.set()

    async with serving(once) as server:
        http = client(server.url)
        assert await ask(http) == b"{}"
        silent.set()
        await said.wait()
        await turns()
        assert await ask(http) == b"{}"
        await http.aclose()
    assert server.connections == 2


class Deaf:
    """A server in a thread, that reads a little of each request, says what it is told, and takes no more."""

    def __init__(self, tls: ssl.SSLContext | None, says: bytes) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._tls, self._says = tls, says
        self.port: int = self._listener.getsockname()[1]
        self.came = [threading.Event(), threading.Event()]
        self.over = threading.Event()

    def serve(self) -> None:
        with ExitStack() as held:
            held.enter_context(self._listener)
            for came in self.came:
                connection, _ = self._listener.accept()
                spoken = connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True)
                held.enter_context(spoken).recv(1)
                spoken.sendall(self._says)
                came.set()
            self.over.wait(60)


def files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted as Linux tells them")
@pytest.mark.parametrize(
    ("scheme", "size", "says"),
    [("http", 60_000, b""), ("http", 300_000, b""), ("http", 60_000, OK[:-1]), ("https", 60_000, b"")],
    ids=["little", "much", "answered", "TLS"],
)
async def test_who_takes_nothing_is_not_waited_for(
    scheme: str, size: int, says: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is given up closes its connection at once, and so does a client, whatever is unsent."""
    little = ((socket.SOL_SOCKET, socket.SO_SNDBUF, 4096),)
    monkeypatch.setattr("providers.transport.aiohttp_pools.KEEP_ALIVE", little)
    certificates = make_certificates(tmp_path)
    spoken = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    spoken.load_cert_chain(certificates.server, certificates.server_key)
    server = Deaf(spoken if scheme == "https" else None, says)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    http = client(f"{scheme}://127.0.0.1:{server.port}/v1", verify=certificates.ca)
    calls = []
    for came in server.came:
        calls.append(asyncio.create_task(ask(http, b"x" * size)))
        await asyncio.to_thread(came.wait, 60)
    opened = files()

    calls[0].cancel()
    await asyncio.wait([calls[0]])
    await turns()
    assert opened - files() == 1
    await http.aclose()
    with pytest.raises(ProviderError, match="this client was closed"):
        await calls[1]
    await turns()
    assert opened - files() == 2
    server.over.set()
    await asyncio.to_thread(thread.join, 60)


@pytest.mark.parametrize("retries", [0, 2])
async def test_a_client_that_is_closed_blames_no_server(retries: int) -> None:
    """Also where its connection had carried another request: nobody closed that under this one. It asks none again."""
    asked, over = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            writer.write(OK)
        else:
            asked.set()
            await over.wait()

    async with serving(answer) as server:
        http = client(server.url, retries=retries)
        assert await ask(http) == b"{}"
        call = asyncio.create_task(ask(http))
        await asked.wait()
        await http.aclose()
        with pytest.raises(ProviderError, match="this client was closed") as caught:
            await call
        over.set()
    assert server.connections == 1
    assert not caught.value.stale_connection


async def test_a_closing_that_is_cancelled_leaves_nothing() -> None:
    """Connections that nobody has closed would say so in the log when they are collected."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with serving(OK) as server:
        http = client(server.url)
        assert await ask(http) == b"{}"
        closing = asyncio.create_task(http.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        del http
        gc.collect()
        await turns()
    assert told == []


async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    await asyncio.get_running_loop().create_future()


async def test_a_client_that_is_closed_lets_nobody_wait_for_the_rest() -> None:
    """Whoever reads a body is told."""
    async with serving(begin) as server:
        http = client(server.url)
        reading = asyncio.create_task(ask(http))
        while not server.requests:
            await asyncio.sleep(0)
        await turns()
        await http.aclose()
        with pytest.raises(ProviderError, match="this client was closed"):
            await reading


def test_another_loop_ends_what_was_read_on_the_first() -> None:
    """A client is of one loop at a time; whoever still reads on the one before is told, and does not wait for ever."""
    with (
        socket.create_server(("127.0.0.1", 0)) as bound,
        asyncio.Runner() as before,
        asyncio.Runner() as now,
    ):
        http = client(local(bound.getsockname()[1]))
        reading: list[asyncio.Task[bytes]] = []

        async def first() -> None:
            async with serving(begin, bound=bound) as server:
                reading.append(asyncio.create_task(ask(http)))
                while not server.requests:
                    await asyncio.sleep(0)
                await turns()
                served.set()
                await over.wait()

        async def second() -> bytes:
            async with serving(OK, bound=bound):
                answer = await ask(http)
                await http.aclose()
                return answer

        async def end() -> None:
            with pytest.raises(ProviderError, match="this client was closed"):
                await reading[0]
            over.set()
            await serving_first

        async def start() -> asyncio.Task[None]:
            task = asyncio.create_task(first())
            await served.wait()
            return task

        served, over = asyncio.Event(), asyncio.Event()
        serving_first = before.run(start())
        assert now.run(second()) == b"{}"
        gc.collect()
        before.run(end())


async def test_what_a_header_says_can_be_written_down() -> None:
    """In a log, or as JSON, whatever bytes it is sent as."""
    told = b"\r\nx-request-id: a\xffb\r\nx-team: \xc3\xa9\r\n\r\n"
    async with serving(OK.replace(b"\r\n\r\n", told)) as server:
        http = client(server.url)
        answer = await http.open("POST", "/chat", b"{}")
        assert await answer.read() == b"{}"
        await http.aclose()
    assert (answer.headers["x-request-id"], answer.headers["x-team"]) == ("a\ufffdb", "é")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}" + b"hush " * 1000,
        CHUNKED + b"2\r\n" + b"hush " * 1000,
        b"SSH-2.0-OpenSSH_9.6" + b"hush " * 1000 + b"\r\n\r\n",
    ],
    ids=["after the end", "after a chunk", "in its place"],
)
async def test_little_of_what_is_no_answer_is_shown(answer: bytes) -> None:
    """It may be the rest of one."""
    async with serving(answer) as server:
        http = client(server.url)
        with pytest.raises(ProviderError, match="the answer is not HTTP") as caught:
            await ask(http)
        await http.aclose()
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)
