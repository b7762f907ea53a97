"""Requests of a hostile sender, until it is known whose they are."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from router.config.listen import Address
from router.gateway.exchange import Asked, Headers
from router.gateway.gateway import Gateway
from router.gateway.http import server_of
from router.gateway.server import Server
from tests.support.gateway import served as simulated
from tests.support.served import CHAT, Answer, Served, ask, parsed, question, raw, served

KEY, OTHER = "sb-0123456789abcdefghij", "sb-abcdefghijklmnopqrst"
KEYS = f"{{keys: {{a: {{key: {KEY}}}, b: {{key: {OTHER}}}}}}}"
WITH_ANONYMOUS = KEYS.replace("{keys", "{anonymous: {routes: [chat]}, keys")


async def sent(here: Served, line: str, *headers: bytes) -> Answer:
    """Send a question with these headers, byte for byte."""
    body = question()
    head = b"".join(each + b"\r\n" for each in (line.encode(), b"connection: close", *headers))
    return parsed(await raw(here.port, head + b"content-length: %d\r\n\r\n" % len(body) + body))


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key"])
@pytest.mark.parametrize("second", ["wrong", OTHER])
@pytest.mark.parametrize("first_is_right", [True, False])
async def test_of_several_keys_each_has_to_be_right_also_in_one_header_twice(
    name: str, second: str, first_is_right: bool
) -> None:
    kind = "Bearer " if name == "authorization" else ""
    keys = [KEY, second] if first_is_right else [second, KEY]
    async with served(KEYS) as here:
        twice = [f"{name}: {kind}{key}".encode() for key in keys]
        assert (await sent(here, f"POST {CHAT} HTTP/1.1", b"host: 127.0.0.1", *twice)).status == 401
        assert here.provider.requests == []
        same = [f"{name}: {kind}{KEY}".encode()] * 2
        assert (await sent(here, f"POST {CHAT} HTTP/1.1", b"host: 127.0.0.1", *same)).status == 200


HOSTS = {
    b"[": 403,
    b"[]": 403,
    b"[]:80": 403,
    b"[::1": 403,
    "127.0.0.²".encode(): 403,
    b"127.0.0.1.": 403,
    b"127.1": 403,
    b"2130706433": 403,
    b"0.0.0.0": 403,
    b"evil@localhost": 403,
    b"localhost/evil.example": 403,
    b"localhost\\evil.example": 403,
    b"localhost:80:80": 403,
    b"localhost:evil": 403,
    b"localhost evil": 403,
    b"\xff\xfe": 403,
    "ⓛocalhost".encode(): 403,
    b"": 403,
    b"LOCALHOST:1": 200,
    b"localhost.": 200,
    b"[::1]:4180": 200,
    b"[::ffff:127.0.0.1]": 200,
    b"127.0.0.1:": 200,
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("serve", ["{}", WITH_ANONYMOUS])
async def test_without_a_key_a_host_that_is_not_this_machines_is_refused_however_it_is_written(
    host: bytes, serve: str
) -> None:
    async with served(serve) as here:
        answer = await sent(here, f"POST {CHAT} HTTP/1.1", b"host: " + host)
        assert answer.status == HOSTS[host]
        assert len(here.provider.requests) == (HOSTS[host] == 200)


async def test_an_origin_of_any_bytes_is_refused() -> None:
    async with served(WITH_ANONYMOUS) as here:
        for origin in (b"\xff\xfe", b"http://[", b"null", b"https://" + b"a" * 9000, b""):
            assert (await sent(here, f"POST {CHAT} HTTP/1.1", b"host: localhost", b"origin: " + origin)).status == 403
        assert here.provider.requests == []


# --- guessing


class Sent(dict[str, str]):
    def getall(self, name: str, default: object) -> list[str]:
        return [self[name]] if name in self else []


async def status_of(gateway: Gateway, key: str | None, peer: str) -> int:
    async def read(limit: int) -> bytes:
        return question()

    headers: Headers = Sent({} if key is None else {"x-api-key": key})  # type: ignore[assignment]  # a smaller default
    return (await gateway.handle(Asked("GET", "/v1/models", "", headers, read, peer))).status


async def test_who_asks_without_a_key_guesses_none() -> None:
    async with served(KEYS) as here:
        for _ in range(50):
            assert await status_of(here.gateway, None, "192.0.2.1") == 401
        assert await status_of(here.gateway, KEY, "192.0.2.1") == 200


async def test_who_was_let_in_before_is_not_locked_out_by_others_behind_the_same_proxy() -> None:
    async with served(KEYS) as here:
        assert await status_of(here.gateway, KEY, "127.0.0.1") == 200
        statuses = [await status_of(here.gateway, f"sb-guess-{number:016}", "127.0.0.1") for number in range(25)]
        assert statuses == [401] * 20 + [429] * 5
        assert await status_of(here.gateway, KEY, "127.0.0.1") == 200
        # A guesser is not told that a guess was right.
        assert await status_of(here.gateway, OTHER, "127.0.0.1") == 429


@pytest.mark.parametrize(
    ("peers", "is_one"),
    [
        (["192.0.2.1", "::ffff:192.0.2.1"], True),
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::1"], True),
        (["2001:db8::1", "2001:db8:0:1::1"], False),
        (["192.0.2.1", "192.0.2.2"], False),
        (["", ""], True),
    ],
)
async def test_an_address_is_one_however_it_is_written_and_a_network_of_ipv6_is_one(
    peers: list[str], is_one: bool
) -> None:
    async with served(KEYS) as here:
        for _ in range(20):
            assert await status_of(here.gateway, "wrong", peers[0]) == 401
        for peer in peers[1:]:
            assert await status_of(here.gateway, "wrong", peer) == (429 if is_one else 401)


async def test_what_is_remembered_of_guessers_is_bounded() -> None:
    async with served(KEYS) as here:
        for _ in range(20):
            await status_of(here.gateway, "wrong", "192.0.2.1")
        for number in range(9_999):
            await status_of(here.gateway, "wrong", f"10.0.{number >> 8}.{number & 255}")
        assert await status_of(here.gateway, "wrong", "192.0.2.1") == 429
        for number in range(10_000):  # from more than are remembered
            await status_of(here.gateway, "wrong", f"10.1.{number >> 8}.{number & 255}")
        assert await status_of(here.gateway, "wrong", "192.0.2.1") == 401


async def test_a_unix_socket_is_this_machines_whatever_the_clients_end_is_called(tmp_path: Path) -> None:
    async with served() as here:
        server = Server(server_of(here.gateway), [Address(path=f"{tmp_path}/sb.sock")])
        await server.start()
        with socket.socket(socket.AF_UNIX) as client:
            client.bind(f"{tmp_path}/client.sock")
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, f"{tmp_path}/sb.sock")
            await loop.sock_sendall(client, b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert (await loop.sock_recv(client, 4096)).startswith(b"HTTP/1.1 200 ")
        await server.stop()


# --- names and numbers


@pytest.mark.parametrize("limit", ["%C2%B2", "9" * 5000, "-1", "0", "%00", "1e3", ""])
async def test_a_page_of_any_size_may_be_asked_for(limit: str) -> None:
    async with served() as here:
        answer = await ask(here.port, "GET", f"/v1/models?limit={limit}", anthropic_version="2023-06-01")
        assert answer.status == 200
        assert len(answer.json()["data"]) == 1


@pytest.mark.parametrize("name", ["fake/a\nb", "fake/a\r\nset-cookie: a=b", "fake/\x00", "fake/\x1b[31m", "fake/\x7f"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_name_with_control_characters_leads_nowhere(name: str, stream: bool) -> None:
    async with served("{direct: true}") as here:
        answer = await ask(here.port, "POST", CHAT, question(model=name, stream=stream))
        assert answer.status == 404
        assert "set-cookie" not in answer.headers
        assert here.provider.requests == []


@pytest.mark.parametrize("stream", [True, False])
async def test_a_name_of_any_letters_is_told_in_headers_that_all_can_read(stream: bool) -> None:
    async with served("{direct: true}") as here:
        answer = await ask(here.port, "POST", CHAT, question(model="fake/é 50%", stream=stream))
        assert answer.status == 200
        assert answer.headers["x-signalbox-target"] == "fake/%C3%A9 50%25"


async def test_a_name_of_megabytes_is_not_given_back_nor_kept() -> None:
    async with served() as here:
        records = []
        here.gateway.observers.append(records.append)
        answer = await ask(here.port, "POST", CHAT, question(model="a" * 1_000_000))
        assert answer.status == 404
        assert len(answer.body) < 1000
        path = await ask(here.port, "GET", "/" + "a" * 9000)
        assert path.status == 404
        assert [len(record.model or "") for record in records] == [200, 0]
        assert [len(record.path) for record in records] == [len(CHAT), 200]


# --- headers whose bytes are no text


@pytest.mark.parametrize("path", [CHAT, "/v1/responses", "/v1/messages", "/api/chat"])
@pytest.mark.parametrize("model", ["chat", "claude"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_header_that_is_no_text_is_as_none(path: str, model: str, stream: bool) -> None:
    file = """
providers:
  openai: {kind: openai, base_url: "{openai}", api_key: sk-v}
  anthropic: {kind: anthropic, base_url: "{anthropic}", api_key: sk-v}
routes:
  chat: {balance: affinity, targets: [openai/gpt-4o, openai/gpt-4o-mini]}
  claude: {targets: [anthropic/claude-haiku-4-5]}
serve: {forward: {headers: [x-odd, x-even]}}
"""
    body = question(model=model, stream=stream, input="hi")
    odd = b"x-session-affinity: \xff\r\nsession-id: \xfe\r\nx-odd: \xff\r\nuser-agent: \xff\r\nx-even: yes\r\n"
    async with simulated(file) as gateway:
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n"
        answer = parsed(await raw(int(gateway.url.rpartition(":")[2]), head.encode() + odd + b"\r\n" + body))
        assert answer.status == 200, answer
        vendor = gateway.simulator.vendor("openai" if model == "chat" else "anthropic")
        assert vendor.last_request is not None
        assert "x-odd" not in vendor.last_request.headers
