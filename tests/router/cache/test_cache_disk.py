"""The cache's folder: shared, bounded, harmless whatever is put there, and no request fails because of it."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import diskcache
import pytest
from click.testing import CliRunner, Result

from providers import FakeProvider
from providers.fake import Fail, Reply
from providers.types import Usage
from router import ErrorCode, Router, SyncRouter
from router.cache.disk import Disk
from router.cli import group
from tests.support.hammering import hammer

NOON = 1_767_268_800.0


class Bomb:
    """Executes when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def opened(folder: Path, *steps: Reply | Fail, more: str = "", wall: float = NOON) -> tuple[Router, FakeProvider]:
    fake = FakeProvider.scripted(*(steps or (Reply("fine", usage=Usage(1, 2)),)), name="a")
    text = f"""
providers: {{a: {{kind: fake}}}}
routes: {{chat: {{targets: [a/m], cache: {{ttl: 1h{more}}}}}}}
cache: {{path: "{folder}", max_size: 10MB}}
"""
    return Router.from_text(text, env={}, providers={"a": fake}, wall_clock=lambda: wall), fake


async def ask(router: Router, prompt: str = "hi") -> str:
    return (await router.complete("chat", prompt)).trace.cache


async def test_it_survives_the_process_and_is_shared(tmp_path: Path) -> None:
    """Another router finds what this one stored; the folder is the user's alone."""
    folder = tmp_path / "answers"
    router, _ = opened(folder)
    async with router:
        assert await ask(router) == "stored"
        await router.cache.written()
        other, fake = opened(folder)
        async with other:
            assert await ask(other) == "hit"
            assert fake.requests == []
            assert (await other.cache.volume())[0] == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_what_is_cleared_is_gone_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from the memory of other processes, at their next look."""
    monkeypatch.setattr("router.cache.shared_level.LOOK_EVERY", 0.0)
    router, _ = opened(tmp_path)
    other, fake = opened(tmp_path)
    async with router, other:
        await ask(router)
        await router.cache.written()
        assert await ask(other) == "hit"
        await other.cache.written()
        assert await router.cache.clear(route="chat") == 1
        await ask(other)
        await other.cache.written()
        assert await ask(other) == "stored"
        assert len(fake.requests) == 1


async def test_a_large_answer_is_kept_whole(tmp_path: Path) -> None:
    router, _ = opened(tmp_path, Reply("x" * 900_000))
    async with router:
        assert await ask(router) == "stored"
        await router.cache.written()
    other, _ = opened(tmp_path, Reply("no"))
    async with other:
        reply = await other.complete("chat", "hi")
        assert (reply.text, reply.cached) == ("x" * 900_000, True)


async def test_it_is_bounded_in_bytes(tmp_path: Path) -> None:
    """What was stored longest ago goes."""
    disk = Disk(tmp_path, 1_000_000)
    for number in range(60):
        await disk.put(f"key {number}", bytes(50_000), 3600)
    entries, size = await disk.volume()
    assert entries < 30
    assert size < 1_500_000
    assert await disk.get("key 0") is None
    assert await disk.get("key 59") is not None
    await disk.aclose()


def _row(folder: Path, **columns: object) -> None:
    with closing(sqlite3.connect(folder / "cache.db")) as database, database:
        names = ", ".join(f"{name} = ?" for name in columns)
        database.execute(f"update Cache set {names}", tuple(columns.values()))


def pickled(folder: Path, flag: Path) -> None:
    _row(folder, mode=4, value=pickle.dumps(Bomb(flag)), filename=None)


def pickled_file(folder: Path, flag: Path) -> None:
    (folder / "aa" / "bb").mkdir(parents=True)
    (folder / "aa" / "bb" / f"{'c' * 28}.val").write_bytes(pickle.dumps(Bomb(flag)))
    _row(folder, mode=4, value=None, filename=f"aa/bb/{'c' * 28}.val")


def elsewhere(folder: Path, flag: Path) -> None:
    (folder.parent / "precious").write_text("keep me")
    _row(folder, mode=2, value=None, filename="../precious")


def text(folder: Path, flag: Path) -> None:
    _row(folder, mode=1, value="text", filename=None)


def truncated(folder: Path, flag: Path) -> None:
    with closing(sqlite3.connect(folder / "cache.db")) as database, database:
        database.execute("update Cache set value = substr(value, 1, 60)")


def foreign_version(folder: Path, flag: Path) -> None:
    _row(folder, mode=1, value=b'signalbox answer 999\n{"at": 1}', filename=None)


def garbage(folder: Path, flag: Path) -> None:
    _row(folder, mode=1, value=os.urandom(500), filename=None)


@pytest.mark.parametrize("plant", [pickled, pickled_file, elsewhere, text, truncated, foreign_version, garbage])
async def test_what_was_planted_is_a_miss_and_is_removed(tmp_path: Path, plant: Callable[[Path, Path], None]) -> None:
    """It executes nothing, touches no other file, and the next answer takes its place."""
    folder, flag = tmp_path / "answers", tmp_path / "executed"
    router, _ = opened(folder)
    async with router:
        await ask(router)
    await asyncio.to_thread(plant, folder, flag)
    other, fake = opened(folder)
    async with other:
        assert await ask(other) == "stored"
        assert len(fake.requests) == 1
    third, fake = opened(folder)
    async with third:
        assert await ask(third) == "hit"
    assert not flag.exists()
    assert plant is not elsewhere or (tmp_path / "precious").read_text() == "keep me"


async def test_a_planted_key_executes_nothing(tmp_path: Path) -> None:
    """Keys are unpickled by diskcache as well, when they are listed: here, by clearing."""
    folder, flag = tmp_path / "answers", tmp_path / "executed"
    router, _ = opened(folder)
    async with router:
        await ask(router)
        await router.cache.written()
        await asyncio.to_thread(_row, folder, key=pickle.dumps(Bomb(flag)), raw=0)
        await router.cache.clear()
        assert await router.cache.volume() == (0, pytest.approx(32_768, abs=200_000))
    assert not flag.exists()


def no_folder(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("a file")


def no_database(folder: Path) -> None:
    (folder / "cache.db").write_bytes(b"this is no database at all" * 500)


def a_folder_for_a_database(folder: Path) -> None:
    (folder / "cache.db").mkdir()


@pytest.mark.parametrize("harm", [no_folder, no_database, a_folder_for_a_database])
async def test_a_broken_disk_is_one_warning(
    tmp_path: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Requests go on, with the memory level; at most one event a minute says so."""
    folder = tmp_path / "answers"
    folder.mkdir()
    harm(folder)
    router, fake = opened(folder)
    with caplog.at_level(logging.WARNING, "signalbox.cache"):
        async with router:
            for number in range(5):
                assert await ask(router, f"prompt {number}") == "stored"
                await router.cache.written()
            assert await ask(router, "prompt 1") == "hit"
    assert len(fake.requests) == 5
    assert len(caplog.messages) == 1
    assert str(folder) in caplog.messages[0]


