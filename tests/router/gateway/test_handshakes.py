"""TLS: who begins a handshake and does not go on takes no place from others, and files from nobody."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from router.gateway.tls import Certificate
from tests.support.certificates import Certificates, make_certificates
from tests.support.served import CHAT, Held, parsed, question, request, served
from tests.support.waiting import until

MANY = 200
# The first bytes of a ClientHello: whoever sends them is in earnest, as far as can be seen.
HALF = bytes.fromhex("16030100f8010000f40303")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No handshake ends by itself here."""
    monkeypatch.setattr("router.gateway.handshakes.HANDSHAKE", 10_000.0)


def context(certificates: Certificates) -> ssl.SSLContext:
    return Certificate(certificates.server, certificates.server_key).context


async def ask(port: int, ca: str) -> int:
    """The status of a question over TLS."""
    trusting = ssl.create_default_context(cafile=ca)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="localhost")
    try:
        writer.write(request("POST", CHAT, question()))
        return parsed(await reader.read()).status
    finally:
        writer.close()


@asynccontextmanager
async def half_open(port: int, first: bytes) -> AsyncIterator[list[socket.socket]]:
    """Many clients that say no more than this."""
    loop, clients = asyncio.get_running_loop(), []
    try:
        for _ in range(MANY):
            client = socket.socket()
            client.setblocking(False)
            clients.append(client)
            await loop.sock_connect(client, ("127.0.0.1", port))
            if first:
                await loop.sock_sendall(client, first)
        yield clients
    finally:
        for client in clients:
            client.close()


def open_ones(clients: list[socket.socket]) -> int:
    """How many of them the server has not closed."""
    return sum(not _is_closed(client) for client in clients)


def _is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("first", [b"", HALF])
async def test_half_handshakes_are_bounded_and_hold_nobody_up(certificates: Certificates, first: bytes) -> None:
    async with served("{max_connections: 20}", tls=context(certificates)) as here, half_open(here.port, first) as half:
        await until(lambda: open_ones(half) <= 20)
        assert await ask(here.port, certificates.ca) == 200
        assert 0 < open_ones(half) <= 20  # those that came last may still go on


async def test_they_take_no_connection_from_those_that_are_answered(certificates: Certificates) -> None:
    held = Held()
    async with served("{max_connections: 20}", tls=context(certificates), provider=held) as here:
        asking = [asyncio.ensure_future(ask(here.port, certificates.ca)) for _ in range(5)]
        await until(lambda: len(held.requests) == 5)
        async with half_open(here.port, HALF) as half:
            await until(lambda: open_ones(half) <= 16)
            held.gate.set()
            assert [await one for one in asking] == [200] * 5


async def test_what_is_no_tls_is_closed(certificates: Certificates) -> None:
    async with served(tls=context(certificates)) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(60):
            assert b"HTTP" not in await reader.read()
        writer.close()
        assert await ask(here.port, certificates.ca) == 200


async def test_a_stopped_server_takes_nobody_and_ends_the_half_ones(certificates: Certificates) -> None:
    async with served("{max_connections: 20}", tls=context(certificates)) as here, half_open(here.port, HALF) as half:
        await until(lambda: open_ones(half) <= 20)
        await here.server.stop()
        with pytest.raises(ConnectionError):
            await ask(here.port, certificates.ca)
        here.server.abort()
        await until(lambda: open_ones(half) == 0)


async def test_without_a_free_file_it_goes_on_later(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    accept, refusals = loop.sock_accept, [OSError(24, "Too many open files"), ConnectionAbortedError()]

    async def few(listening: socket.socket) -> tuple[socket.socket, object]:
        if refusals:
            raise refusals.pop()
        return await accept(listening)

    monkeypatch.setattr(loop, "sock_accept", few)
    monkeypatch.setattr("router.gateway.handshakes.RETRY", 0.01)
    async with served(tls=context(certificates)) as here:
        assert await ask(here.port, certificates.ca) == 200
    assert "Too many open files" in caplog.text
