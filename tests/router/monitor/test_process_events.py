"""Whoever watches an app of several processes is told which of them come and go, each once."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from router import Router
from router.monitor.socket import client, paths
from router.monitor.socket.client import SocketFeed, discover
from router.views.events import Event
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sockets of one's own; on a short path, since a socket's may have 103 bytes."""
    with tempfile.TemporaryDirectory(prefix="sb-") as short:
        monkeypatch.setenv(paths.FOLDER, f"{short}/run")
        monkeypatch.setattr(client, "SCAN", 0.05)
        yield Path(short)


async def started(path: Path, sockets: int) -> Router:
    """One process's router, with a socket of its own."""
    router = Router.from_yaml(path, watch=False)
    await router.complete("chat", "hi")
    await until(lambda: len(paths.sockets(paths.folder())) == sockets)
    return router


async def test_they_come_and_go(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The processes that are there at first are no news; one that is gone is a warning; the app's own events go on."""
    path = folder / "routes.yaml"
    path.write_text("providers: {a: {kind: fake}}\nroutes: {chat: a/m}\n")
    told: list[Event] = []
    heard = told.append

    async def follow(feed: SocketFeed) -> None:
        async with aclosing(feed.events()) as events:
            async for event in events:
                heard(event)

    def processes() -> list[tuple[str, str, int | None]]:
        return [(event.level, event.sentence, event.pid) for event in told if event.kind == "process"]

    pid = os.getpid()
    here, gone = ("info", f"process {pid} has come", pid), ("warning", f"process {pid} is gone", pid)
    with caplog.at_level(logging.INFO, "signalbox.events"):
        first = await started(path, 1)
        [running] = await discover()
        feed = SocketFeed(running)
        following = asyncio.create_task(follow(feed))
        first.telemetry.publish(Event(1.0, "drain", "one"))
        await until(lambda: [event.sentence for event in told] == ["one"])
        second = await started(path, 2)
        await until(lambda: processes() == [here])
        second.telemetry.publish(Event(2.0, "drain", "two"))
        await until(lambda: told[-1].sentence == "two")
        await first.aclose()
        await until(lambda: processes() == [here, gone])
        await second.aclose()
        await until(lambda: processes() == [here, gone, gone])
        third = await started(path, 1)
        await until(lambda: processes() == [here, gone, gone, here])
    assert caplog.messages.count(gone[1]) == 2
    following.cancel()
    await asyncio.wait([following])
    await feed.aclose()
    await third.aclose()
