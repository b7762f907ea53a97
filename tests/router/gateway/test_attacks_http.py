"""Requests that are no HTTP, or an odd one: each is told so at once, and nothing of it is left."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import suppress

import pytest

from router.gateway.connection import Bounds
from tests.support.served import CHAT, ask, parsed, question, raw, request, served
from tests.support.waiting import until

HEAD = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n".encode()
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
KEY = "sb-0123456789abcdefghij"
GET = request("GET", "/v1/models", connection="keep-alive")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (CHUNKED, b"zz\r\nabc\r\n"),
        (CHUNKED + chunk(b"{"), b"-1\r\n"),
        (CHUNKED, b"3\r\nabcX" + b"Y" * 500_000),
        (CHUNKED + chunk(question()), b"0\r\nno trailer\r\n\r\n"),
        (CHUNKED + chunk(question()), b"0\r\ncontent-length: 3\r\n\r\n"),
        (GET + CHUNKED, b"zz\r\n"),
    ],
)
async def test_a_body_that_goes_wrong_on_its_way_is_told_at_once(first: bytes, then: bytes) -> None:
    """Not when the time for a body is over."""
    async with served(bounds=Bounds(body=1e6)) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(first)
        await until(lambda: here.gateway.under_way == 1)
        writer.write(then)
        told = await reader.read()
        writer.close()
        answer = parsed(told[told.rindex(b"HTTP/1.1 ") :])
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert answer.json()["error"]["message"]
        assert here.provider.requests == []
        await until(lambda: here.server.connections == 0)


@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("bad", [b"\x00 no http", b'{"a": 1}', b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n"])
async def test_what_comes_before_what_nobody_can_read_is_answered_though_all_came_at_once(
    count: int, bad: bytes
) -> None:
    async with served() as here:
        asks = request("POST", CHAT, question(), connection="keep-alive")
        told = await raw(here.port, (asks + GET) * count + bad)
        assert told.count(b"HTTP/1.1 200 ") == 2 * count
        assert told.count(b"HTTP/1.1 400 ") == 1
        assert parsed(told[told.rindex(b"HTTP/1.1 ") :]).headers["connection"] == "close"
        await until(lambda: here.server.connections == 0)


async def test_nothing_is_answered_behind_a_request_that_was_to_be_the_last() -> None:
    async with served() as here:
        last = request("POST", CHAT, question(), connection="close")
        told = await raw(here.port, GET + last + GET + last)
        assert told.count(b"HTTP/1.1 ") == told.count(b"HTTP/1.1 200 ") == 2
        assert len(here.provider.requests) == 1


def asked(*headers: str, version: str = "HTTP/1.1", body: bytes = question()) -> bytes:
    return f"POST {CHAT} {version}\r\nhost: localhost\r\n".encode() + "\r\n".join([*headers, "\r\n"]).encode() + body


WHOLE = chunk(question()) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (asked(f"content-length: {len(question())}", version="HTTP/2.0"), 505),
        (asked(f"content-length: {len(question())}", version="HTTP/0.9"), 505),
        (b"GET /\r\n\r\n", 505),
        (asked("transfer-encoding: chunked", "connection: keep-alive", version="HTTP/1.0", body=WHOLE + GET), 400),
        (asked("transfer-encoding: gzip, chunked", body=WHOLE + GET), 501),
        (request("FOO", CHAT), 501),
        (request("get", "/v1/models"), 501),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + (b"x: " + b"a" * 30_000 + b"\r\n") * 100, 431),
    ],
)
async def test_http_that_is_not_spoken_here_is_told_by_its_status(sent: bytes, status: int) -> None:
    async with served() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(sent)
        answer = parsed(await reader.readuntil(b"\r\n\r\n") + b"{}")
        writer.close()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert here.provider.requests == []
        await until(lambda: here.server.connections == 0)


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "CHUNKED"])
async def test_a_chunked_body_is_read_however_that_is_written(coding: str) -> None:
    async with served() as here:
        sent = asked(f"transfer-encoding: {coding}", "connection: close", body=WHOLE)
        assert parsed(await raw(here.port, sent)).status == 200


async def test_who_still_sends_what_nobody_can_read_is_told_so_all_the_same() -> None:
    """Closing at once would reset the connection, and take the answer back."""
    async with served() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(b"\x00 no http\r\n\r\n")
        for _ in range(50):
            writer.write(b"x" * 20_000)
            await asyncio.sleep(0)
        assert parsed(await reader.read()).status == 400
        writer.close()
        await until(lambda: here.server.connections == 0)


async def test_who_is_refused_and_sends_no_more_of_its_body_is_told_at_once_that_nothing_more_comes() -> None:
    async with served(f"{{keys: {{a: {{key: {KEY}}}}}}}") as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(request("POST", CHAT, content_length="999999", connection="keep-alive") + b"{")
        began = asyncio.get_running_loop().time()
        assert parsed(await reader.read()).status == 401
        assert here.server.connections == 1  # it may send the rest
        writer.close()
        await until(lambda: here.server.connections == 0)
        assert asyncio.get_running_loop().time() - began < 9


# --- anything at all

ODD = (b"\r\n", b"\n", b"\r", b"\x00", b"0\r\n\r\n", b"content-length: 5\r\n", b"connection: close\r\n", b" ", b"\xff")
USUAL = (
    GET,
    asked(f"content-length: {len(question())}"),
    asked(f"content-length: {len(question(stream=True))}", body=question(stream=True)),
    asked("transfer-encoding: chunked", body=WHOLE),
    asked(f"content-length: {len(question())}", "expect: 100-continue"),
    request("GET", "/v1/responses", connection="upgrade", upgrade="websocket"),
    request("HEAD", "/", connection="keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
)


def changed(chance: random.Random) -> bytes:
    data = bytearray(b"".join(chance.choices(USUAL, k=chance.randrange(1, 5))))
    for _ in range(chance.randrange(3)):
        place = chance.randrange(len(data))
        data[place : place + chance.choice([0, 1, 20])] = chance.choice(ODD)
    return bytes(data)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_comes_in_whatever_pieces_ends_and_leaves_nothing(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    bounds = Bounds(head=1.0, body=1.0, idle=1.0, stalled=1.0)  # in which a busy machine answers some of them as well
    async with served(bounds=bounds) as here:

        async def send(data: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            told = b""
            with suppress(ConnectionError):
                for cut in (data[:300], data[300:500], data[500:]):
                    writer.write(cut)
                    await asyncio.sleep(0)
                if len(data) % 3 == 0:
                    writer.write_eof()
                while more := await reader.read(65536):
                    told += more
            writer.close()
            return told

        told = await asyncio.gather(*(send(changed(chance)) for _ in range(60)))
        assert not [answer for answer in told if b"HTTP/1.1 500" in answer]
        assert any(b"HTTP/1.1 200" in answer for answer in told)
        await until(lambda: here.server.connections == here.gateway.under_way == 0)
    assert not caplog.records


# --- what an answer has to say of itself (RFC 9110, sections 11.6.1, 15.5.6 and 15.5.16)


async def test_a_method_that_a_path_does_not_take_is_told_with_those_that_it_takes() -> None:
    async with served() as here:
        for method, path, allow in [
            ("GET", CHAT, "POST, OPTIONS"),
            ("HEAD", CHAT, "POST, OPTIONS"),
            ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
            ("PUT", "/v1/models/chat", "GET, HEAD, OPTIONS"),
            ("GET", "/api/delete", "DELETE, OPTIONS"),
        ]:
            answer = await ask(here.port, method, path)
            assert (answer.status, answer.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("path", ["*", "/", CHAT])
async def test_what_may_be_asked_is_told_to_who_may_ask(path: str) -> None:
    async with served(f"{{keys: {{a: {{key: {KEY}}}}}}}") as here:
        assert (await ask(here.port, "OPTIONS", path)).status == 401
        answer = await ask(here.port, "OPTIONS", path, x_api_key=KEY)
        assert (answer.status, answer.body) == (204, b"")
        assert "OPTIONS" in answer.headers["allow"]
        assert "content-length" not in answer.headers


async def test_how_a_key_is_sent_and_a_body_packed_is_told() -> None:
    async with served(f"{{keys: {{a: {{key: {KEY}}}}}}}") as here:
        for headers in ({}, {"authorization": "Basic YTpi"}, {"x_api_key": "wrong"}):
            answer = await ask(here.port, "POST", CHAT, question(), **headers)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        answer = await ask(here.port, "POST", CHAT, question(), x_api_key=KEY, content_encoding="br")
        assert answer.status == 415
        assert "gzip" in answer.headers["accept-encoding"]


# --- hosts in the first line


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost:4180", "localhost:4180", 200),
        ("http://localhost", "evil.example", 200),
        ("http://[::1]:80", "evil.example", 200),
        ("http://evil.example", "localhost", 403),
        ("http://localhost@evil.example", "localhost", 403),
        ("http://evil@localhost", "localhost", 403),
    ],
)
async def test_a_host_in_the_first_line_goes_before_the_header(target: str, host: str, status: int) -> None:
    async with served() as here:
        answer = await ask(here.port, "POST", f"{target}{CHAT}", question(), host=host)
        assert answer.status == status


async def test_a_host_in_the_first_line_hides_no_second_key() -> None:
    async with served(f"{{keys: {{a: {{key: {KEY}}}}}}}") as here:
        sent = request("POST", f"http://a{CHAT}", question(), x_api_key=f"{KEY}\r\nx-api-key: wrong")
        assert parsed(await raw(here.port, sent)).status == 401


# --- pages of others


def page(method: str, *headers: bytes) -> bytes:
    lines = [b"%b /v1/models HTTP/1.1" % method.encode(), b"host: localhost", b"connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


ORIGIN = b"origin: https://a.example"


@pytest.mark.parametrize("wanted", [b"\xff", b"x-a, \xfe", "é".encode(), b"", b"x-a: b", b"(x)"])
async def test_names_of_headers_that_are_none_are_not_allowed(wanted: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with served("{origins: ['https://a.example']}") as here:
        asked = (ORIGIN, b"access-control-request-method: POST", b"access-control-request-headers: ")
        answer = parsed(await raw(here.port, page("OPTIONS", *asked[:2], asked[2] + wanted)))
        assert answer.status == 204
        assert "access-control-allow-headers" not in answer.headers
        answer = parsed(await raw(here.port, page("OPTIONS", *asked[:2], asked[2] + b"x-A,\tx_b")))
        assert answer.headers["access-control-allow-headers"] == "x-A,\tx_b"
    assert not caplog.records


@pytest.mark.parametrize("others", [[ORIGIN, b"origin: https://evil.example"], [b"origin: null", ORIGIN]])
async def test_of_several_origins_each_has_to_be_allowed(others: list[bytes]) -> None:
    async with served("{origins: ['https://a.example']}") as here:
        assert parsed(await raw(here.port, page("GET", *others))).status == 403
        assert parsed(await raw(here.port, page("GET", ORIGIN, ORIGIN))).status == 200


# --- clients that do not read


def small(kind: int) -> socket.socket:
    """A socket whose buffer takes next to nothing."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, kind, 2048)
    made.setblocking(False)
    return made


@pytest.mark.parametrize("last", ["keep-alive", "close"])
@pytest.mark.parametrize("count", [30, 300])
async def test_nothing_is_left_of_a_client_that_never_reads_its_answers(last: str, count: int) -> None:
    """Whether they are more than may wait for it, or less."""
    with small(socket.SO_SNDBUF) as listening, small(socket.SO_RCVBUF) as client:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        async with served(bounds=Bounds(stalled=0.05, idle=0.05), sockets=[listening]) as here:
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, listening.getsockname())
            await loop.sock_sendall(client, GET * count + request("GET", "/v1/models", connection=last))
            await until(lambda: here.server.connections == 1)
            await until(lambda: here.server.connections == 0)
            assert here.gateway.under_way == 0
