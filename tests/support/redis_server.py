"""A real redis-server of a test's own, on a free port of loopback; tests are skipped where there is none.

The environment variable REDIS_SERVER names another program, such as valkey-server.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.support.certificates import Certificates
from tests.support.ports import free_port

PROGRAM = os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")

needs_redis = pytest.mark.skipif(PROGRAM is None, reason="there is no redis-server (apt-get install redis-server)")


def has_tls() -> bool:
    """Return whether the server knows TLS."""
    assert PROGRAM is not None
    words = ["--port", "0", "--tls-port", str(free_port())]
    return "tls-cert-file" in subprocess.run([PROGRAM, *words], capture_output=True, text=True).stdout  # it lacks that


def with_tls(certificates: Certificates) -> tuple[str, ...]:
    """Return the words of a command line by which a server has TLS, at the port that is the second of them."""
    if not has_tls():
        pytest.skip("this server has been built without TLS")
    files = (certificates.server, certificates.server_key, certificates.ca)
    words = zip(("--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file"), files, strict=True)
    return ("--tls-port", str(free_port()), "--tls-auth-clients", "no", *(word for pair in words for word in pair))


class RedisServer:
    """A server, and what may happen to one.

    Args:
        folder: where it keeps its data, if it is told to.
        keeps: whether its data lives through a restart.
        more: further words of its command line.
        password: that they say it has.
    """

    def __init__(self, folder: Path, *more: str, keeps: bool = False, password: str | None = None) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.folder = folder
        self._keeping = ["--appendonly", "yes", "--appendfsync", "always"] if keeps else ["--save", ""]
        self._keeping += ["--repl-diskless-sync-delay", "0"]  # a replica needs not wait for others
        if "--sentinel" in more:
            self._keeping = []  # it has no data
        self._more = more
        self._password = password
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.begin()
        self.until_ready()

    def begin(self) -> None:
        """Start it."""
        assert PROGRAM is not None
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        self._process = subprocess.Popen([PROGRAM, *self._more, *where, *self._keeping], stdout=subprocess.DEVNULL)

    def until_ready(self) -> None:
        """Wait until it answers."""
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
        return Redis(port=self.port, password=self._password, decode_responses=True)

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
