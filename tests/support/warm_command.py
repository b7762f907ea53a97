"""The command without Python's start and its imports, which are most of what it takes: a process that has them forks.

What comes of it is a process as any other, with a folder, an environment, streams and an exit status of its own. How
the command starts from nothing is what other tests see: those of docs/, of a terminal, of `init`, of completion.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.support.paths import ROOT

_STARTING = threading.Lock()


def run(
    args: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: IO[bytes], out: IO[bytes], err: IO[bytes]
) -> int:
    """Run `signalbox` with these words to its end; returns its exit status, negative for a signal."""
    said = json.dumps({"args": args, "cwd": str(cwd), "env": dict(env)}).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        with _STARTING:
            connection.connect(_forking())
        socket.send_fds(connection, [said], [stdin.fileno(), out.fileno(), err.fileno()])
        connection.shutdown(socket.SHUT_WR)
        return int(connection.recv(16))


@functools.cache
def _forking() -> str:
    """Start the process that forks, which ends with this one; returns the path of its socket."""
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "s")
    command = [sys.executable, "-m", "tests.support.warm_command", path]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()

    def end() -> None:
        process.communicate()
        shutil.rmtree(folder)

    atexit.register(end)
    return path


def _main(path: str) -> None:
    _import_all()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print(flush=True)
        while 0 not in select.select([0, listener], [], [])[0]:
            connection, _ = listener.accept()
            said, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
            while more := connection.recv(1 << 20):
                said += more
            if not os.fork():
                break
            for stream in streams:
                os.close(stream)
            connection.close()
        else:
            return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if child := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.send(str(status).encode())
        os._exit(0)
    connection.close()
    _be_the_command(streams, **json.loads(said))


def _import_all() -> None:
    import router.cache.disk
    import router.cli
    import tui.commands

    router.cache.disk.READ_WAIT = 60.0  # a busy machine is no slow disk

    for package in (router.cli, tui.commands):
        for module in pkgutil.iter_modules(package.__path__):
            if module.name != "__main__":
                importlib.import_module(f"{package.__name__}.{module.name}")


def _be_the_command(streams: Sequence[int], args: list[str], cwd: str, env: dict[str, Any]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[1:] = args
    sys.path[0] = ""
    runpy.run_module("router.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(sys.argv[1])
