"""The command as a user runs it: as a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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


async def signalbox(*args: str, cwd: Path, stdin: bytes | None = None) -> Run:
    process = await start(args, cwd, stdin=stdin is not None)
    out, err = await process.communicate(stdin)
    assert b"Traceback" not in err, err.decode()
    assert process.returncode is not None
    return Run(process.returncode, out.decode(), err.decode())
