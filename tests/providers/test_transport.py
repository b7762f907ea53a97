"""The HTTP client against servers that break every rule: each fault has its own error, and nothing is left open."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from providers.errors import ErrorCode, ProviderError
from providers.settings import ProviderSettings
from providers.transport.http import HttpClient
from providers.types import Timeout
from router.testing import run
from tests.support.raw_server import Handler, serving

pytestmark = pytest.mark.usefixtures("every_carrier")

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def client(url: str, *, retries: int = 0, **settings: Any) -> HttpClient:
    options = {"max_retries": retries, **settings.pop("options", {})}
    made = ProviderSettings(name="p", kind="openai", base_url=url, options=options, **settings)
    return HttpClient(made, default_base_url="http://unused.invalid", headers={"authorization": "Bearer hush"})


async def fails(http: HttpClient) -> ProviderError:
    """The error of one call, its body read too."""
    with pytest.raises(ProviderError) as caught:
        await (await http.open("POST", "/chat", b"{}")).read()
    await http.aclose()
    return caught.value


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


# --- faults


async def test_a_refused_connection(port: int) -> None:
    """connection_failed in phase connect, with the address."""
    error = await fails(client(f"http://127.0.0.1:{port}"))
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_FAILED, "connect")
    assert f"127.0.0.1:{port}" in error.message


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reset, ErrorCode.CONNECTION_FAILED),
        (hang_up, ErrorCode.CONNECTION_FAILED),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", ErrorCode.CONNECTION_FAILED),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", ErrorCode.CONNECTION_FAILED),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n", ErrorCode.PROTOCOL_ERROR),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", ErrorCode.PROTOCOL_ERROR),
        (b"HTTP/1.1 abc OK\r\n\r\n", ErrorCode.PROTOCOL_ERROR),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", ErrorCode.PROTOCOL_ERROR),
        (
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot gzip!",
            ErrorCode.PROTOCOL_ERROR,
        ),
    ],
    ids=["reset", "hang-up", "short", "cut-chunks", "bad-chunk", "not-http", "bad-status", "huge-header", "not-gzip"],
)
async def test_broken_servers(answer: bytes | Handler, code: ErrorCode, every_carrier: str) -> None:
    """A lost connection is connection_failed; what is no HTTP is protocol_error; never another exception."""
    if every_carrier == "httpx" and isinstance(answer, bytes) and len(answer) > 64 * 1024:
        pytest.skip("httpx's transport takes headers of any length")

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(answer, bytes):
            writer.write(answer)
            writer.close()
        else:
            await answer(reader, writer)

    async with serving(once, requests=1) as server:
        error = await fails(client(server.url))
    assert (error.code, error.phase) == (code, "read")


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed look-up is a connection that cannot be made."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = await fails(client("http://vendor.invalid/v1"))
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_FAILED, "connect")


async def test_a_pooled_connection_that_ends_under_a_request() -> None:
    """A POST is not sent twice in silence: connection_failed, which a retry mends."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 2:
            writer.transport.abort()
        else:
            writer.write(OK)

    for retries, sent in ((0, 2), (1, 3)):
        async with serving(once) as server:
            http = client(server.url, retries=retries)
            await _read(http)
            if retries:
                assert await _read(http) == b"{}"
            else:
                error = await fails(http)
                assert (error.code, error.phase) == (ErrorCode.CONNECTION_FAILED, "read")
            await http.aclose()
            assert len(server.requests) == sent


async def test_a_proxy_that_refuses() -> None:
    """It is the connection that failed, not the vendor."""
    async with serving(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n") as proxy:
        error = await fails(client("https://vendor.invalid/v1", proxy=f"http://127.0.0.1:{proxy.port}"))
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_FAILED, "connect")
    assert "407" in error.message


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "127.0.0.1:80/v1", "http://", "http://a:b:c/", "http://a:99999/"])
async def test_a_base_url_that_is_none(url: str) -> None:
    """A ProviderError at the first call, whatever is wrong with it."""
    with pytest.raises(ProviderError) as caught:
        await client(url).open("POST", "/chat", b"{}")
    assert (caught.value.code, caught.value.phase) == (ErrorCode.CONNECTION_FAILED, "connect")


async def test_a_ca_bundle_that_cannot_be_read(every_carrier: str) -> None:
    """The error names the file."""
    if every_carrier == "httpx":
        pytest.skip("who hands in a transport has loaded its certificates")
    error = await fails(client("https://127.0.0.1:1", verify="/nonexistent/ca.pem"))
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_FAILED, "connect")
    assert "/nonexistent/ca.pem" in error.message


