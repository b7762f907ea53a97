"""Listening at several addresses as one server."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from router.config.listen import Address
from router.gateway.connection import Connections
from router.gateway.handshakes import Handshakes
from router.gateway.listening import BACKLOG, address_of, listen, remove

_TURNS = 4  # of the loop, until a connection that was taken is known here


class Server:
    """Listens, until it is told to stop.

    Args:
        connections: makes the protocol of each connection, see `http.server_of`.
        addresses: where it listens.
        shared: other processes of the same gateway listen there as well.
        sockets: that listen already, besides; they may be others' as well.
        tls: None speaks plain HTTP.
    """

    def __init__(
        self,
        connections: Connections,
        addresses: Sequence[Address],
        *,
        shared: bool = False,
        sockets: Sequence[socket.socket] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._wanted = addresses
        self._shared = shared
        self._inherited = sockets
        self._tls = tls
        self._connections = connections
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server | Handshakes] = []
        self._paths: list[str] = []  # of its own sockets

    @property
    def addresses(self) -> list[Address]:
        """Where it listens, with the real ports."""
        return [address_of(one) for one in self._sockets]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return self._connections.count

    async def start(self) -> None:
        """Listen.

        Raises:
            CannotListen: an address can't be had; none is listened to then.
        """
        self._sockets = listen(self._wanted, shared=self._shared)
        self._paths = [address.path for address in self.addresses if address.path is not None]
        self._sockets += self._inherited
        for one in self._sockets:
            self._servers.append(await self._listening(one))

    async def _listening(self, one: socket.socket) -> asyncio.Server | Handshakes:
        loop = asyncio.get_running_loop()
        more: dict[str, Any]
        if one.family == getattr(socket, "AF_UNIX", None):
            # Others may still use it.
            more = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
            return await loop.create_unix_server(self._connections, sock=one, backlog=BACKLOG, **more)
        if self._tls is not None:
            return Handshakes(one, self._tls, self._connections, lambda: self._connections.room)
        return await loop.create_server(self._connections, sock=one, backlog=BACKLOG)

    def announce_end(self) -> None:
        """Have every answer end its connection from now on."""
        self._connections.is_closing = True

    async def stop(self, seconds: float = 0.0) -> None:
        """Take no more connections, and close those that no request is on; wait so long for the others to end."""
        self.announce_end()
        await self._take_the_last()
        for server in self._servers:
            server.close()
        remove(self._paths)
        self._connections.close_idle()
        await self._connections.until_closed(seconds)

    async def _take_the_last(self) -> None:
        """Take the connections that wait to be taken. asyncio loses those that it takes just before it stops listening
        (until Python 3.12 it even leaks them): so it stops taking some turns before.
        """
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        for one in self._sockets:
            with suppress(NotImplementedError, OSError, ValueError):  # other loops; a socket that is closed already
                loop.remove_reader(one)
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def abort(self) -> None:
        """Close all connections, whatever they are at."""
        for server in self._servers:
            if isinstance(server, Handshakes):
                server.abort()
        self._connections.abort()
