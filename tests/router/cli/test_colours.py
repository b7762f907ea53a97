"""Colours where a terminal is, and as NO_COLOR and FORCE_COLOR say."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from pathlib import Path

import pytest

from tests.support.command import environment

BAD = "providers: {a: {kind: openia}}\nroutes: {chat: a/m}\n"


async def check(folder: Path, *, terminal: bool, args: tuple[str, ...] = ("check",), **env: str) -> str:
    """What the command writes to stderr."""
    (folder / "routes.yaml").write_text(BAD)
    leader, follower = pty.openpty() if terminal else os.pipe()
    clean = {name: value for name, value in environment().items() if name not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "router.cli", *args),
        cwd=folder,
        env=clean | {"TERM": "xterm"} | env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    seen = await asyncio.to_thread(_read_all, leader)
    await process.wait()
    return seen


def _read_all(leader: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # a terminal whose other side is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(leader)
    return b"".join(parts).decode().replace("\r\n", "\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("terminal", "env", "coloured"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"NO_COLOR": ""}, True),
    ],
)
async def test_errors_are_coloured_on_a_terminal(
    tmp_path: Path, terminal: bool, env: dict[str, str], coloured: bool
) -> None:
    """The place, the path and the caret; the words are the same in both."""
    seen = await check(tmp_path, terminal=terminal, **env)
    assert ("\x1b[" in seen) is coloured
    if coloured:
        assert "\x1b[1mroutes.yaml:1:23:\x1b[0m \x1b[31mproviders.a.kind:\x1b[0m no provider kind" in seen
        assert "^\x1b[0m" in seen
    else:
        assert "routes.yaml:1:23: providers.a.kind: no provider kind" in seen


@pytest.mark.slow
async def test_help_has_bold_headings_on_a_terminal_alone(tmp_path: Path) -> None:
    assert "\x1b[1mOptions\x1b[0m" in await check(tmp_path, terminal=True, args=("check", "--help"))
    assert "\x1b[" not in await check(tmp_path, terminal=False, args=("check", "--help"))
