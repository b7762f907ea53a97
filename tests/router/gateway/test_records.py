"""What is kept and shown of requests, and that nobody waits for it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pty
import threading
from pathlib import Path

import pytest

from providers.errors import ErrorCode
from providers.fake import Fail, FakeProvider, Reply
from router.gateway.audit import Audit
from router.gateway.in_background import InBackground
from router.gateway.record import Record
from tests.support.command import environment, program
from tests.support.served import CHAT, FILE, ask, question, served


def record(ident: str) -> Record:
    return Record(0.0, ident, "POST", CHAT, "127.0.0.1", "tester")


def test_what_cant_be_written_in_time_is_dropped_and_counted() -> None:
    gate, taken = threading.Event(), threading.Event()
    written: list[tuple[list[str], int]] = []

    def write(records: object, dropped: int) -> int:
        taken.set()
        gate.wait()
        assert isinstance(records, list)
        written.append(([one.ident for one in records], dropped))
        return 0

    background = InBackground(write, waiting=2)
    background.note(record("0"))
    taken.wait()
    for number in range(1, 6):
        background.note(record(str(number)))
    gate.set()
    background.close()
    assert written == [(["0"], 0), (["1", "2"], 3)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
def test_a_full_disk_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit("/dev/full")
    with caplog.at_level(logging.WARNING, "signalbox.audit"):
        for number in range(3):
            audit.note(record(str(number)))
        audit.close()
    assert [entry.getMessage().partition(";")[0] for entry in caplog.records] == [
        "/dev/full can't be written: No space left on device"
    ]


def test_two_processes_may_write_the_same_audit(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    first, second = Audit(str(path)), Audit(str(path))
    for number in range(100):
        first.note(record(f"a{number}"))
        second.note(record(f"b{number}"))
    first.close()
    second.close()
    found = [json.loads(line)["request"] for line in path.read_text().splitlines()]
    assert sorted(found) == sorted([f"{who}{number}" for who in "ab" for number in range(100)])


async def test_an_observer_that_fails_fails_no_request(caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: Record) -> None:
        raise RuntimeError("no")

    async with served() as here:
        here.gateway.observers.append(fails)
        for stream in (False, True):
            assert (await ask(here.port, "POST", CHAT, question(stream=stream))).status == 200
    assert len(caplog.records) == 2


async def test_a_stream_that_breaks_has_its_status_and_its_code() -> None:
    provider = FakeProvider.scripted(Reply("some text", break_after=1), Fail(ErrorCode.AUTHENTICATION), name="fake")
    async with served(provider=provider) as here:
        seen: list[Record] = []
        here.gateway.observers.append(seen.append)
        for stream in (True, False):
            await ask(here.port, "POST", CHAT, question(stream=stream), user_agent="x" * 500)
        assert [(one.status, one.code) for one in seen] == [
            (200, "stream_interrupted"),
            (502, "authentication"),
        ]
        assert seen[1].attempts == 1
        assert (seen[0].first or 0) > 0
        assert len(seen[0].agent) < 200


async def test_a_terminal_shows_where_it_is_and_each_request(tmp_path: Path, port: int) -> None:
    (tmp_path / "routes.yaml").write_text(FILE)
    ours, theirs = pty.openpty()
    words = program("router.cli", "serve", "--listen", f"127.0.0.1:{port}")
    process = await asyncio.create_subprocess_exec(*words, cwd=tmp_path, env=environment(), stderr=theirs)
    os.close(theirs)
    said = b""

    def read() -> bytes:
        try:
            return os.read(ours, 65536)
        except OSError:  # what Linux says when the other end is closed
            return b""

    async def until(words: bytes) -> None:
        nonlocal said
        async with asyncio.timeout(60):
            while words not in said:
                more = await asyncio.to_thread(read)
                assert more, said
                said += more

    await until(b"Ctrl-C")
    assert f"http://127.0.0.1:{port}/v1".encode() in said
    assert f"signalbox dash {tmp_path.name}".encode() in said
    await ask(port, "POST", CHAT, question(messages=[{"role": "user", "content": "tell nobody"}]))
    await ask(port, "POST", CHAT, question(model="\x1b[2Jevil"))
    await until(b"model_not_found")
    assert "chat → fake/m".encode() in said
    assert b"10+5 tokens" in said
    assert b"nobody" not in said
    assert b"\x1b[2J" not in said
    process.terminate()
    assert await process.wait() == 0
    os.close(ours)
