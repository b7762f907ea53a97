"""Clients that end their side of a connection when they have asked, and wait for the answer still.

To the system that looks as a client that has left. What tells them apart is what becomes of something that is sent: to
a client that left it is sent back as a reset. So an interim answer is sent, `100 Continue`, which clients pass over
when they have not asked for it (RFC 9110, section 15.2.1).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_EVERY = 0.02  # seconds between two looks
_AGAIN = 50  # looks, after which it is sent again: the client may have left meanwhile


class HalfClosed:
    """Looks for the reset of a client that has left, until it is told to stop.

    Args:
        may_send: says whether nothing of an answer was sent.
        left: called once, when the client has left.
    """

    def __init__(self, transport: asyncio.Transport, may_send: Callable[[], bool], left: Callable[[], None]) -> None:
        self._transport = transport
        self._may_send = may_send
        self._left = left
        self._loop = asyncio.get_running_loop()
        self._looks = 0
        transport.write(CONTINUE)
        self._timer: asyncio.Handle = self._loop.call_soon(self._look)

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if self._transport.is_closing():
            return  # when the rest of the answer is sent
        if _has_failed(self._transport):  # nothing comes any more, so that the loop does not look
            self._left()
            return
        self._looks += 1
        if self._looks % _AGAIN == 0 and self._may_send():
            self._transport.write(CONTINUE)
        self._timer = self._loop.call_later(_EVERY, self._look)


def _has_failed(transport: asyncio.Transport) -> bool:
    with suppress(OSError):
        return bool(transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    return True
