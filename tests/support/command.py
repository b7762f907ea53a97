"""The command as a user runs it: as a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from tests.support import warm_command
from tests.support.paths import ROOT


class Run(NamedTuple):
    code: int
    out: str
    err: str


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_URL"))}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


# A child of what runs in the background ignores Ctrl-C, by the disposition that it inherits.
_HEARS_CTRL_C = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def program(module: str, *args: str) -> list[str]:
    """The words that run a module as `python -m` does, and end it by SIGINT wherever the tests run."""
    return [sys.executable, "-c", _HEARS_CTRL_C, module, *args]


async def start(args: Sequence[str], cwd: Path, *, stdin: bool = False) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *program("router.cli", *args),
        cwd=cwd,
        env=environment(),
        stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def signalbox(*args: str, cwd: Path, stdin: bytes = b"") -> Run:
    """Run the command to its end."""
    run = await asyncio.to_thread(ran, args, cwd, environment(), stdin)
    assert "Traceback" not in run.err, run.err
    return run


def ran(args: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: bytes = b"") -> Run:
    """Run the command to its end, out of a process that has imported it."""
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        code = warm_command.run(args, cwd, env, given, out, err)
        return Run(code, _written(out), _written(err))


def _written(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()
