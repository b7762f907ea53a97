"""The socket: who may connect, what it answers, what a bad client does to the router (nothing), several processes."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from providers import ErrorCode, FakeProvider
from providers.fake import Fail, Hang, Reply
from router import Router
from router.monitor.feed import FeedLost
from router.monitor.socket import paths, server
from router.monitor.socket.client import SocketFeed, discover
from router.views.commands import ClearCache, Done, Drain, Prompt, PromptEnd, Reload, SetBreaker, Undrain
from router.views.events import Event
from router.views.figures import Snapshot
from router.views.requests import RequestFilter
from tests.support.paths import ROOT
from tests.support.waiting import until

FILE = "providers: {a: {kind: fake}, b: {kind: fake}}\nroutes: {chat: {targets: {a/x: 3, b/y: 1}}}\n"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Each test has sockets of its own; on a short path, since a socket's may have 103 bytes."""
    with tempfile.TemporaryDirectory(prefix="sb-") as short:
        monkeypatch.setenv(paths.FOLDER, f"{short}/run")
        yield Path(short) / "run"


@asynccontextmanager
async def watched(text: str = FILE, **more: Any) -> AsyncIterator[tuple[Router, Path]]:
    """A router whose socket is open."""
    async with Router.from_text(text, env={}, seed=1, **more) as router:
        await until(lambda: paths.sockets(paths.folder()))
        yield router, paths.sockets(paths.folder())[-1]


class Client:
    """Speaks the protocol by hand, as somebody's own client would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def line(self) -> Any:
        async with asyncio.timeout(60):
            line = await self.reader.readline()
        return json.loads(line) if line else None

    def send(self, **ask: Any) -> None:
        self.writer.write(json.dumps(ask).encode() + b"\n")

    async def close(self) -> None:
        self.writer.close()


async def connect(path: Path) -> Client:
    client = Client(*await asyncio.open_unix_connection(path, limit=1 << 26))
    hello = await client.line()
    assert (hello["signalbox"], hello["version"], hello["pid"]) == ("hello", 1, os.getpid())
    return client


async def attach() -> SocketFeed:
    [running] = await discover()
    return SocketFeed(running)


async def first(feed: SocketFeed, fits: Callable[[Snapshot], bool] = lambda _: True) -> Snapshot:
    """The first snapshot that fits."""
    async with asyncio.timeout(60), aclosing(feed.snapshots(0.1)) as snapshots:
        async for snapshot in snapshots:
            if fits(snapshot):
                return snapshot
    raise AssertionError("unreachable")


async def test_only_the_user_can_enter() -> None:
    """Folder 0700, socket 0600, also when the folder was too open; and it is gone with the router."""
    paths.folder().mkdir(mode=0o755)
    async with watched() as (_, path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert paths.sockets(paths.folder()) == []


async def test_another_user_is_refused_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says of the other end decides, whatever the permissions are."""
    async with watched() as (router, path):
        mine = os.getuid()
        with monkeypatch.context() as patch:
            patch.setattr("router.monitor.socket.paths.os.getuid", lambda: mine + 1)
            reader, writer = await asyncio.open_unix_connection(path)
            assert await reader.read() == b""
            writer.close()
            assert await discover() == ()  # nor does a client talk to a stranger's socket
        assert len(await discover()) == 1
        assert (await router.complete("chat", "hi")).text


