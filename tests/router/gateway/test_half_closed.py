"""Clients that end their side of the connection: who waits for the answer gets it, who has left ends the request."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.support.served import CHAT, Held, Served, question, request, served
from tests.support.waiting import until

KEPT = {"connection": "keep-alive"}


async def ended(here: Served, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose client has sent this, and says that nothing more comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(data)
    writer.write_eof()
    return reader, writer


def statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", data)]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_has_only_ended_its_side_gets_its_whole_answer(stream: bool) -> None:
    async with served(provider=(held := Held())) as here:
        reader, writer = await ended(here, request("POST", CHAT, question(stream=stream), **KEPT))
        told = await reader.readuntil(b"\r\n\r\n")  # which tells that its end was noticed
        held.gate.set()
        told += await reader.read()
        writer.close()
        assert statuses(told) == [100, 200]
        assert told.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n" if stream else b"}")
        assert held.cancelled == 0
        await until(lambda: here.server.connections == 0)


async def test_all_that_such_a_client_has_asked_is_answered() -> None:
    async with served(provider=(held := Held())) as here:
        asked = request("POST", CHAT, question(), **KEPT)
        reader, writer = await ended(here, asked + request("GET", "/v1/models", **KEPT) * 2 + asked)
        told = await reader.readuntil(b"\r\n\r\n")
        held.gate.set()
        told += await reader.read()
        writer.close()
        assert statuses(told) == [100, 200, 200, 200, 200]
        await until(lambda: here.server.connections == 0)


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
async def test_a_client_that_has_left_ends_its_request(version: str) -> None:
    async with served(provider=(held := Held())) as here:
        _, writer = await ended(here, request("POST", CHAT, question()).replace(b"HTTP/1.1", version.encode()))
        writer.close()
        await until(lambda: here.server.connections == 0)
        await until(lambda: here.gateway.under_way == 0)
        assert held.cancelled == len(held.requests)


async def test_a_client_that_leaves_after_it_has_ended_its_side_ends_its_request() -> None:
    async with served(provider=(held := Held())) as here:
        reader, writer = await ended(here, request("POST", CHAT, question()))
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await until(lambda: here.server.connections == 0)
        await until(lambda: here.gateway.under_way == 0)
        assert held.cancelled == 1


@pytest.mark.parametrize("cut", [10, -3])
async def test_a_request_that_can_never_be_whole_is_not_waited_for(cut: int) -> None:
    async with served() as here:
        reader, writer = await ended(here, request("POST", CHAT, question(), **KEPT)[:cut])
        assert await reader.read() == b""
        writer.close()
        await until(lambda: here.server.connections == 0)
        assert here.provider.requests == []
