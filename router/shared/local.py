"""The processes of one `signalbox serve` share over their parent (`shared.url: local`): messages to it, its replies.

A frame is the length of what follows in four bytes, and a pickled pair of the message's number on this socket and the
message, or of that number and the reply. Both ends are the same program, and nobody else has one of them.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from collections.abc import Iterator
from typing import Any

from router import parent
from router.shared.exchange import Message, Reply

_LENGTH = struct.Struct(">I")
_PIECE = 65_536  # bytes that are read at once


class Frames:
    """Puts together what arrives in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def read(self, piece: bytes) -> Iterator[Any]:
        """Return what has arrived whole."""
        self._buffer += piece
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            whole = pickle.loads(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield whole


def frame(number: int, what: Message | Reply | None) -> bytes:
    """Return what is sent."""
    data = pickle.dumps((number, what))
    return _LENGTH.pack(len(data)) + data


class LocalExchange:
    """A process's exchanges with its parent. The socket is the process's own for all its life."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._frames = Frames()
        self._number = 0
        self._one_at_a_time = asyncio.Lock()
        self._sending: asyncio.Task[None] | None = None

    async def open(self, message: Message) -> None:
        """It is open from the beginning."""

    async def send(self, message: Message) -> Reply:
        """Return the reply.

        Raises:
            OSError: the parent has gone. ValueError: it could not answer this.
        """
        loop = asyncio.get_running_loop()
        async with self._one_at_a_time:
            if self._sending is not None:
                await asyncio.wait([self._sending])  # whoever waited for it has given up; half a frame is not one
            self._number += 1
            self._sending = loop.create_task(loop.sock_sendall(self._socket, frame(self._number, message)))
            await asyncio.shield(self._sending)
            while True:
                piece = await loop.sock_recv(self._socket, _PIECE)
                if not piece:
                    raise ConnectionResetError("the parent has gone")
                for number, reply in self._frames.read(piece):
                    if number == self._number:  # else it came too late for whom it was for
                        if not isinstance(reply, Reply):
                            raise ValueError("the parent could not answer")
                        return reply

    async def aclose(self) -> None:
        """Leave the socket open: it can't be had again."""


_exchange: LocalExchange | None = None


def local_exchange() -> LocalExchange:
    """Return that of this process; `router.parent` has to have the socket."""
    global _exchange
    if _exchange is None:
        assert parent.shares is not None
        _exchange = LocalExchange(parent.shares)
    return _exchange