async def test_credentials_come_from_the_system() -> None:
    """Not from the permissions: a pair of sockets tells the user who made it."""
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert paths.is_same_user(one)
        if hasattr(socket, "SO_PEERCRED"):
            pid, uid, _ = struct.unpack("3i", one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            assert (pid, uid) == (os.getpid(), os.getuid())


def spoil(folder: Path, wrong: str) -> None:
    if wrong == "a file":
        folder.write_text("")
    else:
        folder.mkdir()


@pytest.mark.parametrize("wrong", ["a file", "somebody else's"])
async def test_a_folder_that_can_not_be_trusted_is_not_used(
    wrong: str, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The router goes on unwatched, and says why."""
    spoil(folder, wrong)
    if wrong != "a file":
        mine = os.getuid()
        monkeypatch.setattr("router.monitor.socket.paths.os.getuid", lambda: mine + 1)
    async with Router.from_text(FILE, env={}) as router:
        assert (await router.complete("chat", "hi")).text
        await until(lambda: "can't be watched" in caplog.text)
    assert paths.FOLDER in caplog.text


async def test_a_path_that_is_too_long_for_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The usual folder moves to a short one that everybody finds; a path that the file names is refused with words."""
    monkeypatch.setenv(paths.FOLDER, str(tmp_path / ("long" * 40)))
    assert len(os.fsencode(paths.folder())) < 80
    async with watched():
        assert len(await discover()) == 1
    paths.folder().rmdir()
    text = FILE + f"telemetry: {{monitor: {tmp_path / ('x' * 120)}}}\n"
    async with Router.from_text(text, env={}) as router:
        await router.complete("chat", "hi")
        await until(lambda: "bytes" in caplog.text)


def test_without_a_runtime_folder_nothing_is_warned_of() -> None:
    """An app's output stays its own, where XDG_RUNTIME_DIR is not set too."""
    code = "from router.monitor.socket import paths; paths.folder()"
    env = {name: value for name, value in os.environ.items() if name not in (paths.FOLDER, "XDG_RUNTIME_DIR")}
    run = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], env=env, cwd=ROOT, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")


async def test_off_by_file_and_by_code(folder: Path) -> None:
    for text, more in ((FILE + "telemetry: {monitor: off}\n", {}), (FILE, {"monitor": False})):
        async with Router.from_text(text, env={}, **more) as router:  # type: ignore[arg-type]  # a dict of keywords
            await router.complete("chat", "hi")
            assert paths.sockets(folder) == []


async def test_a_path_of_the_file_is_used_and_shared(tmp_path: Path) -> None:
    """A second process of the app, here a second router, takes a name beside it; both are found by that path."""
    where = tmp_path / "here.sock"
    text = FILE + f"telemetry: {{monitor: {where}}}\n"
    async with Router.from_text(text, env={}) as one, Router.from_text(text, env={}) as other:
        await one.complete("chat", "hi")
        await until(where.exists)
        await other.complete("chat", "hi")
        await until(lambda: len(list(tmp_path.glob("here.sock*"))) == 2)
        assert sum(len(running.pids) for running in await discover(where)) == 2
    assert os.listdir(tmp_path) == []


async def test_the_protocol_by_hand() -> None:
    """Every question, asked with bare JSON."""
    async with watched() as (router, path):
        await router.complete("chat", "hi")
        client = await connect(path)
        client.send(ask="snapshots", id=1, every=10)
        assert (await client.line())["value"]["figures"]["totals"]["calls"] == 1
        client.send(ask="stop", id=1)
        assert await client.line() == {"id": 1, "end": True}
        client.send(ask="requests", id=2)
        [record] = (await client.line())["value"]
        client.send(ask="trace", id=3, request=record["id"])
        assert (await client.line())["value"]["entries"][0]["type"] == "Attempt"
        client.send(ask="trace", id=4, request="none")
        assert await client.line() == {"id": 4, "end": True}
        client.send(ask="chains", id=5)
        assert (await client.line())["value"]["routes"][0]["route"] == "chat"
        client.send(ask="config", id=6)
        assert (await client.line())["value"]["text"] == FILE
        client.send(ask="seconds", id=7)
        assert "end" in (await client.line())["value"]
        client.send(ask="command", id=8, command={"type": "SetBreaker", "name": "a/x", "action": "open"})
        assert (await client.line())["value"]["ok"]
        client.send(ask="events", id=9)
        assert (await client.line())["value"]["sentence"] == "a/x was opened by hand"
        client.send(ask="prompt", id=10, prompt={"to": "chat", "messages": "hi"})
        lines = [await client.line()]
        while not lines[-1].get("end"):
            lines.append(await client.line())
        assert "".join(line["value"]["text"] for line in lines[:-2]) == "Hello from b."
        assert lines[-2]["value"]["type"] == "PromptEnd"
        await client.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\n",
        b"{}\n",
        b'{"ask": "snapshots"}\n',
        b"\xff\xfe\n",
        b'{"ask": "drop tables", "id": 1}\n',
        b'{"ask": "prompt", "id": 1, "prompt": {"to": "x", "messages": "hi", "params": {"a": ' + b"[" * 100_000 + b"\n",
    ],
    ids=["text", "empty", "no id", "no utf-8", "unknown", "deep"],
)
async def test_garbage_is_refused_with_a_word_and_the_router_goes_on(garbage: bytes) -> None:
    async with watched() as (router, path):
        client = await connect(path)
        client.writer.write(garbage)
        refused = await client.line()
        assert refused["end"]
        assert "protocol" in refused["error"]
        assert await client.line() is None
        await client.close()
        assert (await router.complete("chat", "hi")).text
        await (await connect(path)).close()


async def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.monitor.socket.protocol.LONGEST_LINE", 1000)
    async with watched() as (_, path):
        client = await connect(path)
        client.writer.write(b"x" * 100_000)
        assert "bytes" in (await client.line())["error"]
        await client.close()


