"""The parent of several workers lends them what they share: it answers their exchanges (`shared.url: local`)."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.shared.allocator import Allocator
    from router.shared.local import Frames

log = logging.getLogger("signalbox.gateway")

_PIECE = 65_536  # bytes that are read at once
_PATIENCE = 0.5  # seconds in which a worker has to take a reply


class Lender:
    """Answers over one socket for each worker. What that takes is imported when the first of them asks."""

    def __init__(self) -> None:
        self._ends: dict[socket.socket, Frames | None] = {}
        self._allocator: Allocator | None = None
        self._began = time.time() - time.monotonic()  # a clock that is not set

    @property
    def ends(self) -> Sequence[socket.socket]:
        """The sockets on which workers may ask."""
        return tuple(self._ends)

    def open(self) -> socket.socket:
        """Return the worker's end of a new socket."""
        here, there = socket.socketpair()
        here.settimeout(_PATIENCE)
        self._ends[here] = None
        return there

    def answer(self, end: socket.socket) -> None:
        """Answer what has arrived on a socket; one whose worker has gone is closed."""
        from router.shared.allocator import Allocator  # here: only those who share need it
        from router.shared.local import Frames, frame

        try:
            piece = end.recv(_PIECE)
            if not piece:
                raise ConnectionResetError
            frames = self._ends[end] = self._ends[end] or Frames()
            allocator = self._allocator = self._allocator or Allocator()
            for number, message in frames.read(piece):
                try:
                    reply = allocator.exchange(message, self._began + time.monotonic())
                except Exception:  # whatever it is: the others and their parent go on
                    log.exception("what a worker shares could not be answered")
                    reply = None
                end.sendall(frame(number, reply))
        except OSError:
            del self._ends[end]
            end.close()

    def close(self) -> None:
        """Close all sockets."""
        for end in self._ends:
            end.close()
