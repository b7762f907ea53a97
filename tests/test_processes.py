"""What docs/processes.md shows works as it stands: the real servers, pools and kernels run its files."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from queue import Empty
from typing import Any

import aiohttp
import pytest

from tests.support.pages import blocks
from tests.support.paths import ROOT
from tests.support.prompted_server import prompted
from tests.support.scripts import run

pytestmark = pytest.mark.slow

PATIENCE = 120.0  # seconds; a server that hangs takes as long
FILES = {
    match[1]: source
    for place, source in blocks("python")
    if place.startswith("processes.md") and (match := re.match(r"# ([\w ]+(?:\.py)?)", source))
}
CELERY = """
broker_url = "filesystem://"
broker_transport_options = {
    "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control", "polling_interval": 0.05
}
result_backend = "file://results"
broker_connection_retry_on_startup = True
"""


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """The page's files, and a routes.yaml for a vendor that answers with the number of the connection."""
    for name, source in FILES.items():
        (tmp_path / name).write_text(source)
    async with prompted() as (_, routes):
        (tmp_path / "routes.yaml").write_text(routes)
        yield tmp_path


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}.", "PYTHONUNBUFFERED": "1"}


@asynccontextmanager
async def running(folder: Path, *command: str) -> AsyncIterator[asyncio.StreamReader]:
    """A server, ended as service managers do; it has to end well, without a traceback. Gives what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *command,
        cwd=folder,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            said = (await process.stdout.read()).decode()
            assert await process.wait() == 0, said
        assert "Traceback" not in said
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def line_with(reader: asyncio.StreamReader, pattern: str) -> re.Match[str]:
    """Wait for a line; fails with all that was said where it does not come."""
    said = ""
    async with asyncio.timeout(PATIENCE):
        while line := (await reader.readline()).decode():
            said += line
            if found := re.search(pattern, line):
                return found
    raise AssertionError(said)


async def asked(url: str, times: int) -> list[str]:
    """What a server answers to so many requests at the same time."""
    async with aiohttp.ClientSession() as client:

        async def ask() -> str:
            while True:
                with suppress(aiohttp.ClientConnectorError):  # uvicorn says that it has started, and then listens
                    async with client.get(url, timeout=aiohttp.ClientTimeout(PATIENCE)) as answer:
                        return await answer.text()
                await asyncio.sleep(0.02)

        async with asyncio.timeout(PATIENCE):
            return await asyncio.gather(*(ask() for _ in range(times)))


UVICORN = "--worker-class=uvicorn_worker.UvicornWorker"


@pytest.mark.parametrize(
    "arguments",
    [
        ["wsgi:app"],
        ["--threads=4", "--preload", "wsgi:app"],
        [UVICORN, "--preload", "asgi:app"],
    ],
    ids=lambda arguments: " ".join(arguments),
)
async def test_gunicorn(folder: Path, arguments: list[str]) -> None:
    async with running(folder, "gunicorn", "--workers=2", "--bind=127.0.0.1:0", *arguments) as said:
        url = (await line_with(said, r"Listening at: (http://\S+)"))[1]
        answers = await asked(f"{url}/?hi", 8)
    assert all(re.fullmatch(r"connection \d+", answer) for answer in answers)


async def test_uvicorn_with_workers(folder: Path) -> None:
    async with running(folder, "uvicorn", "--workers=2", "--port=0", "asgi:app") as said:
        url = (await line_with(said, r"running on (http://\S+)"))[1]
        await line_with(said, "Application startup complete")  # only now it listens
        answers = await asked(f"{url}/?hi", 8)
    assert all(re.fullmatch(r"connection \d+", answer) for answer in answers)


async def test_celery_with_prefork(folder: Path) -> None:
    for name in ("queue", "control", "results"):
        (folder / name).mkdir()
    (folder / "celeryconfig.py").write_text(CELERY)
    client = "from tasks import ask\nfor _ in range(4): print(ask.delay('hi').get(timeout=120, interval=0.05))\n"
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    worker = ("celery", "-A", "tasks", "worker", "--pool=prefork", "--concurrency=2", "--loglevel=INFO", *quiet)
    async with running(folder, *worker) as said:
        await line_with(said, r"ready\.")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", client), cwd=folder, env=environment(), stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(PATIENCE):
            answers, _ = await process.communicate()
    assert re.fullmatch(r"(connection \d+\n){4}", answers.decode())


@pytest.mark.parametrize("name", ["forked.py", "spawned.py", "pooled.py", "threads.py"])
async def test_pools(folder: Path, name: str) -> None:
    printed = (await run(folder / name, folder=folder)).splitlines()
    assert len(printed) == {"forked.py": 3, "threads.py": 3}.get(name, 2)
    assert all(line.startswith("connection ") for line in printed)


@pytest.fixture
def kernel(folder: Path) -> Iterator[Any]:
    manager = pytest.importorskip("jupyter_client").KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder), env=environment())
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def printed_by(client: Any, cell: str) -> str:
    """Run a cell to its end; returns what it printed, errors included."""
    client.execute(cell)
    printed = ""
    while True:
        try:
            message = client.get_iopub_msg(timeout=PATIENCE)
        except Empty:
            raise AssertionError(f"the cell hangs: {cell}") from None
        content = message["content"]
        if message["msg_type"] == "stream":
            printed += content["text"]
        elif message["msg_type"] == "error":
            printed += "\n".join(content["traceback"])
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            return printed


async def test_a_notebook(kernel: Any) -> None:
    """Blocking and awaiting cells, one after the other, and again."""
    again = "print((await quick.complete('chat', 'hi')).text)\nprint(router.complete('chat', 'hi').text)"
    cells = [FILES["cell"], FILES["async cell"], again]
    printed = [await asyncio.to_thread(printed_by, kernel, cell) for cell in cells]
    assert printed == ["connection 1\n", "connection 2\n", "connection 2\nconnection 1\n"]


def test_every_file_of_the_page_is_run() -> None:
    """A new example needs a test here."""
    tested = {"wsgi.py", "asgi.py", "tasks.py", "forked.py", "spawned.py", "pooled.py", "threads.py"}
    assert FILES.keys() == tested | {"cell", "async cell"}
