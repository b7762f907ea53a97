"""A program in a real terminal, as far as it can tell: a pseudo-terminal, and an emulator that knows what it shows."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence

import pyte

PATIENCE = 120.0  # seconds that something may take before it counts as stuck


class Terminal:
    """Runs a command.

    Args:
        command: the program and its arguments.
        size: (columns, rows).
        env: added to the environment.
        emulate: False leaves `text` empty, since an emulator in Python is slower than what is measured by it.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        size: tuple[int, int] = (120, 36),
        env: Mapping[str, str] | None = None,
        emulate: bool = True,
    ) -> None:
        columns, rows = size
        self._emulate = emulate
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.written = bytearray()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._slave = slave
        self._before = termios.tcgetattr(slave)
        known = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LINES": str(rows), "COLUMNS": str(columns)}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, **known, **(env or {})}
        )

    @property
    def text(self) -> str:
        """What it shows now."""
        return "\n".join(self._screen.display)

    @property
    def restored(self) -> bool:
        """Whether it is as it was: modes, cursor, and the screen that was there before."""
        out = bytes(self.written)
        left = all(out.rfind(b"\x1b[?%sl" % mode) > out.rfind(b"\x1b[?%sh" % mode) for mode in (b"1049", b"1000"))
        cursor = out.rfind(b"\x1b[?25h") > out.rfind(b"\x1b[?25l")
        return left and cursor and termios.tcgetattr(self._slave) == self._before

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, seen: Callable[[str], object], what: str) -> float:
        """Read until it shows this; gives the seconds that it took. Raises AssertionError where it never does."""
        began = time.monotonic()
        while not seen(self.text):
            if not self._read(began + PATIENCE - time.monotonic()):
                raise AssertionError(f"never seen: {what}; the screen is\n{self.text}")
        return time.monotonic() - began

    def answer(self, key: str, mark: str) -> float:
        """Press a key, and give the seconds until this text was drawn."""
        start, began = len(self.written), time.monotonic()
        self.send(key)
        while mark.encode() not in self.written[start:]:
            if not self._read(began + PATIENCE - time.monotonic()):
                raise AssertionError(f"{key} is never answered by {mark}")
        return time.monotonic() - began

    def until_end(self) -> int:
        """Read until the program has ended; gives its exit code."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            if not self._read(min(0.1, end - time.monotonic())) and time.monotonic() >= end:
                raise AssertionError(f"it does not end; the screen is\n{self.text}")
        while self._read(0):
            pass
        return self.process.returncode

    def rest(self, seconds: float) -> None:
        """Read for so long, as a terminal does."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, seconds))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # on Linux, when the other side is closed
            return False
        self.written += data
        if self._emulate:
            self._stream.feed(data)
        return bool(data)

    def hang_up(self) -> None:
        """The terminal is gone, as when its window is closed or the connection to it is lost."""
        if self._master >= 0:
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1

    def close(self) -> None:
        """Kill what still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()
