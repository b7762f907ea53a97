"""Several processes behind one address."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from providers.simulator import Simulator
from router.config.listen import Address
from router.gateway.listening import address_of, listen, reserve
from tests.support.command import signalbox
from tests.support.edits import save
from tests.support.served import CHAT, parsed, question, request
from tests.support.served_process import file_over, serving
from tests.support.vendors import held_answers
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are read from /proc")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_killed_worker_takes_only_its_own_requests_along(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = simulator.vendor("openai")
    vendor.set(fast=False)
    goes_on = held_answers(monkeypatch)
    async with serving(tmp_path, file_over(simulator), "--workers", "2") as running:
        parent = running.process.pid
        first, second = children(parent)
        streams = [asyncio.ensure_future(running.ask(CHAT, question(stream=True))) for _ in range(64)]
        await until(lambda: vendor.requests == 64)
        os.kill(first, signal.SIGKILL)
        await running.line(f"worker {first} ended by signal 9")
        await until(lambda: 0 < vendor.cancelled == sum(stream.done() for stream in streams))
        goes_on.set()
        answers = await asyncio.gather(*streams, return_exceptions=True)
        whole = [answer for answer in answers if not isinstance(answer, BaseException) and b"[DONE]" in answer.body]
        assert 0 < len(whole) == 64 - vendor.cancelled  # the other half was the other worker's
        vendor.set(fast=True)
        for _ in range(20):
            assert (await running.ask(CHAT, question())).status == 200
        await until(lambda: len(children(parent)) == 2)
        assert second in children(parent)


async def test_all_end_whole_with_their_parent(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = simulator.vendor("openai")
    vendor.set(fast=False)
    goes_on = held_answers(monkeypatch)
    async with serving(tmp_path, file_over(simulator), "--workers", "3") as running:
        workers = children(running.process.pid)
        streams = [asyncio.ensure_future(running.ask(CHAT, question(stream=True))) for _ in range(32)]
        await until(lambda: vendor.requests == 32)
        for pid in (*workers, running.process.pid):  # what Ctrl-C does at a terminal
            os.kill(pid, signal.SIGINT)
        await running.until_not_ready()
        goes_on.set()
        assert all(b"[DONE]" in answer.body for answer in await asyncio.gather(*streams))
        assert await running.ended() == 0
        assert not any(map(lives, workers))


async def test_workers_end_when_their_parent_is_killed(simulator: Simulator, tmp_path: Path) -> None:
    async with serving(tmp_path, file_over(simulator), "--workers", "2") as running:
        workers = children(running.process.pid)
        running.process.kill()
        await running.ended()
        await until(lambda: not any(map(lives, workers)))


async def test_a_second_signal_ends_all_at_once(simulator: Simulator, tmp_path: Path) -> None:
    simulator.vendor("openai").set(hang=True)
    async with serving(tmp_path, file_over(simulator, "serve: {drain: 10m}\n"), "--workers", "2") as running:
        workers = children(running.process.pid)
        asking = asyncio.ensure_future(running.ask(CHAT, question()))
        await until(lambda: simulator.vendor("openai").in_flight == 1)
        running.process.send_signal(signal.SIGTERM)
        await until(lambda: len(children(running.process.pid)) < 2)  # the idle one has ended
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended() == 143
        await until(lambda: not any(map(lives, workers)))
        asking.cancel()


async def test_they_are_one_app_to_those_who_watch(simulator: Simulator, tmp_path: Path) -> None:
    async with serving(tmp_path, file_over(simulator), "--workers", "2") as running:
        for _ in range(10):
            await running.ask(CHAT, question())
        status = await signalbox("status", tmp_path.name, cwd=tmp_path)
        assert "2 processes" in status.out
        assert "10 requests" in status.out
        running.process.send_signal(signal.SIGHUP)
        save(tmp_path / "routes.yaml", file_over(simulator).replace("chat:", "talk:"))
        assert "talk added" in await running.line("revision")
        await until_all(running.ask, "talk")


async def until_all(ask: object, model: str) -> None:
    """Wait until both workers know a route."""
    assert callable(ask)
    known = 0
    async with asyncio.timeout(60):
        while known < 20:
            known = known + 1 if (await ask(CHAT, question(model=model))).status == 200 else 0


def test_a_port_that_is_free_is_the_same_for_all() -> None:
    taken, held = reserve([Address("127.0.0.1", 0)])
    try:
        assert taken[0].port != 0
        one, other = listen(taken, shared=True), listen(taken, shared=True)
        assert {address_of(found) for found in (*one, *other)} == set(taken)
        for found in (*one, *other):
            found.close()
    finally:
        for found in held:
            found.close()


async def test_a_taken_port_is_told_by_the_parent(simulator: Simulator, tmp_path: Path) -> None:
    async with serving(tmp_path, file_over(simulator), "--workers", "2") as running:
        again = await signalbox("serve", "--listen", f"127.0.0.1:{running.port}", "--workers", "2", cwd=tmp_path)
        assert again.code == 3
        assert "another program has it" in again.err


async def test_they_share_a_unix_socket(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "sb"
    async with serving(tmp_path, file_over(simulator), "--workers", "2", "--listen", f"unix:{path}") as running:
        for _ in range(10):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(request("POST", CHAT, question()))
            assert parsed(await reader.read()).status == 200
            writer.close()
        os.kill(children(running.process.pid)[0], signal.SIGTERM)  # one that ends takes the socket from nobody
        await running.line("ended with code 0")
        assert path.is_socket()
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended() == 0
        assert not path.exists()
