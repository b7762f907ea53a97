"""A connection's requests are answered by one task: what becomes of one leaves the next alone, or ends it all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from router.config.listen import Address
from router.gateway.completion import new_ident
from router.gateway.connection import Bounds
from router.gateway.exchange import Answered, Asked
from router.gateway.http import carrying
from router.gateway.server import Server
from tests.support.served import CHAT, Held, parsed, question, raw, request, served
from tests.support.waiting import until

GET = request("GET", "/", connection="keep-alive")


@asynccontextmanager
async def carried(handle: Callable[[Asked], Awaitable[Answered]]) -> AsyncIterator[int]:
    """A server of what answers; gives its port."""
    server = Server(carrying(handle, Bounds(), lambda: 100), [Address("127.0.0.1", 0)])
    await server.start()
    try:
        yield server.addresses[0].port
    finally:
        await server.stop()
        server.abort()


async def test_what_fails_inside_is_told_as_500_and_ends_its_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(_: Asked) -> Answered:
        raise LookupError("a bug")

    async with carried(handle) as port:
        answer = parsed(await raw(port, GET + GET))
    assert (answer.status, answer.headers["connection"]) == (500, "close")
    assert "bug" not in answer.body.decode()
    assert answer.json()["error"]["message"]
    assert "a bug" in caplog.text


async def test_a_header_that_would_break_the_answer_is_not_sent() -> None:
    async def handle(_: Asked) -> Answered:
        return Answered(200, b"ok", {"x-name": "a\r\nset-cookie: b"})

    async with carried(handle) as port:
        told = await raw(port, GET)
    assert told.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in told


class Breaking:
    """A body that breaks after its first piece."""

    ends = False
    closed = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.sleep(0)
        raise LookupError("a bug")

    async def aclose(self) -> None:
        self.closed += 1

    def fail(self, error: Exception) -> None:
        pass


async def test_a_body_that_breaks_is_not_taken_for_whole() -> None:
    body = Breaking()

    async def handle(_: Asked) -> Answered:
        return Answered(200, body)

    async with carried(handle) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        told = b""
        try:
            while data := await reader.read(100):
                told += data
        except ConnectionError:
            pass
        writer.close()
    assert b"half" in told or told == b""
    assert b"0\r\n\r\n" not in told
    assert body.closed == 1


async def test_a_request_for_another_protocol_ends_its_connection() -> None:
    """What comes behind it is in that protocol, or would be."""
    async with served() as here:
        asked = request("GET", "/v1/responses", upgrade="websocket", connection="Upgrade")
        told = await raw(here.port, request("GET", "/api/version", connection="") + asked + b"\x81\x05hello" + GET)
    assert told.count(b"HTTP/1.1 ") == 2
    answer = parsed(told[told.index(b"HTTP/1.1 426") :])
    assert answer.headers["connection"] == "close"


async def test_clients_that_leave_end_their_own_requests_alone() -> None:
    async with served(provider=(held := Held())) as here:
        _, leaving = await asyncio.open_connection("127.0.0.1", here.port)
        reader, staying = await asyncio.open_connection("127.0.0.1", here.port)
        for writer in (leaving, staying):
            writer.write(request("POST", CHAT, question(), connection="keep-alive"))
        await until(lambda: len(held.requests) == 2)
        leaving.close()
        await until(lambda: here.gateway.under_way == 1)
        held.gate.set()
        staying.write(request("POST", CHAT, question()))
        told = await reader.read()
        staying.close()
    assert told.count(b"HTTP/1.1 200 OK") == 2
    assert held.cancelled == 1


async def test_the_end_of_a_gateway_is_told_to_the_request_and_not_to_the_next_task() -> None:
    """The task of a connection outlives its requests: what ended one must not cut another."""
    async with served(provider=(held := Held())) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        for number in (1, 2):
            writer.write(request("POST", CHAT, question(), connection="keep-alive"))
            await until(lambda number=number: len(held.requests) == number)  # type: ignore[misc]  # a default binds it
            here.gateway.end_all()
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        held.gate.set()
        writer.write(request("POST", CHAT, question()))
        assert parsed(await reader.read()).status == 200
        writer.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_processes_that_were_forked_give_different_names() -> None:
    new_ident()
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(there, new_ident().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(here, 100).decode() not in ("", new_ident())
    os.close(here)
    os.close(there)
