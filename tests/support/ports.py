"""Ports of loopback."""

from __future__ import annotations

import socket
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_HELD = deque[socket.socket]()
_MOST = 100  # ports that are held: no test has as many


def free_port() -> int:
    """Return a port that nobody listens at: nobody else is given it, until many more have been asked for."""
    held = _bound()
    _HELD.append(held)
    if len(_HELD) > _MOST:
        _HELD.popleft().close()
    port: int = held.getsockname()[1]
    if sys.platform != "linux":
        held.close()
    return port


@contextmanager
def held_port() -> Iterator[int]:
    """A port that nobody listens at, for a server that is yet to be started: nobody else is given it meanwhile."""
    with _bound() as held:
        port: int = held.getsockname()[1]
        if sys.platform != "linux":  # elsewhere a port is bound to once
            held.close()
        yield port


def _bound() -> socket.socket:
    """A port is bound to, and is not listened at: a server that reuses addresses may do so."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", 0))
    return one
