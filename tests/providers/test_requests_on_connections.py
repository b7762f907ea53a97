"""How a request goes onto a connection, and when that carries another one, or none any more."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from typing import Any

import pytest

from providers.errors import ErrorCode, ProviderError
from providers.settings import ProviderSettings
from providers.transport.aiohttp_engine import AiohttpEngine
from providers.transport.engine import ConnectError
from providers.transport.http import HttpClient
from tests.support.raw_server import accepting, serving

pytestmark = pytest.mark.usefixtures("every_carrier")

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
TOO_LARGE = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig"
LARGE = b"x" * 30_000_000  # more than the system takes before somebody reads


def client(url: str, **settings: Any) -> HttpClient:
    made = ProviderSettings(name="p", kind="openai", base_url=url, options={"max_retries": 0}, **settings)
    return HttpClient(made, default_base_url="http://unused.invalid", headers={"authorization": "Bearer hush"})


async def ask(http: HttpClient, body: bytes = b"{}") -> tuple[int, bytes]:
    answer = await http.open("POST", "/chat", body)
    return answer.status, await answer.read()


async def turns() -> None:
    """Let both sides see what was sent, or closed."""
    for _ in range(20):
        await asyncio.sleep(0)


def local(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


async def test_every_header_is_sent_once() -> None:
    """With the host, its port and the body's length."""
    async with serving(OK) as server:
        http = client(server.url, headers={"X-Team": "a"})
        await ask(http, b'{"a":1}')
        await (await http.open("GET", "/models")).read()
        await http.aclose()
    names = []
    for request in server.requests:
        lines = request.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")[1:]
        names.append(sorted(line.partition(b":")[0].decode() for line in lines))
        assert f"host: 127.0.0.1:{server.port}".encode() in lines
        assert b"x-team: a" in lines
    usual = {"host", "x-team", "authorization", "accept-encoding", "user-agent"}
    posted, got = (set(each) - {"accept", "connection"} for each in names)
    assert posted == usual | {"content-length", "content-type"}
    assert got == usual
    assert all(len(each) == len(set(each)) for each in names)


@pytest.mark.parametrize("odd", ["\r\nx-evil: 1", " HTTP/1.1", "\0", "\u00fc"])
async def test_a_url_ends_no_line(odd: str) -> None:
    """Whoever made it."""
    async with serving(OK) as server:
        engine = AiohttpEngine()
        with pytest.raises(ConnectError, match="no URL of http"):
            await engine.send("POST", f"{server.url}/chat{odd}", {}, b"{}", None)
        await engine.aclose()
    assert server.requests == []


@pytest.mark.parametrize(
    "before", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"]
)
async def test_what_comes_before_the_answer_is_none(before: bytes) -> None:
    """A server may say that it goes on, or what to load; the answer follows, and the connection is used again."""
    async with serving(before + before + OK) as server:
        http = client(server.url)
        for _ in range(2):
            assert await ask(http) == (200, b"{}")
        await http.aclose()
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "body", "connections"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", 1),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"", 1),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-late: 1\r\n\r\n", b"{}", 1),
        (OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), b"{}", 2),
        (OK.replace(b"1.1", b"1.0"), b"{}", 2),
        (OK + b"HTTP/1.1 500 Of nobody\r\n\r\n", b"{}", 2),
    ],
    ids=["no content", "empty", "chunked", "close", "HTTP/1.0", "more than was asked for"],
)
async def test_a_connection_is_used_again_where_it_can_be(
    answer: bytes, body: bytes, connections: int, every_carrier: str
) -> None:
    """Bytes that nobody asked for are no answer to the next request."""
    if every_carrier == "httpx" and answer.endswith(b"Of nobody\r\n\r\n"):
        pytest.skip("httpx's transport waits for ever")
    async with serving(answer) as server:
        http = client(server.url)
        for _ in range(2):
            assert (await ask(http))[1] == body
            await turns()
        await http.aclose()
    assert server.connections == connections


async def test_a_header_that_comes_twice_is_one() -> None:
    """As cookies of what stands before a vendor do; in whatever case."""
    twice = OK.replace(b"\r\n\r\n", b"\r\nX-One: 1\r\nx-two: 2\r\nx-one: 3\r\nX-One: 4\r\n\r\n")
    async with serving(twice) as server:
        http = client(server.url)
        for _ in range(2):
            answer = await http.open("POST", "/chat", b"{}")
            assert (await answer.read(), answer.headers["x-one"], answer.headers["x-two"]) == (b"{}", "1, 3, 4", "2")
        await http.aclose()
    assert server.connections == 1