@pytest.mark.parametrize("value", ["sk-hush\n", "sk-hush\r\nx-evil: 1", "sk-hush\u00fc", "sk-hush\0"])
async def test_a_header_that_cannot_be_sent(value: str) -> None:
    """A key with a line end behind it is no good key, a call's own header a wrong request; the value is not shown."""
    with pytest.raises(ProviderError) as caught:
        client("http://127.0.0.1:1", headers={"x-key": value})
    assert caught.value.code is ErrorCode.AUTHENTICATION
    assert "x-key" in caught.value.message
    assert "hush" not in str(caught.value)

    async with serving(OK) as server:
        http = client(server.url)
        for headers in ({"x-call": value}, {"x call": "a"}, {"x\r\ny": "a"}):
            with pytest.raises(ProviderError) as caught:
                await http.open("POST", "/chat", b"{}", headers=headers)
            assert caught.value.code is ErrorCode.INVALID_REQUEST
            assert "hush" not in str(caught.value)
        await http.aclose()
    assert server.requests == []


async def test_a_connection_that_is_never_accepted_times_out() -> None:
    """In phase connect, by the settings' own limit."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = []
        for _ in range(3):  # fill the queue of those who wait to be accepted
            knock = socket.socket()
            knock.setblocking(False)
            knock.connect_ex(address)
            waiting.append(knock)
        http = client(f"http://127.0.0.1:{address[1]}/?key=hidden", timeout=Timeout(connect=0.05))
        error = await fails(http)
        for knock in waiting:
            knock.close()
    assert (error.code, error.phase) == (ErrorCode.TIMEOUT, "connect")
    assert "hidden" not in error.message


@pytest.mark.parametrize("location", ["", "/here", "http://a:b:c/", "http://[bad"])
async def test_a_redirect_to_nowhere(location: str) -> None:
    """A location that is no URL makes no other error."""
    away = f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()
    async with serving(away) as server:
        assert (await fails(client(server.url))).code is ErrorCode.PROTOCOL_ERROR


async def test_a_redirect_is_not_followed() -> None:
    """The key is for one host alone; the error names the other."""
    async with serving(OK) as other:
        away = f"HTTP/1.1 307 Moved\r\nlocation: {other.url}\r\ncontent-length: 0\r\n\r\n".encode()
        async with serving(away) as server:
            error = await fails(client(server.url))
        assert other.requests == []
    assert error.code is ErrorCode.PROTOCOL_ERROR
    assert "redirects to 127.0.0.1" in error.message


async def test_a_body_without_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain answer has a limit."""
    monkeypatch.setattr("providers.transport.response.MAX_BODY", 1000)
    long = b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"x" * 5000
    async with serving(long) as server:
        assert (await fails(client(server.url))).code is ErrorCode.PROTOCOL_ERROR


# --- what is sent and read


async def test_a_call_is_one_plain_request() -> None:
    """Path below the base URL, queries joined, the headers of settings and call, the body as it is."""
    async with serving(OK) as server:
        http = client(server.url + "?tenant=1", headers={"x-team": "a"})
        answer = await http.open("POST", "/chat?v=2", b'{"a":1}', headers={"x-call": "b"})
        assert (answer.status, await answer.read()) == (200, b"{}")
        await http.aclose()
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /v1/chat?tenant=1&v=2 http/1.1"
    for header in (b"authorization: bearer hush", b"x-team: a", b"x-call: b", b"content-type: application/json"):
        assert header in lines
    assert body == b'{"a":1}'


async def test_packed_bodies_and_long_headers_are_read() -> None:
    """gzip is unpacked, and a header of 20 KB is no fault."""
    packed = gzip.compress(b'{"a": 1}')
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nx-long: {'y' * 20_000}\r\ncontent-length: {len(packed)}\r\n\r\n"
    )
    async with serving(head.encode() + packed) as server:
        http = client(server.url)
        answer = await http.open("POST", "/chat", b"{}")
        assert await answer.read() == b'{"a": 1}'
        assert len(answer.headers["x-long"]) == 20_000
        await http.aclose()


async def test_large_requests_are_sent() -> None:
    """A few images make several megabytes."""
    async with serving(OK) as server:
        http = client(server.url)
        assert await (await http.open("POST", "/chat", b"x" * 5_000_000)).read() == b"{}"
        await http.aclose()
    assert len(server.requests[0]) > 5_000_000


async def test_connections_are_used_again() -> None:
    """One connection carries one call after another; errors with a body do not cost it."""
    async with serving(OK) as server:
        http = client(server.url)
        for _ in range(5):
            await (await http.open("POST", "/chat", b"{}")).read()
        assert server.connections == 1
        await http.aclose()


async def test_a_connection_that_the_server_closed_meanwhile() -> None:
    """A pooled connection that ended between two calls is replaced without a word."""
    async with serving(OK, requests=1) as server:
        http = client(server.url)
        for expected in (1, 2):
            await (await http.open("POST", "/chat", b"{}")).read()
            assert server.connections == expected
            await server.ended.wait()
            server.ended.clear()
            for _ in range(10):
                await asyncio.sleep(0)  # let our side see the end
        await http.aclose()


# --- streams and cleaning up


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await reader.read()  # until the client goes