async def test_a_client_that_never_reads_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it leaves unread is bounded, the router's requests go on, and others are served meanwhile."""
    monkeypatch.setattr(server, "UNSENT", 10_000)
    async with watched() as (router, path):
        deaf = socket.socket(socket.AF_UNIX)
        deaf.setblocking(False)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(str(path))
        deaf.sendall(b'{"ask": "events", "id": 1}\n')
        await until(lambda: router.telemetry.subscribers)
        number = 0
        async with asyncio.timeout(60):
            while router.telemetry.subscribers:
                router.telemetry.publish(Event(float(number), "drain", "x" * 1000))
                number += 1
                await asyncio.sleep(0)
        assert number < 1000
        assert (await router.complete("chat", "hi")).text
        client = await connect(path)
        client.send(ask="snapshots", id=1)
        assert (await client.line())["value"]["figures"]["totals"]["calls"] == 1
        await client.close()
        deaf.close()


async def test_a_stopped_client_gets_no_heap_of_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the last snapshot is unread no other is made; after some patience the client is dropped."""
    monkeypatch.setattr(server, "_OFTEN", 0.0)
    monkeypatch.setattr(server, "PATIENCE", 0.2)
    made = 0

    async with watched() as (router, path):
        making = router.report.making

        def counted(*when: Any, **more: Any) -> Any:
            nonlocal made
            made += 1
            return making(*when, **more)

        monkeypatch.setattr(router.report, "making", counted)
        deaf = socket.socket(socket.AF_UNIX)
        deaf.setblocking(False)
        deaf.connect(str(path))
        deaf.sendall(b'{"ask": "snapshots", "id": 1, "every": 0}\n')
        await until(lambda: made)
        before = -1
        async with asyncio.timeout(60):
            while made != before:  # until nothing more fits between the two
                before = made
                for _ in range(200):
                    await asyncio.sleep(0)
        connected = len(asyncio.all_tasks())
        await until(lambda: len(asyncio.all_tasks()) < connected)
        assert made == before
        deaf.close()


async def test_more_clients_than_anybody_needs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CLIENTS", 2)
    async with watched() as (_, path):
        clients = [await connect(path) for _ in range(2)]
        for client in clients:
            client.send(ask="snapshots", id=1, every=60)
            assert (await client.line())["id"] == 1
        reader, writer = await asyncio.open_unix_connection(path)
        assert b"2 clients are connected already" in await reader.read()
        writer.close()
        await clients.pop().close()
        async with asyncio.timeout(60):
            while True:
                reader, writer = await asyncio.open_unix_connection(path)
                line = await reader.readline()
                writer.close()
                if b"hello" in line:
                    break
        await clients.pop().close()


async def test_sockets_of_dead_processes_are_cleaned_up_by_whoever_finds_them(folder: Path) -> None:
    paths.make_folder(folder)
    for name in ("1-dead.sock", "2-dead.sock"):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(folder / name))
    (folder / "note.sock").write_text("no socket: left alone")
    assert await discover() == ()
    assert [path.name for path in paths.sockets(folder)] == ["note.sock"]
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "3-dead.sock"))
    async with Router.from_text(FILE, env={}) as router:
        await router.complete("chat", "hi")
        await until(lambda: "3-dead.sock" not in os.listdir(folder))
        await until(lambda: len(paths.sockets(folder)) == 2)


def test_a_socket_ends_with_its_loop_and_with_its_router(folder: Path) -> None:
    """Without `aclose`, and without a warning."""

    async def use(*, keep: bool) -> Router | None:
        router = Router.from_text(FILE, env={})
        await router.complete("chat", "hi")
        await until(lambda: paths.sockets(folder))
        if keep:
            return router
        gone = weakref.ref(router)
        del router
        gc.collect()
        assert gone() is None
        await until(lambda: not paths.sockets(folder))
        return None

    router = asyncio.run(use(keep=True))
    assert paths.sockets(folder) == []
    assert router is not None
    asyncio.run(use(keep=False))
    assert paths.sockets(folder) == []


async def test_commands_act_and_say_what_they_did(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    async with Router.from_yaml(path, watch=False) as router:
        await router.complete("chat", "hi")
        await until(lambda: paths.sockets(paths.folder()))
        feed = await attach()
        lamp = {"open": "open", "close": "closed"}
        for action in ("open", "close", "reset"):
            assert (await feed.command(SetBreaker("a/x", action))).ok  # type: ignore[arg-type]  # a literal
            found = next(each for each in router.snapshot().targets if each.name == "a/x").health
            assert (found.state, found.by_hand) == (lamp.get(action, "closed"), action != "reset")
        assert (await feed.command(Drain("a"))).ok
        assert router.snapshot().providers[0].health.state == "drained"
        assert (await feed.command(Undrain("a"))).ok
        assert router.snapshot().providers[0].health.state == "closed"
        refused = await feed.command(Drain("nobody"))
        assert not refused.ok
        assert "nobody" in refused.message
        path.write_text(FILE.replace("x: 3", "x: 5"))
        done = await feed.command(Reload())
        assert done == Done(True, f"revision {router.revision}: chat: a/x 3→5")
        path.write_text(f"{FILE}models: {{unused: a/y}}\n".replace("x: 3", "x: 5"))
        assert (await feed.command(Reload())).ok
        [warning] = (await feed.config()).diagnostics  # of a file that runs
        assert (warning.severity, warning.path) == ("warning", "models.unused")
        path.write_text("providers: 7\n")
        rejected = await feed.command(Reload())
        assert not rejected.ok
        assert isinstance(await feed.command(ClearCache()), Done)
        assert (await feed.config()).diagnostics
        await feed.aclose()


async def test_a_prompt_runs_in_the_router_and_stops_with_its_reader() -> None:
    fake = FakeProvider.scripted(Reply("one two three"), Fail(ErrorCode.INVALID_REQUEST), Hang(), name="a")
    text = "providers: {a: {kind: fake}}\nroutes: {r: a/m}\n"
    async with watched(text, providers={"a": fake}):
        feed = await attach()
        *chunks, end = [event async for event in feed.prompt(Prompt("r", "hi"))]
        assert "".join(chunk.text for chunk in chunks if not isinstance(chunk, PromptEnd)) == "one two three"
        assert isinstance(end, PromptEnd)
        assert end.trace is not None
        [refused] = [event async for event in feed.prompt(Prompt("r", "hi"))]
        assert isinstance(refused, PromptEnd)
        assert refused.code == "invalid_request"
        async with aclosing(feed.prompt(Prompt("r", "hi"))) as events:
            asking = asyncio.ensure_future(anext(events))
            await until(lambda: len(fake.requests) == 3)
            asking.cancel()
            await asyncio.wait([asking])
        await until(lambda: fake.cancelled == 1)
        await feed.aclose()


async def test_events_reach_a_client() -> None:
    async with watched() as (router, _):
        feed = await attach()
        router.telemetry.publish(Event(1.0, "drain", "before"))
        async with asyncio.timeout(60), aclosing(feed.events()) as events:
            assert (await anext(events)).sentence == "before"
            router.telemetry.publish(Event(2.0, "drain", "after"))
            after = await anext(events)
            assert (after.sentence, after.pid) == ("after", os.getpid())
        await until(lambda: not router.telemetry.subscribers)
        await feed.aclose()


async def test_a_router_that_goes_away_shows_as_gone_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    router = Router.from_yaml(path, watch=False)
    await router.complete("chat", "hi")
    await until(lambda: paths.sockets(paths.folder()))
    feed = await attach()
    async with asyncio.timeout(60), aclosing(feed.snapshots(0.1)) as snapshots:
        assert (await anext(snapshots)).connected
        await router.aclose()
        async for snapshot in snapshots:
            if not snapshot.connected:
                break
        assert snapshot.figures.totals.calls == 1
        with pytest.raises(FeedLost):
            await feed.requests()
        async with Router.from_yaml(path, watch=False) as again:
            await again.complete("chat", "hi")
            await again.complete("chat", "hi")
            async for snapshot in snapshots:
                if snapshot.connected and snapshot.figures.totals.calls == 2:
                    break
            assert len(await feed.requests(RequestFilter(route="chat"))) == 2
    await feed.aclose()


WORKER = """
import asyncio, os, sys
from router import Router
from router.monitor.socket.paths import folder, sockets
from providers import FakeProvider

