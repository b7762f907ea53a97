"""An hour and a day over the socket: the same as in the process, of several processes, and beside older versions."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from router import Router
from router.monitor.socket import paths
from router.monitor.socket.client import SocketFeed, discover
from router.views.history import RANGES, History
from tests.support.waiting import until

FILE = "providers: {a: {kind: fake}, b: {kind: fake}}\nroutes: {chat: a/x, other: b/y}\n"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sb-") as short:
        monkeypatch.setenv(paths.FOLDER, f"{short}/run")
        yield Path(short) / "run"


def pass_time(router: Router, seconds: float) -> None:
    """Let time go by for what is counted."""
    router.telemetry.virtual = True
    router.telemetry.offset += seconds


async def an_hour(router: Router, *, calls: int = 1) -> None:
    for _ in range(40):
        for _ in range(calls):
            await router.complete("chat", "hi")
        pass_time(router, 85)
    pass_time(router, 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / "routes.yaml"
    written.write_text(FILE)
    return written


@asynccontextmanager
async def watched(path: Path, number: int = 1) -> AsyncIterator[list[Router]]:
    """So many routers of one file."""
    routers = [Router.from_yaml(path, watch=False) for _ in range(number)]
    try:
        for router in routers:
            await router.complete("other", "hi")  # opens its socket
        await until(lambda: len(paths.sockets(paths.folder())) == number)
        yield routers
    finally:
        for router in routers:
            await router.aclose()


async def attached() -> SocketFeed:
    [running] = await discover()
    return SocketFeed(running)


def same(one: History, other: History) -> bool:
    """Whether two histories of about the same moment say the same: the end may have moved by a second."""
    return abs(one.end - other.end) <= 2 and (one.total, one.routes, one.providers) == (
        other.total, other.routes, other.providers,
    )  # fmt: skip


async def test_it_is_the_same_from_another_process(path: Path) -> None:
    async with watched(path) as [router]:
        await an_hour(router)
        feed = await attached()
        for span in RANGES:
            pass_time(router, -(router.telemetry.offset + asyncio.get_running_loop().time()) % 300 + 30)
            seen = await feed.history(span)
            assert same(seen, await router.feed().history(span))
        assert sum((await feed.history(86_400)).total.calls) == 41
        await router.complete("chat", "hi")
        pass_time(router, 10)
        for span in RANGES:  # what came since is added to what is known
            assert same(await feed.history(span), await router.feed().history(span))
        assert sum((await feed.history(86_400)).total.calls) == 42
        await feed.aclose()


async def test_processes_are_added_up(path: Path) -> None:
    async with watched(path, 2) as [one, two]:
        two.telemetry.offset = one.telemetry.offset
        await asyncio.gather(an_hour(one), an_hour(two, calls=2))
        feed = await attached()
        history = await feed.history(86_400)
        assert sum(history.routes["chat"].calls) == 120
        assert sum(history.total.calls) == 122
        assert len(history.total.calls) == 288
        await feed.aclose()


async def test_who_does_not_ask_for_a_grain_gets_seconds(path: Path) -> None:
    """A dashboard of an older version."""
    async with watched(path) as [router]:
        reader, writer = await asyncio.open_unix_connection(paths.sockets(paths.folder())[-1], limit=1 << 26)
        await reader.readline()
        for id, more in enumerate(({}, {"grain": 7}, {"grain": 10})):
            pass_time(router, 2)
            writer.write(json.dumps({"ask": "seconds", "id": id, "since": 0, **more}).encode() + b"\n")
            seconds = json.loads(await reader.readline())["value"]
            assert seconds["grain"] == (10 if more == {"grain": 10} else 1)  # one that nobody has is no error
            [began] = map(int, seconds["rows"])
            assert began % seconds["grain"] == 0
        writer.close()


async def test_beside_an_older_router_a_longer_range_has_what_it_tells(folder: Path) -> None:
    """It knows no grain, and answers with seconds."""
    second = 1_795_447_000
    told: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = {"signalbox": "hello", "version": 1, "pid": 1, "label": "1.a", "name": "shop", "path": "/x/routes.yaml",
                 "revision": "9", "started_at": 1.0}  # fmt: skip
        writer.write(json.dumps(hello).encode() + b"\n")
        while line := await reader.readline():
            told.append(ask := json.loads(line))
            rows = {at: {"all": [1, 0, 0.5, {"16340": 1}, {"16340": 1}]} for at in range(second - 30, second)}
            value = {"end": second, "rows": {at: row for at, row in rows.items() if at >= ask["since"]}}
            writer.write(json.dumps({"id": ask["id"], "value": value, "end": True}).encode() + b"\n")
        writer.close()

    paths.make_folder(folder)
    async with await asyncio.start_unix_server(serve, folder / "1.sock"):
        feed = await attached()
        for _ in range(2):  # what is asked for again is counted once
            history = await feed.history(3600)
            assert history.total.calls[-4:] == (0, 10, 10, 10)
            assert history.total.cost[-3:] == (5.0, 5.0, 5.0)
            assert (len(history.total.calls), history.grain) == (360, 10)
        assert [ask["since"] for ask in told] == [0, second]
        second += 7
        assert (await feed.history(3600)).total.calls[-3:] == (10, 10, 17)
        await feed.aclose()