async def test_what_comes_before_it_was_asked_for_is_the_answer() -> None:
    """A server that is full says so to whoever connects, and closes."""

    async def full(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Full\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfull")
        await writer.drain()
        await reader.read(10)

    async with accepting(full) as port:
        http = client(local(port))
        assert await ask(http) == (503, b"full")
        await http.aclose()


async def test_a_body_that_goes_on_as_no_http_ends_there() -> None:
    """What came before is given, and nobody waits for more."""

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n")
        await begun.wait()
        writer.write(b"1\r\n}\r\nno size\r\n")
        await reader.read()

    begun = asyncio.Event()
    async with serving(break_off) as server, asyncio.timeout(60):
        http = client(server.url)
        answer = await http.open("POST", "/chat", b"{}")
        came = await answer.read_some()
        begun.set()
        with pytest.raises(ProviderError) as caught:
            while data := await answer.read_some():
                came += data
        await answer.aclose()
        await http.aclose()
    assert came == b"{}"
    assert (caught.value.code, caught.value.phase) == (ErrorCode.PROTOCOL_ERROR, "read")


async def test_what_comes_between_two_requests_answers_neither() -> None:
    """Some balancers send 408 on a connection that was silent for long."""
    said = asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        await silent.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        said.set()

    silent = asyncio.Event()
    async with serving(once) as server:
        http = client(server.url)
        assert await ask(http) == (200, b"{}")
        silent.set()
        await said.wait()
        await turns()
        assert await ask(http) == (200, b"{}")
        await http.aclose()
    assert server.connections == 2


async def test_a_connection_that_nobody_uses_is_closed(monkeypatch: pytest.MonkeyPatch, every_carrier: str) -> None:
    if every_carrier == "httpx":
        pytest.skip("httpx's transport closes none before it is asked for another")
    monkeypatch.setattr("providers.transport.aiohttp_pools.IDLE", 0.0)
    async with serving(OK) as server:
        http = client(server.url)
        await ask(http)
        await server.ended.wait()
        assert await ask(http) == (200, b"{}")
        await http.aclose()
    assert server.connections == 2


async def test_what_is_left_of_a_body_is_all_of_it() -> None:
    """Also where more came at once than is given at a time."""
    body = b"0123456789abcdef" * 3000
    async with serving(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)) as server:
        http = client(server.url)
        answer = await http.open("POST", "/chat", b"{}")
        assert await answer.read_some() + await answer.read() == body
        await http.aclose()


async def test_a_body_without_length_ends_with_its_connection() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n\r\nsome", requests=1) as server:
        assert await ask(client(server.url)) == (200, b"some")


async def test_an_answer_that_comes_before_the_request_is_whole() -> None:
    """A server that has seen enough may say so; what is left of the request is sent or not, nothing stays behind."""

    async def enough(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(TOO_LARGE)
        while await reader.read(65536):
            pass

    before = asyncio.all_tasks()
    async with accepting(enough) as port:
        http = client(local(port))
        assert await ask(http, LARGE) == (413, b"big")
        await http.aclose()
    assert asyncio.all_tasks() == before


async def test_a_connection_with_half_a_request_carries_no_other(every_carrier: str) -> None:
    """The rest of the request would stand before the next one."""
    if every_carrier == "httpx":
        pytest.skip("httpx's transport reads no answer before all is sent")
    over = asyncio.Event()
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        if connections == 1:
            writer.transport.pause_reading()
            writer.write(TOO_LARGE)
        else:
            writer.write(OK)
        await over.wait()

    async with accepting(answer) as port, asyncio.timeout(60):
        http = client(local(port))
        assert await ask(http, LARGE) == (413, b"big")
        assert await ask(http) == (200, b"{}")
        over.set()
        await http.aclose()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted as Linux tells them")
async def test_a_large_request_that_nobody_takes(every_carrier: str) -> None:
    """It waits where it is, without a copy; leaving it closes the connection at once, whatever is unsent."""
    came, ended = asyncio.Event(), asyncio.Event()

    async def read_no_more(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        came.set()
        await ended.wait()

    before = asyncio.all_tasks()
    async with accepting(read_no_more) as port:
        http = client(local(port))
        tracemalloc.start()
        call = asyncio.create_task(http.open("POST", "/chat", LARGE))
        await came.wait()
        await turns()
        copied = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        files = len(os.listdir("/proc/self/fd"))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await turns()
        closed = files - len(os.listdir("/proc/self/fd"))
        ended.set()
        await http.aclose()
    assert asyncio.all_tasks() == before
    if every_carrier == "aiohttp":
        assert copied < len(LARGE) / 4
        assert closed == 1


async def test_a_server_that_goes_while_a_large_request_is_sent() -> None:
    """The connection was lost: connection_failed, in phase read."""

    async def go(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    before = asyncio.all_tasks()
    async with accepting(go) as port:
        http = client(local(port))
        with pytest.raises(ProviderError) as caught:
            await ask(http, LARGE)
        await http.aclose()
    assert (caught.value.code, caught.value.phase) == (ErrorCode.CONNECTION_FAILED, "read")
    assert asyncio.all_tasks() == before


async def test_a_large_request_is_sent_whole_and_its_connection_used_again() -> None:
    """Byte for byte, whatever pieces it is sent in."""
    body = bytes(range(256)) * 8192  # 2 MiB
    async with serving(OK) as server:
        http = client(server.url)
        for sent in (body, b"{}", body[:65_536], body[:65_537]):
            assert await ask(http, sent) == (200, b"{}")
        await http.aclose()
    assert [request.partition(b"\r\n\r\n")[2] for request in server.requests] == [
        body,
        b"{}",
        body[:65_536],
        body[:65_537],
    ]
    assert server.connections == 1
