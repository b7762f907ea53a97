"""The log of requests on disk: all of them, whole lines, bounded, and no request waits for it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from providers import ErrorCode, FakeProvider, ProviderError
from providers.fake import Fail, Reply
from router import Router
from router.plan.rules import LogRules
from router.request_log.lines import files_of, name_at
from router.request_log.reader import LogReader
from router.request_log.writer import RequestLog, prune

FILE = """
providers: {{a: {{kind: fake}}, b: {{kind: fake}}}}
routes: {{chat: {{targets: [a/x], fallbacks: [b/y]}}, gpt: chat}}
telemetry: {{{telemetry}}}
"""


def written(folder: Path, telemetry: str = "log: {path: logs}") -> Path:
    path = folder / "routes.yaml"
    path.write_text(FILE.format(telemetry=telemetry))
    return path


def router_of(path: Path, *script: Reply | Fail) -> Router:
    fakes = {"a": FakeProvider.scripted(*script or (Reply("of a"),), name="a"), "b": FakeProvider.scripted(name="b")}
    return Router.from_yaml(path, env={}, providers=fakes, monitor=False)


async def test_every_request_is_a_line_with_what_became_of_it(tmp_path: Path) -> None:
    busy, wrong = Fail(ErrorCode.OVERLOADED, "no room"), Fail(ErrorCode.INVALID_REQUEST, "bad")
    async with router_of(written(tmp_path), Reply("fine"), busy, wrong, Reply("streamed")) as router:
        await router.complete("gpt", "hi", caller="ann")
        await router.complete("chat", "hi")
        with pytest.raises(ProviderError):
            await router.complete("chat", "hi")
        async with router.stream("chat", "hi") as stream:
            _ = [chunk async for chunk in stream]
    plain, retried, failed, streamed = LogReader(tmp_path / "logs").lines()
    assert (plain.asked, plain.record.route, plain.record.target, plain.record.caller) == ("gpt", "chat", "a/x", "ann")
    assert (plain.record.input_tokens, plain.record.output_tokens, plain.record.code) == (10, 5, None)
    assert [(entry.target, getattr(entry, "code", None)) for entry in retried.trace.entries] == [
        ("a/x", "overloaded"),
        ("b/y", None),
    ]
    assert (failed.record.code, failed.record.attempts) == ("invalid_request", 1)
    assert streamed.record.streamed
    assert plain.trace.entries[0].target == "a/x"


async def test_prompts_are_in_it_only_where_they_are_captured(tmp_path: Path) -> None:
    async with router_of(written(tmp_path), Reply("the answer")) as router:
        await router.complete("chat", "the prompt")
    text = next((tmp_path / "logs").iterdir()).read_text()
    assert "the prompt" not in text
    assert "the answer" not in text
    async with router_of(written(tmp_path, "capture: full, log: {path: kept}"), Reply("the answer")) as router:
        await router.complete("chat", "the prompt")
    [line] = LogReader(tmp_path / "kept").lines()
    assert line.captured is not None
    assert "the prompt" in line.captured.prompt
    assert line.captured.answer == "the answer"


async def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    async with router_of(written(tmp_path)) as router:
        await router.complete("chat", "hi")
    [(_, file)] = files_of(tmp_path / "logs")
    assert file.stat().st_mode & 0o077 == 0
    assert (tmp_path / "logs").stat().st_mode & 0o077 == 0


async def test_an_edit_begins_moves_and_ends_it(tmp_path: Path) -> None:
    path = written(tmp_path, "capture: off")
    async with router_of(path) as router:
        for number, telemetry in enumerate(["log: {path: one}", "log: {path: two}", "capture: off"]):
            await router.complete("chat", f"before {number}")
            written(tmp_path, telemetry)
            assert (await router.reload()).accepted
        await router.complete("chat", "after")
    assert [len(list(LogReader(tmp_path / name).lines())) for name in ("one", "two")] == [1, 1]


async def test_a_log_that_cannot_be_written_fails_no_request_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs").write_text("a file in the place of the folder")
    with caplog.at_level(logging.WARNING, "signalbox.log"):
        async with router_of(written(tmp_path)) as router:
            await router.complete("chat", "hi")
            [log] = [each for each in router.telemetry.listeners if isinstance(each, RequestLog)]
            for _ in range(3):
                assert (await router.complete("chat", "hi")).text == "of a"
                await asyncio.to_thread(log.write)  # in the place of half a second
    assert len([record for record in caplog.records if "can't be written" in record.message]) == 1


def log_of(folder: Path, *, keep: float = 3600.0, max_size: int = 10_000_000, at: list[float]) -> RequestLog:
    router = Router.from_text(FILE.format(telemetry="capture: off"), env={}, monitor=False)
    return RequestLog(LogRules(folder, keep, max_size), router.telemetry, lambda: at[0])


def test_a_line_that_a_killed_process_began_costs_no_other(tmp_path: Path) -> None:
    at = [1_800_000_000.0]
    log = log_of(tmp_path, at=at)
    file = tmp_path / name_at(at[0])
    file.write_bytes(b'{"time":18000')
    log.append(b'{"time":1800000000,"id":"1","route":"r","seconds":1}\n')
    reader = LogReader(tmp_path)
    assert [line.record.id for line in reader.lines()] == ["1"]
    assert reader.unreadable == 1


def test_old_files_go_and_a_full_log_loses_the_oldest(tmp_path: Path) -> None:
    at = [1_800_000_000.0]
    log = log_of(tmp_path, keep=10 * 3600.0, max_size=1_000_000, at=at)
    line = b'{"time":1800000000,"id":"1","route":"r","seconds":1}\n'
    for _ in range(24):
        log.append(line * 1000)
        at[0] += 3600
    sizes = [path.stat().st_size for _, path in files_of(tmp_path)]
    assert sum(sizes) <= 1_000_000 + 1000 * len(line)
    assert 10 <= len(sizes) <= 13
    for _ in range(40):  # within an hour too
        log.append(line * 1000)
    assert sum(path.stat().st_size for _, path in files_of(tmp_path)) <= 1_000_000 + 2000 * len(line)


def test_what_is_nobodys_log_stays(tmp_path: Path) -> None:
    for name in ("notes.txt", "2026-99-99T99.jsonl", name_at(0.0)):
        (tmp_path / name).write_text("{}\n")
    prune(tmp_path, 1e9, 10**9, but="")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-99-99T99.jsonl", "notes.txt"]


APP = """
import asyncio, os, sys
from providers import FakeProvider
from router import Router

