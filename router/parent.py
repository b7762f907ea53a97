"""What a process of `signalbox serve` has of the one that started it."""

from __future__ import annotations

import socket

from providers.errors import SignalboxError

serves = False  # whether this is a process of `signalbox serve`
shares: socket.socket | None = None  # where its parent shares limits among its children


class NotServed(SignalboxError):
    """`shared.url` is `local`, and this is no process of `signalbox serve`."""

    def __init__(self) -> None:
        super().__init__(
            "shared.url: local is what the processes of one `signalbox serve` share; "
            "this is another process: share over a server, such as redis://localhost:6379/0, or leave `shared` out"
        )
