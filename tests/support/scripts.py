"""Python programs of their own: what holds for a process from its start to its end is tested in one."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.support.paths import ROOT

_FORKED = "ignore:This process:DeprecationWarning"  # Python 3.12 warns of every fork beside threads
PATIENCE = 60.0  # seconds; a program that hangs takes as long


async def run(code: str | Path, *args: str, folder: Path | None = None, patience: float = PATIENCE) -> str:
    """Run a program, given as text or as a file, to its end; returns what it printed.

    Every warning is an error, and so is whatever it says on stderr.
    """
    program = [str(code)] if isinstance(code, Path) else ["-c", code]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-W", _FORKED, *program, *args),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(patience):
            out, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    ended = process.returncode, said.decode()
    assert ended == (0, ""), f"{ended[0]}\n{ended[1]}\n{out.decode()}"
    return out.decode()