@pytest.mark.slow
async def test_a_locked_database_holds_nobody_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Reads go on beside a writer of another process; a write that finds no room is given up."""
    router, fake = opened(tmp_path)
    async with router:
        await ask(router)
        await router.cache.written()
        lock = sqlite3.connect(tmp_path / "cache.db", isolation_level=None)
        lock.execute("begin exclusive")
        try:
            assert await ask(router, "another") == "stored"
            assert await ask(router) == "hit"
            await router.cache.written()
        finally:
            lock.execute("rollback")
            lock.close()
    assert len(fake.requests) == 2
    assert len(caplog.messages) <= 1


async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What SQLite says then."""

    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(diskcache.Cache, "set", full)
    router, fake = opened(tmp_path)
    with caplog.at_level(logging.WARNING, "signalbox.cache"):
        async with router:
            for number in range(3):
                assert await ask(router, f"prompt {number}") == "stored"
                await router.cache.written()
            assert await ask(router, "prompt 2") == "hit"
    assert [message.partition(" for now: ")[2] for message in caplog.messages] == ["database or disk is full"]
    assert len(fake.requests) == 3


async def test_a_stale_answer_outlives_the_process(tmp_path: Path) -> None:
    """The vendor is down when the app comes back: the expired answer is on disk still."""
    router, _ = opened(tmp_path, more=", stale_if_error: 1d")
    async with router:
        await ask(router)
    later, _ = opened(tmp_path, Fail(ErrorCode.AUTHENTICATION), more=", stale_if_error: 1d", wall=NOON + 7200)
    async with later:
        reply = await later.complete("chat", "hi")
        assert (reply.text, reply.stale) == ("fine", True)


@pytest.mark.slow
def test_processes_hammer_one_folder(tmp_path: Path) -> None:
    """Four of them, one killed hard; `python -m benchmarks.cache_hammer` is the long run."""
    found = hammer(tmp_path, processes=4, killed=1, operations=120, seconds=None)
    assert found.wrong == []
    assert found.lost == []
    assert found.stuck == 0
    assert found.reads > 200


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(
        "providers: {a: {kind: fake}}\n"
        f'routes: {{chat: {{targets: [a/m], cache: {{ttl: 1h}}}}, plain: a/m}}\ncache: {{path: "{tmp_path}/answers"}}\n'
    )
    return path


def command(*words: str) -> Result:
    return CliRunner().invoke(group, words)


def test_the_command(file: Path) -> None:
    """`ask` twice, `cache stats`, `cache why`, `cache clear`."""
    for expected in ("cache: stored", "cache: hit"):
        asked = command("ask", "chat", "Hello", "-v", "-f", str(file))
        assert expected in asked.stderr
    assert "1 answer" in command("cache", "stats", "-f", str(file)).stdout
    prompt = file.with_name("prompt.txt")
    prompt.write_text("Hello")
    assert "is stored" in command("cache", "why", "chat", str(prompt), "-f", str(file)).stdout
    prompt.write_text("Hello?")
    missing = command("cache", "why", "chat", str(prompt), "-f", str(file)).stdout
    assert "is not stored" in missing
    assert "messages" in missing
    assert "keeps no answers" in command("cache", "why", "plain", str(prompt), "-f", str(file)).stdout
    assert "1 answer forgotten" in command("cache", "clear", "--route", "chat", "-f", str(file)).stdout
    assert "0 answers" in command("cache", "stats", "-f", str(file)).stdout
    wrong = command("cache", "clear", "--route", "chatt", "-f", str(file))
    assert wrong.exit_code == 1
    assert 'did you mean "chat"' in wrong.stderr


def test_without_a_loop(tmp_path: Path) -> None:
    """The blocking router has the same."""
    text = (
        "providers: {a: {kind: fake}}\nroutes: {chat: {targets: [a/m], cache: {ttl: 1h}}}\n"
        f'cache: {{path: "{tmp_path}"}}\n'
    )
    with SyncRouter.from_text(text, env={}) as router:
        assert [router.complete("chat", "hi").cached for _ in range(2)] == [False, True]
        with router.stream("chat", "hi", cache="refresh") as stream:
            assert "".join(chunk.text for chunk in stream) == "Hello from a."
        assert router.cache_stats.hits == 1
        assert router.clear_cache(route="chat") == 1


def test_explain_shows_the_key(file: Path) -> None:
    shown = command("explain", "chat", "-p", "Hello", "-f", str(file)).stdout
    assert "cache: 1h" in shown
    assert "key " in shown
