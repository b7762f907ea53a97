"""The workers of one `signalbox serve` share limits over their parent, without a server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from providers.simulator import Simulator
from router import RouteExhausted, Router
from router.cli.check import command as check
from router.parent import NotServed
from tests.support.served import CHAT, question
from tests.support.served_process import Running, serving
from tests.support.waiting import until

linux = pytest.mark.skipif(sys.platform != "linux", reason="children are read from /proc")
FILE = """
providers:
  openai: {{kind: openai, base_url: "{url}", api_key: sk-0123456789abcdef, limits: {{requests: {limit}}}}}
routes: {{chat: {{targets: [openai/gpt-4o], retry: {{max_wait: 2s}}}}}}
"""
LOCAL = "shared: {url: local}\n"


def file(simulator: Simulator, limit: str, more: str = LOCAL) -> str:
    return FILE.format(url=simulator.base_url("openai"), limit=limit) + more


def children(running: Running) -> list[int]:
    pid = running.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def served(running: Running, count: int) -> int:
    """Ask so often, each on a connection of its own, which any worker may take."""
    answers = [await running.ask(CHAT, question()) for _ in range(count)]
    return sum(answer.status == 200 for answer in answers)


@linux
async def test_workers_have_one_limit_through_the_death_of_one(simulator: Simulator, tmp_path: Path) -> None:
    async with serving(tmp_path, file(simulator, "40/h"), "--workers", "2") as running:
        killed = children(running)[0]
        assert await served(running, 20) == 20
        os.kill(killed, signal.SIGKILL)
        await running.line(f"worker {killed} ended by signal 9")
        await until(lambda: len(children(running)) == 2)
        await running.until_ready()
        assert 15 <= await served(running, 40) <= 22  # what it used stays used, and what it had in hand is lost


@linux
async def test_it_comes_by_a_reload_and_outlives_a_parent_that_is_held_up(simulator: Simulator, tmp_path: Path) -> None:
    async with serving(tmp_path, file(simulator, "10/h", ""), "--workers", "3") as running:
        workers = children(running)
        assert await served(running, 60) > 15, "each has its own"
        (tmp_path / "routes.yaml").write_text(file(simulator, "600/min"))
        os.kill(running.process.pid, signal.SIGHUP)
        await running.line("shared added")
        async with asyncio.timeout(60):
            while await served(running, 20) < 20:  # the others may be behind
                pass
        os.kill(running.process.pid, signal.SIGSTOP)
        began = time.monotonic()
        while time.monotonic() - began < 2.5:  # leases end after 2 s
            answer = await running.ask(CHAT, question())
            assert answer.status == 200, answer
        os.kill(running.process.pid, signal.SIGCONT)
        assert await served(running, 20) == 20
        os.kill(running.process.pid, signal.SIGKILL)
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


async def test_one_process_keeps_its_limits_to_itself(monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> None:
    monkeypatch.setattr("router.parent.serves", True)
    async with Router.from_text(file(simulator, "10/h"), env={}) as router:
        for _ in range(10):
            await router.complete("chat", "hi")
        with pytest.raises(RouteExhausted):
            await router.complete("chat", "hi")


def test_another_process_is_told_what_to_do(simulator: Simulator, tmp_path: Path) -> None:
    text = file(simulator, "10/h")
    with pytest.raises(NotServed, match="redis://localhost:6379/0"):
        Router.from_text(text, env={})
    path = tmp_path / "routes.yaml"
    path.write_text(text.replace(LOCAL, ""))

    async def reload() -> None:
        async with Router.from_yaml(path, env={}, watch=False) as router:
            path.write_text(text)
            result = await router.reload()
            assert not result.accepted
            assert "signalbox serve" in result.problem

    asyncio.run(reload())
    result = CliRunner().invoke(check, [str(path), "--online", "--json"], standalone_mode=False)
    assert result.return_value == 0
    assert "shared" not in json.loads(result.output)
