"""Floods of connections, and machines that have too few files for them."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys

import pytest

from router.gateway.descriptors import room_for
from tests.support.served import CHAT, Held, ask, question, served
from tests.support.waiting import until


@pytest.mark.parametrize("rounds", [3])
async def test_connections_that_come_all_at_once_are_bounded_as_those_that_come_one_by_one(rounds: int) -> None:
    async with served("{max_connections: 10}") as here:
        clients = []
        for _ in range(rounds):
            for _ in range(200):  # before the server gets a turn
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", here.port))
                clients.append(client)
            await until(lambda: here.server.connections >= 10)
            assert here.server.connections == 10
        assert (await ask(here.port, "POST", CHAT, question())).status == 200
        for client in clients:
            client.close()


async def test_a_flood_takes_no_connection_from_those_that_are_answered() -> None:
    async with served("{max_connections: 4}", provider=(held := Held())) as here:
        asking = [asyncio.ensure_future(ask(here.port, "POST", CHAT, question(stream=True))) for _ in range(3)]
        await until(lambda: len(held.requests) == 3)
        clients = []
        for _ in range(300):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", here.port))
            clients.append(client)
        await until(lambda: here.server.connections == 4)
        held.gate.set()
        assert [(await one).status for one in asking] == [200, 200, 200]
        for client in clients:
            client.close()


@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """The limit of a process, which another may not change for real: what was raised can't be lowered for others."""
    limit = {"is": (256, 1024)}

    def change(_: int, to: tuple[int, int]) -> None:
        if to[0] > limit["is"][1]:
            raise ValueError("current limit exceeds maximum limit")
        limit["is"] = to

    monkeypatch.setattr(resource, "getrlimit", lambda _: limit["is"])
    monkeypatch.setattr(resource, "setrlimit", change)
    return limit


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
def test_the_limit_of_open_files_is_raised_as_far_as_the_connections_need(
    few_files: dict[str, tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    assert room_for(50) == 50
    assert few_files["is"] == (256, 1024)  # enough as it is
    assert room_for(400) == 400
    assert few_files["is"] == (928, 1024)
    assert not caplog.records


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
def test_where_the_system_allows_fewer_files_fewer_connections_are_taken_and_it_is_told(
    few_files: dict[str, tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    assert room_for(1000) == 448
    assert few_files["is"] == (1024, 1024)
    assert "1024 files" in caplog.text
    assert "448 connections" in caplog.text
    assert "ulimit -n 2128" in caplog.text
