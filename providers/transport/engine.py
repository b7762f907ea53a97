"""What is alike in all that carries requests: how they fail, what their sockets do, how they give headers.

Both engines, aiohttp and a handed-in httpx transport, tell their failures by the exceptions here.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import ClassVar, Literal

from providers.errors import ErrorCode

# For `setsockopt`. A plain answer may take minutes in which nothing is sent, and the routers on the way forget silent
# connections (after 240 s and 350 s at two large clouds); a side that has vanished is noticed after two minutes.
KEEP_ALIVE: tuple[tuple[int, int, int], ...] = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (
            ("TCP_KEEPIDLE", 60),
            ("TCP_KEEPALIVE", 60),  # as macOS calls it
            ("TCP_KEEPINTVL", 15),
            ("TCP_KEEPCNT", 4),
        )
        if hasattr(socket, name)
    ),
)


class CarrierError(Exception):
    """What became of a request that got no answer, or not all of it; the text is for people."""

    code: ClassVar[ErrorCode] = ErrorCode.CONNECTION_FAILED
    phase: ClassVar[Literal["connect", "read"]] = "read"


class ConnectError(CarrierError):
    """There is no connection."""

    phase = "connect"


class ConnectTimeout(CarrierError):
    """There was no connection in time."""

    code = ErrorCode.TIMEOUT
    phase = "connect"


class ReadError(CarrierError):
    """The connection broke."""


class ReadTimeout(CarrierError):
    """There was no answer in time."""

    code = ErrorCode.TIMEOUT


class ProtocolError(CarrierError):
    """What came is no HTTP."""

    code = ErrorCode.PROTOCOL_ERROR


class ClientClosed(ReadError):
    """This client was closed meanwhile."""


class StaleConnection(ReadError):
    """A connection of the pool was closed just as it was used, before any byte of an answer (RFC 9112, 9.3.1)."""


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name; those that come twice are one, with commas between (RFC 9110, section 5.2)."""
    found: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