async def main():
    fakes = {name: FakeProvider.scripted(name=name) for name in "ab"}
    async with Router.from_yaml(sys.argv[1], env={}, providers=fakes, monitor=False) as router:
        for _ in range(int(sys.argv[2])):
            await asyncio.gather(*(router.complete("chat", "hi") for _ in range(10)))
        if sys.argv[3:]:
            print("asked", flush=True)
            await asyncio.sleep(600)

asyncio.run(main())
"""


def test_processes_write_whole_lines_into_one_folder(tmp_path: Path) -> None:
    path = written(tmp_path)
    command = [sys.executable, "-c", APP, str(path), "100"]
    running = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.getcwd()}) for _ in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    reader = LogReader(tmp_path / "logs")
    ids = [line.record.id for line in reader.lines()]
    assert (len(ids), len(set(ids)), reader.unreadable) == (3000, 3000, 0)


def test_who_is_killed_loses_a_second_at_most(tmp_path: Path) -> None:
    path = written(tmp_path)
    command = [sys.executable, "-c", APP, str(path), "1", "and wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}) as process:
        assert process.stdout is not None
        process.stdout.readline()
        reader = LogReader(tmp_path / "logs")
        while len(list(reader.lines())) < 10:  # as soon as it is written; the test's timeout bounds it
            pass
        process.kill()
    assert len(list(reader.lines())) == 10


def test_a_forked_child_has_a_log_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path)
    app = textwrap.dedent("""
        import asyncio, os, sys
        from providers import FakeProvider
        from router import SyncRouter

        fakes = {name: FakeProvider.scripted(name=name) for name in "ab"}
        router = SyncRouter.from_yaml(sys.argv[1], env={}, providers=fakes, monitor=False)
        router.complete("chat", "of the parent")
        child = os.fork()
        router.complete("chat", "of both")
        router.close()
        if child:
            os.waitpid(child, 0)
    """)
    subprocess.run([sys.executable, "-c", app, str(path)], check=True, env={**os.environ, "PYTHONPATH": os.getcwd()})
    ids = [line.record.id for line in LogReader(tmp_path / "logs").lines()]
    assert (len(ids), len(set(ids))) == (3, 3)


def test_a_line_is_json_that_others_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    subprocess.run(
        [sys.executable, "-c", APP, str(path), "1"], check=True, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    [(_, file)] = files_of(tmp_path / "logs")
    first = json.loads(file.read_text().splitlines()[0])
    assert (first["route"], first["target"], first["input_tokens"]) == ("chat", "a/x", 10)


@pytest.mark.parametrize(
    ("log", "told"),
    [("{max_size: 10KB}", "write max_size: 1MB or more"), ("{keep: 7}", "keep"), ("{pth: x}", 'no key is named "pth"')],
)
def test_a_wrong_key_is_told(log: str, told: str) -> None:
    from router.config import load_text

    found = load_text(FILE.format(telemetry=f"log: {log}"), env={}).diagnostics
    assert any(told in each.render() for each in found), found
