"""What a client may cost before anybody has said who it is."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib

import pytest

from providers.fake import FakeProvider, Reply
from router.gateway.connection import Bounds
from tests.support.served import CHAT, Held, ask, parsed, question, raw, request, served
from tests.support.waiting import until

SHORT = Bounds(head=0.02)
HALF_A_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a"


async def test_half_a_head_is_cut_with_408() -> None:
    async with served(bounds=SHORT) as here:
        answer = parsed(await raw(here.port, HALF_A_HEAD))
        assert answer.status == 408
        assert answer.json()["error"]["message"]


async def test_a_head_that_trickles_is_cut_all_the_same() -> None:
    async with served(bounds=SHORT) as here:
        _, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(HALF_A_HEAD)
        await until(lambda: here.server.connections == 1)
        while here.server.connections:
            writer.write(b"x")
            await asyncio.sleep(0)
        writer.close()


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async with served(bounds=SHORT) as here:
        assert await raw(here.port, b"") == b""


async def test_a_connection_is_closed_when_it_idles_between_requests() -> None:
    async with served(bounds=Bounds(idle=0.02)) as here:
        said = await raw(here.port, request("GET", "/api/version", connection="keep-alive"))
        assert parsed(said).status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"x%d: 1\r\n" % number for number in range(200)) + b"\r\n", 431),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", 400),
    ],
)
async def test_what_is_no_http_is_answered_as_json_and_closed(sent: bytes, status: int) -> None:
    async with served() as here:
        answer = parsed(await raw(here.port, sent))
        assert answer.status == status
        assert answer.json()["error"]["message"]


async def test_nobody_is_told_what_runs_beneath() -> None:
    async with served() as here:
        for answer in (await ask(here.port, "GET", "/api/version"), await ask(here.port, "GET", "/nothing")):
            assert answer.headers["server"] == "signalbox"
        assert b"aiohttp" not in await raw(here.port, b"\x16\x03\x01\r\n\r\n")


# --- bodies


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes() -> None:
    async with served("{max_body: 1KB}") as here:
        head = b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: 99999999\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(head)
        answer = parsed(await reader.readuntil(b"\r\n\r\n") + await reader.read(4096))
        writer.close()
        assert answer.status == 413
        assert answer.json()["error"]["type"] == "request_too_large"
        assert here.provider.requests == []


async def test_a_body_of_unknown_length_is_counted() -> None:
    async with served("{max_body: 1KB}") as here:
        chunk = b"800\r\n" + b" " * 0x800 + b"\r\n"
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
        answer = parsed(await raw(here.port, head + b"transfer-encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"))
        assert answer.status == 413


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data)[2:-4]),
        ("identity", bytes),
        ("", bytes),
    ],
)
async def test_packed_bodies_are_read(encoding: str, pack: object) -> None:
    async with served() as here:
        assert callable(pack)
        answer = await ask(here.port, "POST", CHAT, pack(question()), content_encoding=encoding)
        assert answer.status == 200


async def test_a_packed_body_is_counted_as_it_unpacks() -> None:
    async with served("{max_body: 1MB}") as here:
        bomb = gzip.compress(b" " * 50_000_000)
        assert len(bomb) < 60_000
        answer = await ask(here.port, "POST", CHAT, bomb, content_encoding="gzip")
        assert answer.status == 413


async def test_a_body_that_packs_very_well_is_no_bomb_within_the_bound() -> None:
    async with served("{max_body: 32MB}") as here:
        body = question(user="a" * 8_000_000)
        answer = await ask(here.port, "POST", CHAT, gzip.compress(body), content_encoding="gzip")
        assert answer.status == 200


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("br", b"x", 415),
        ("gzip, gzip", gzip.compress(gzip.compress(question())), 415),
        ("gzip", question(), 400),
        ("gzip", gzip.compress(question())[:-12], 400),
        ("deflate", b"\x00" * 9, 400),
    ],
    ids=["unknown", "twice", "not packed", "cut", "rubbish"],
)
async def test_bodies_that_are_not_packed_as_they_say_are_refused(encoding: str, body: bytes, status: int) -> None:
    async with served() as here:
        answer = await ask(here.port, "POST", CHAT, body, content_encoding=encoding)
        assert answer.status == status
        assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_slow_body_is_cut_with_408() -> None:
    async with served(bounds=Bounds(body=0.02)) as here:
        head = b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 999\r\n\r\n{"
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(head)
        async with asyncio.timeout(60):
            answer = parsed(await reader.readuntil(b"\r\n\r\n"))
        writer.close()
        assert answer.status == 408
        assert answer.headers["connection"] == "close"


async def test_a_client_that_waits_to_be_asked_for_its_body_is_asked() -> None:
    async with served() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        body = question()
        writer.write(request("POST", CHAT, expect="100-continue", content_length=str(len(body))))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert parsed(await reader.read()).status == 200
        writer.close()


# --- how many


async def test_requests_beyond_the_bound_are_told_to_come_again_at_once() -> None:
    async with served("{in_flight: 1}", provider=(held := Held())) as here:
        first = asyncio.ensure_future(ask(here.port, "POST", CHAT, question(stream=True)))
        await until(lambda: held.requests)
        chat = await ask(here.port, "POST", CHAT, question())
        assert (chat.status, chat.headers["retry-after"], chat.headers["x-should-retry"]) == (503, "1", "true")
        messages = await ask(here.port, "POST", "/v1/messages", question())
        assert (messages.status, messages.json()["error"]["type"]) == (529, "overloaded_error")
        assert (await ask(here.port, "GET", "/v1/models")).status == 200
        held.gate.set()
        assert (await first).status == 200
        assert (await ask(here.port, "POST", CHAT, question())).status == 200


async def test_a_connection_without_a_request_gives_way_to_a_new_one() -> None:
    async with served("{max_connections: 2}") as here:
        idle = [socket.create_connection(("127.0.0.1", here.port)) for _ in range(20)]
        answer = await ask(here.port, "POST", CHAT, question())
        assert answer.status == 200
        await until(lambda: here.server.connections <= 2)
        for one in idle:
            one.close()


async def test_when_all_connections_are_at_work_a_new_one_is_told_503() -> None:
    async with served("{max_connections: 2}", provider=(held := Held())) as here:
        busy = [asyncio.ensure_future(ask(here.port, "POST", CHAT, question(stream=True))) for _ in range(2)]
        await until(lambda: len(held.requests) == 2)
        answer = await ask(here.port, "POST", CHAT, question())
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"]["message"]
        held.gate.set()
        assert [(await one).status for one in busy] == [200, 200]


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    text = "a" * 20_000_000
    provider = FakeProvider.scripted(Reply(text, chunk_size=1_000_000), name="fake")
    async with served(provider=provider, bounds=Bounds(stalled=0.05)) as here:
        client = socket.create_connection(("127.0.0.1", here.port))
        client.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(client, request("POST", CHAT, question(stream=True)))
        await until(lambda: provider.requests and here.server.connections == 0)
        assert await here.gateway.until_idle(60)
        client.close()
