"""Taking connections that begin with a TLS handshake, which counts against what a gateway may have open.

asyncio's own servers tell of a connection when its handshake is done, and have any number under way until then.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

log = logging.getLogger("signalbox.gateway")

HANDSHAKE = 10.0  # seconds
_AT_LEAST = 16  # that may be under way however many connections are open: one of those may have to go for a new one
RETRY = 1.0  # seconds until it is tried again, where the system has no file for another connection


class Handshakes:
    """Takes the connections of one listening socket.

    Where more handshakes are under way than there is room for, the one that has taken the longest has to go: clients
    that are in earnest need some milliseconds.

    Args:
        listening: the socket.
        context: the certificate that is shown.
        factory: makes the protocol of a connection whose handshake is done.
        room: says how many more connections there may be.
    """

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext,
        factory: Callable[[], Any],
        room: Callable[[], int],
    ) -> None:
        listening.setblocking(False)
        self._listening = listening
        self._context = context
        self._factory = factory
        self._room = room
        self._under_way: dict[asyncio.Task[None], None] = {}  # the one that began first is first
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Take no more connections; handshakes that have begun go on."""
        self._accepting.cancel()
        self._listening.close()

    def abort(self) -> None:
        """End the handshakes that are under way."""
        for task in tuple(self._under_way):
            task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listening)
            except ConnectionError:  # it went away while it waited
                continue
            except OSError as error:
                log.warning("no connection can be taken: %s; trying again", error.strerror or error)
                await asyncio.sleep(RETRY)
                continue
            while len(self._under_way) >= max(_AT_LEAST, self._room()):
                oldest = next(iter(self._under_way))
                del self._under_way[oldest]
                oldest.cancel()
            task = loop.create_task(self._shake_hands(connection))
            self._under_way[task] = None
            task.add_done_callback(lambda done: self._under_way.pop(done, None))
            await asyncio.sleep(0)  # it begins, and others have their turn

    async def _shake_hands(self, connection: socket.socket) -> None:
        with suppress(OSError):  # whoever was there spoke no TLS (ssl.SSLError), or none in time
            await asyncio.get_running_loop().connect_accepted_socket(
                self._factory, connection, ssl=self._context, ssl_handshake_timeout=HANDSHAKE
            )