async def main(path, number):
    fakes = {name: FakeProvider.scripted(name=name) for name in "ab"}
    async with Router.from_yaml(path, providers=fakes, seed=number) as router:
        loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        await router.complete("chat", "hi")
        while not any(path.name.startswith(f"{os.getpid()}-") for path in sockets(folder())):
            await asyncio.sleep(0)
        print("ready", flush=True)
        while (line := await lines.readline()):
            for _ in range(int(line)):
                await router.complete("chat", "hi")
            print("done", flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


class Worker:
    """A process that makes as many requests as it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self.stdin, self.stdout = process.stdin, process.stdout

    async def told(self) -> bytes:
        async with asyncio.timeout(60):
            return await self.stdout.readline()

    async def ask(self, number: int) -> None:
        self.stdin.write(f"{number}\n".encode())
        assert await self.told() == b"done\n"


@asynccontextmanager
async def workers(path: Path, number: int) -> AsyncIterator[list[Worker]]:
    found = []
    for seed in range(number):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WORKER, str(path), str(seed)),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        found.append(Worker(process))
    try:
        for worker in found:
            assert await worker.told() == b"ready\n"
        yield found
    finally:
        for worker in found:
            if worker.process.returncode is None:
                worker.process.kill()
            await worker.process.wait()


@pytest.mark.slow
async def test_the_processes_of_one_app_are_one_router(tmp_path: Path) -> None:
    """Figures agree with the app's own counts to the request; a killed process is gone, its socket removed."""
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    async with workers(path, 3) as found:
        await asyncio.gather(*(worker.ask(100 * number) for number, worker in enumerate(found, 1)))
        feed = await attach()
        snapshot = await first(feed, lambda each: len(each.by_process) == 3)
        pids = [worker.process.pid for worker in found]
        assert snapshot.figures.totals.calls == snapshot.figures.totals.succeeded == 603
        assert {each.pid: each.totals.calls for each in snapshot.by_process} == dict(
            zip(pids, (101, 201, 301), strict=True)
        )
        assert sum(each.figures.totals.calls for each in snapshot.targets) == 603
        assert snapshot.figures.latency.count == 603
        assert snapshot.figures.latency.p50 is not None
        shares = {each.name: each.share for each in snapshot.targets}
        assert shares["a/x"] == pytest.approx(0.75, abs=0.01)
        assert snapshot.routes[0].flows["b/y"].share == pytest.approx(0.25, abs=0.01)
        assert {record.pid for record in await feed.requests(limit=1000)} == set(pids)
        record = (await feed.requests(limit=1))[0]
        assert (await feed.trace(record.id)) is not None
        done = await feed.command(SetBreaker("b/y", "open"))
        assert done.ok
        snapshot = await first(feed, lambda each: each.providers[1].targets[0].health.by_hand)
        assert snapshot.providers[1].targets[0].health.state == "open"
        found[0].process.kill()
        await found[0].process.wait()
        snapshot = await first(feed, lambda each: len(each.by_process) == 2)
        assert snapshot.figures.totals.calls == 502
        await discover()
        assert len(paths.sockets(paths.folder())) == 2
        await feed.aclose()


CLIENT = """
import asyncio
from router.monitor.socket.client import SocketFeed, discover

async def main():
    [running] = await discover()
    async for snapshot in SocketFeed(running).snapshots():
        print(snapshot.figures.totals.calls, flush=True)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_what_becomes_of_a_client_changes_nothing_for_the_app(tmp_path: Path) -> None:
    """Clients that are killed, stopped, or many: every request is answered and counted."""
    path = tmp_path / "routes.yaml"
    path.write_text(FILE)
    async with workers(path, 1) as [worker]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", CLIENT]
        start = partial(subprocess.Popen, command, env=environment, stdout=subprocess.PIPE)
        clients = [await asyncio.to_thread(start) for _ in range(3)]
        for client in clients:
            assert client.stdout is not None
            assert await asyncio.to_thread(client.stdout.readline) == b"1\n"
        clients[0].send_signal(signal.SIGKILL)
        clients[1].send_signal(signal.SIGSTOP)
        await worker.ask(500)
        for client in clients:
            client.kill()
            with client:  # closes its pipe, which nobody reads to the end, and waits
                pass
        feed = await attach()
        assert (await first(feed)).figures.totals.succeeded == 501
        await feed.aclose()


@pytest.mark.slow
def test_a_fork_has_a_socket_of_its_own_and_leaves_its_parents_alone(folder: Path) -> None:
    """As preforking servers do: the router is made before the fork, and used after it."""
    code = f"""
import asyncio, os, pathlib, sys
from router import Router
from router.monitor.socket.paths import sockets
router = Router.from_text({FILE!r}, env={{}})

async def use():
    await router.complete("chat", "hi")
    for _ in range(1000):
        mine = [p for p in sockets(pathlib.Path({str(folder)!r})) if p.name.startswith(f"{{os.getpid()}}-")]
        if mine: break
        await asyncio.sleep(0)
    assert mine, os.getpid()
    return mine[0]

children = []
for _ in range(2):
    pid = os.fork()
    if not pid:
        asyncio.run(use())
        os._exit(0)
    children.append(pid)

async def main():
    mine = await use()
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    assert mine.exists()
asyncio.run(main())
assert not sockets(pathlib.Path({str(folder)!r}))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment, timeout=60)
