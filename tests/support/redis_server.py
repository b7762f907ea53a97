"""A real redis-server of a test's own; tests are skipped where there is none."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")

needs_redis = pytest.mark.skipif(PROGRAM is None, reason="there is no redis-server (apt-get install redis-server)")


class RedisServer:
    """A server, and what may happen to one.

    Args:
        folder: where it keeps its data, if it is told to.
        port: of loopback, held for it.
        keeps: whether its data lives through a restart.
    """

    def __init__(self, folder: Path, port: int, *, keeps: bool = False) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._folder = folder
        self._keeps = keeps
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert PROGRAM is not None
        keeping = ["--appendonly", "yes", "--appendfsync", "always"] if self._keeps else ["--save", ""]
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen([PROGRAM, *where, *keeping], stdout=subprocess.DEVNULL)
        while True:
            try:
                with self.client() as client:
                    client.ping()
                    return
            except RedisError:
                assert self._process.poll() is None, "redis-server has ended at once"
                time.sleep(0.01)

    def client(self) -> Redis:
        """Return a client of it."""
        return Redis(port=self.port, decode_responses=True)

    def freeze(self) -> None:
        """Stop it as it is; its sockets stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a chance to write anything."""
        self._process.kill()
        self._process.wait()
