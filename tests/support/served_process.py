"""`signalbox serve` as a user runs it, in a process of its own over the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from providers.simulator import Simulator
from tests.support.command import start
from tests.support.ports import held_port
from tests.support.served import Answer, ask

FILE = """
providers:
  openai: {{kind: openai, base_url: "{openai}", api_key: sk-0123456789abcdef}}
models:
  luna: {{provider: openai, id: gpt-4o, price: {{input: 1, output: 2}}}}
routes:
  chat: {{targets: [luna]}}
"""


def file_over(simulator: Simulator, more: str = "") -> str:
    return FILE.format(openai=simulator.base_url("openai")) + more


class Running:
    """The process. `port` is where it listens."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    async def until_ready(self) -> None:
        async with asyncio.timeout(60):
            while not await self.is_ready():
                assert self.process.returncode is None, await self.said()
                await asyncio.sleep(0.02)

    async def until_not_ready(self) -> None:
        """Wait until it takes no new requests, since it is about to end."""
        async with asyncio.timeout(60):
            while await self.is_ready():
                await asyncio.sleep(0.02)

    async def is_ready(self) -> bool:
        try:
            return (await ask(self.port, "GET", "/readyz")).status == 200
        except (OSError, IndexError):
            return False

    async def ask(self, path: str, body: bytes) -> Answer:
        return await ask(self.port, "POST", path, body)

    async def said(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()

    async def line(self, words: str) -> str:
        """Wait until it says a line with these words on stderr."""
        assert self.process.stderr is not None
        async with asyncio.timeout(60):
            while True:
                line = (await self.process.stderr.readline()).decode()
                assert line, f"it ended without saying {words}"
                if words in line:
                    return line

    async def ended(self) -> int:
        async with asyncio.timeout(60):
            return await self.process.wait()


@asynccontextmanager
async def serving(cwd: Path, text: str, *args: str, env: dict[str, str] | None = None) -> AsyncIterator[Running]:
    """Run it on a routes.yaml in a folder; `args` are further words of the command."""
    (cwd / "routes.yaml").write_text(text)
    with held_port() as port, pytest.MonkeyPatch.context() as patch:
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        words: Sequence[str] = ("serve", "--listen", f"127.0.0.1:{port}", *args)
        process = await start(words, cwd)
        running = Running(process, port)
        try:
            if "--workers" in args:  # one of them answers before the others listen
                await running.line("signalbox: serves")
            await running.until_ready()
            yield running
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
