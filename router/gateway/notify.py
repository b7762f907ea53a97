"""Tells systemd how it goes (sd_notify(3)): a datagram to the socket that it names in the environment."""

from __future__ import annotations

import os
import socket
import time

_NAME = "NOTIFY_SOCKET"


def notify(*lines: str) -> None:
    """Send lines such as `READY=1`; does nothing where nobody listens."""
    name = os.environ.get(_NAME)
    if not name or not hasattr(socket, "AF_UNIX"):
        return
    address = "\0" + name[1:] if name.startswith("@") else name
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(address)
            sender.sendall("\n".join(lines).encode())
    except OSError:
        pass  # it is told for its convenience; nothing depends on it


def ready(status: str) -> None:
    notify("READY=1", f"STATUS={status}")


def reloading() -> None:
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    notify("STOPPING=1")
