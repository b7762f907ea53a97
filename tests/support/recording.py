"""Records the first minute with Signalbox in a real shell and terminal: `make recording`.

It writes docs/recordings/first-minute.cast (the format of asciinema, version 2: a header, then [seconds, "o", output] a
line) and the picture of it, which moves (`tests.support.cast_svg`). What is typed is run, over simulated vendors; only
long waits are cut short.
"""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import pty
import random
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.request
from pathlib import Path

from tests.support.cast_svg import picture
from tests.support.paths import ROOT

FOLDER = ROOT / "docs" / "recordings"
NAME = "first-minute"
TITLE = "One file, and a fallback when a vendor fails"
COLUMNS, ROWS = 98, 24
_PORT = 8089
_LONGEST = 0.7  # seconds between two outputs
_PATIENCE = 60.0  # seconds that a command may take
_PROMPT = "\x1b[36m$\x1b[0m "
ROUTES = f"""\
providers:
  openai:    {{kind: openai, base_url: "http://127.0.0.1:{_PORT}/openai/v1", api_key: none}}
  anthropic: {{kind: anthropic, base_url: "http://127.0.0.1:{_PORT}/anthropic", api_key: none}}
routes:
  chat:
    targets: [openai/gpt-6-luna]
    fallbacks: [anthropic/claude-haiku-5-5]
"""
TYPED = (
    "cat routes.yaml",
    "signalbox check",
    'signalbox ask chat "Write a haiku about railways."',
    f"""curl -so /dev/null 127.0.0.1:{_PORT}/control/openai -d '{{"error_rate": 1, "error": "overloaded"}}'""",
    'signalbox ask chat "Write a haiku about railways." -v   # openai is down',
)


def record() -> str:
    """Run it all, and return the cast."""
    with tempfile.TemporaryDirectory(prefix="signalbox-recording-") as folder:
        home = Path(folder)
        (home / "routes.yaml").write_text(ROUTES)
        (home / "inputrc").write_text("set enable-bracketed-paste off\n")
        command = home / "bin" / "signalbox"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m router.cli "$@"\n')
        command.chmod(0o755)
        with subprocess.Popen(
            [sys.executable, "-m", "providers.simulator", "--port", str(_PORT)], cwd=ROOT, stdout=subprocess.PIPE
        ) as simulator:
            try:
                assert simulator.stdout is not None
                while b"control" not in simulator.stdout.readline():
                    pass
                for vendor in ("openai", "anthropic"):
                    _set(vendor, first_token=0.3, tokens_per_second=14)
                events = _Shell(home).events()
            finally:
                simulator.terminate()
    header = {"version": 2, "width": COLUMNS, "height": ROWS, "title": TITLE, "env": {"TERM": "xterm-256color"}}
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in (header, *events))


def _set(vendor: str, **knobs: float) -> None:
    urllib.request.urlopen(f"http://127.0.0.1:{_PORT}/control/{vendor}", json.dumps(knobs).encode()).close()


class _Shell:
    """A shell in a pseudo-terminal, what is typed into it, and what it shows."""

    def __init__(self, home: Path) -> None:
        self._rng = random.Random(7)
        self._events: list[tuple[float, str, str]] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._last, self._time = time.monotonic(), 0.0
        self._shown = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        env = {
            "PATH": f"{home / 'bin'}:{os.defpath}", "HOME": str(home), "PS1": r"\[\e[36m\]$\[\e[0m\] ",
            "TERM": "xterm-256color",
            "INPUTRC": str(home / "inputrc"), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8",
        }  # fmt: skip
        shell = ["bash", "--norc", "--noprofile", "-i"]
        self._process = subprocess.Popen(
            shell, stdin=slave, stdout=slave, stderr=slave, cwd=home, env=env, start_new_session=True
        )
        os.close(slave)

    def events(self) -> list[tuple[float, str, str]]:
        """Type everything, and return the outputs with their seconds."""
        self._until_prompt()
        self._events.clear()  # bash may say that it has no terminal of its own
        self._time = 0.0
        self._add(_PROMPT)
        for line in TYPED:
            self._pause(0.6)
            for key in line:
                os.write(self._master, key.encode())
                self._pause(self._rng.uniform(0.02, 0.07))
            self._shown = ""
            os.write(self._master, b"\r")
            self._until_prompt()
        os.close(self._master)
        self._process.wait()
        return self._events

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)

    def _until_prompt(self) -> None:
        end = time.monotonic() + _PATIENCE
        while not self._shown.endswith(f"\n{_PROMPT}") and self._shown != _PROMPT:
            if time.monotonic() > end:
                raise SystemExit(f"no prompt comes after\n{self._shown}")
            self._read(0.1)

    def _read(self, seconds: float) -> None:
        if select.select([self._master], [], [], seconds)[0]:
            self._add(self._decoder.decode(os.read(self._master, 65536)))

    def _add(self, text: str) -> None:
        now = time.monotonic()
        self._time += min(now - self._last, _LONGEST)
        self._last = now
        self._shown += text
        self._events.append((round(self._time, 3), "o", text))


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    cast = record()
    (FOLDER / f"{NAME}.cast").write_text(cast)
    (FOLDER / f"{NAME}.svg").write_text(picture(cast))
    sys.stdout.write(f"docs/recordings/{NAME}.cast, docs/recordings/{NAME}.svg\n")


if __name__ == "__main__":
    main()
