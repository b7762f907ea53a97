"""A client that asks without end, and many that ask nothing, keep nobody from watching and nothing from running."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.printable import one_line
from router import Router
from router.monitor.socket import paths, server
from tests.support.waiting import until

FILE = "providers: {a: {kind: fake}}\nroutes: {chat: a/x}\n"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sb-") as short:  # a socket's path may have 103 bytes
        monkeypatch.setenv(paths.FOLDER, f"{short}/run")
        yield Path(short) / "run"


async def socket_of(folder: Path) -> Path:
    await until(lambda: paths.sockets(folder))
    return paths.sockets(folder)[-1]


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def at(cls, path: Path) -> Client:
        return cls(*await asyncio.open_unix_connection(path, limit=1 << 26))

    def send(self, **ask: Any) -> None:
        self.writer.write(json.dumps(ask).encode() + b"\n")

    async def line(self) -> Any:
        async with asyncio.timeout(60):
            line = await self.reader.readline()
        return json.loads(line) if line else None


async def test_one_client_has_a_bounded_number_of_questions(folder: Path) -> None:
    """The others are refused one by one, and the connection stays; a stop makes room again."""
    async with Router.from_text(FILE, env={}) as router:
        path = await socket_of(folder)
        before = len(asyncio.all_tasks())
        client = await Client.at(path)
        assert (await client.line())["signalbox"] == "hello"
        for number in range(1, 2001):
            client.send(ask="events", id=number)
        refused = set()
        while 2000 not in refused:
            answer = await client.line()
            if "error" in answer:
                assert f"{server.QUESTIONS} questions are open" in answer["error"]
                refused.add(answer["id"])
        assert len(refused) == 2000 - server.QUESTIONS
        assert len(asyncio.all_tasks()) < before + server.QUESTIONS + 10
        client.send(ask="stop", id=1)
        client.send(ask="config", id=3000)
        while (answer := await client.line())["id"] != 3000:
            pass
        assert "error" not in answer
        assert (await router.complete("chat", "hi")).text
        client.writer.close()


async def test_the_same_question_over_and_over_is_one(folder: Path) -> None:
    """A question with an id in use takes the place of the one before."""
    async with Router.from_text(FILE, env={}):
        path = await socket_of(folder)
        client = await Client.at(path)
        before = len(asyncio.all_tasks())
        for _ in range(1000):
            client.send(ask="snapshots", id=1, every=60)
        client.send(ask="config", id=2)
        while (answer := await client.line()).get("id") != 2:
            pass
        assert "error" not in answer
        assert len(asyncio.all_tasks()) < before + 10
        client.writer.close()


async def test_silent_clients_give_their_places(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks nothing, or has sent half a line, makes room for who comes; who watches stays."""
    monkeypatch.setattr(server, "CLIENTS", 4)
    async with Router.from_text(FILE, env={}):
        path = await socket_of(folder)
        watching = await Client.at(path)
        watching.send(ask="snapshots", id=1, every=0.1)
        assert (await watching.line())["signalbox"] == "hello"
        assert (await watching.line())["id"] == 1
        silent = [await Client.at(path) for _ in range(3)]
        for client in silent:
            client.writer.write(b'{"ask": "snap')
            assert (await client.line())["signalbox"] == "hello"
        late = [await Client.at(path) for _ in range(3)]
        for client in late:
            assert (await client.line())["signalbox"] == "hello"
            client.send(ask="snapshots", id=1, every=60)
            assert (await client.line())["id"] == 1
        assert [await client.line() for client in silent] == [None] * 3
        assert (await watching.line())["id"] == 1
        last = await Client.at(path)
        assert "4 clients are connected already" in (await last.line())["error"]
        for client in (watching, *silent, *late, last):
            client.writer.close()


async def test_what_a_client_sends_makes_no_line_of_a_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal quotes some of it, on one line that acts on no terminal; who only leaves is told of nothing."""
    caplog.set_level("INFO", "signalbox.monitor")
    async with Router.from_text(FILE, env={}):
        path = await socket_of(folder)
        for bad in ("x\ny", "\x1b]52;c;aGk=\x07", "\u202ex", "x" * 1_000_000):
            client = await Client.at(path)
            await client.line()
            client.send(ask=bad, id=1)
            answer = await client.line()
            assert one_line(answer["error"]) == answer["error"]
            assert len(answer["error"]) < 300
            client.writer.close()
        client = await Client.at(path)
        client.writer.transport.abort()  # before it has read the hello
        await asyncio.sleep(0)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 4
    assert all(one_line(each) == each and len(each) < 300 for each in told)