async def test_leaving_a_stream_closes_its_connection() -> None:
    """So that the vendor stops; also when the reader is cancelled."""
    async with serving(drip) as server:
        http = client(server.url)
        answer = await http.open("POST", "/chat", b"{}")
        assert await anext(answer.chunks()) == b"hello"
        await answer.aclose()
        async with asyncio.timeout(60):
            await server.ended.wait()

        server.ended.clear()
        answer = await http.open("POST", "/chat", b"{}")
        reading = asyncio.create_task(answer.read())
        for _ in range(20):
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        async with asyncio.timeout(60):
            await server.ended.wait()
        await http.aclose()


async def test_nothing_is_left_behind() -> None:
    """After closing: no task, no connection; warnings about unclosed things are errors here."""
    before = asyncio.all_tasks()
    async with serving(OK) as server:
        http = client(server.url)
        await asyncio.gather(*(_read(http) for _ in range(20)))
        await http.aclose()
        async with asyncio.timeout(60):
            while asyncio.all_tasks() - before:
                await asyncio.sleep(0)
    gc.collect()


async def _read(http: HttpClient) -> bytes:
    return await (await http.open("POST", "/chat", b"{}")).read()


def test_a_client_moves_to_a_new_loop(every_carrier: str) -> None:
    """One asyncio.run after another: the old pool ends with its loop, a new one is made."""
    if every_carrier == "httpx":
        pytest.skip("a transport that is handed in has its pool, and is of one loop")

    with socket.create_server(("127.0.0.1", 0)) as bound:
        http = client(f"http://127.0.0.1:{bound.getsockname()[1]}")

        async def story() -> bytes:
            async with serving(OK, bound=bound):
                return await _read(http)

        assert [asyncio.run(story()) for _ in range(2)] == [b"{}", b"{}"]
    gc.collect()


# --- a transport of the caller's, and retries for use without a router


def answering(*answers: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    script = list(answers)
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.MockTransport(handle), seen


def retrying(*answers: httpx.Response | Exception, retries: int = 2) -> tuple[int, int, float]:
    """(status, requests, seconds) of a call."""

    async def story() -> tuple[int, int, float]:
        transport, seen = answering(*answers)
        http = client("http://vendor.invalid/v1", retries=retries, options={"transport": transport})
        answer = await http.open("POST", "/chat", b"{}")
        return answer.status, len(seen), asyncio.get_running_loop().time()

    return run(story())


def test_a_callers_transport_carries_everything() -> None:
    """A mock, a proxy, anything of httpx's interface."""
    assert retrying(httpx.Response(200, json={})) == (200, 1, 0.0)


class Pieces(httpx.AsyncByteStream):
    """A body that comes in pieces, empty ones among them, and knows whether it was closed."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (httpx.Response(200, json={}), b"{}"),
        (httpx.Response(200, content=gzip.compress(b"packed"), headers={"content-encoding": "gzip"}), b"packed"),
        (httpx.Response(200, stream=Pieces(b"a", b"", b"b")), b"ab"),
        (httpx.Response(200), b""),
    ],
    ids=["whole", "packed", "in-pieces", "empty"],
)
async def test_the_body_of_a_callers_transport_is_read(answer: httpx.Response, body: bytes) -> None:
    """However httpx has it."""
    http = client("http://vendor.invalid/v1", options={"transport": answering(answer)[0]})
    assert await (await http.open("POST", "/chat", b"{}")).read() == body


async def test_leaving_a_callers_stream_closes_it() -> None:
    """And one header that comes twice is one."""
    pieces = Pieces(b"a", b"b")
    answer = httpx.Response(200, headers=[("X-One", "1"), ("x-one", "2")], stream=pieces)
    http = client("http://vendor.invalid/v1", options={"transport": answering(answer)[0]})
    response = await http.open("POST", "/chat", b"{}")
    assert response.headers["x-one"] == "1, 2"
    assert await anext(response.chunks()) == b"a"
    await response.aclose()
    assert pieces.closed


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_passing_failures_are_tried_again(status: int) -> None:
    """Twice by default, after the time that the vendor asks for."""
    busy = httpx.Response(status, headers={"retry-after": "3"})
    assert retrying(busy, busy, httpx.Response(200)) == (200, 3, 6.0)
    assert retrying(busy) == (status, 3, 6.0)


def test_other_answers_are_final() -> None:
    """Wrong requests, a vendor that says not to, a wait that is too long, retries switched off."""
    ok = httpx.Response(200)
    assert retrying(httpx.Response(400), ok) == (400, 1, 0.0)
    assert retrying(httpx.Response(500, headers={"x-should-retry": "false"}), ok) == (500, 1, 0.0)
    assert retrying(httpx.Response(429, headers={"retry-after": "3600"}), ok) == (429, 1, 0.0)
    assert retrying(httpx.Response(500), ok, retries=0) == (500, 1, 0.0)


def test_lost_connections_are_tried_again_with_backoff() -> None:
    """At most half a second the first time."""
    status, requests, seconds = retrying(httpx.ConnectError("refused"), httpx.Response(200))
    assert (status, requests) == (200, 2)
    assert seconds <= 0.5
