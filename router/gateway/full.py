"""Connections that are too many: each is told so, and closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from router.gateway.unreadable import last_words

_GOODBYE = 1.0  # seconds in which a client has to read it


class Full(asyncio.Protocol):
    """Speaks on a connection too many.

    Args:
        counted: told of one that is being answered, +1, and that it is gone, -1; None closes it without a word.
    """

    def __init__(self, counted: Callable[[int], None] | None) -> None:
        self._counted = counted
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        if self._counted is None:
            transport.abort()
            return
        self._counted(+1)
        transport.write(last_words(503, "too many connections are open here", b"retry-after: 1\r\n"))
        if transport.can_write_eof():
            transport.write_eof()  # closing at once would take the answer back while the client still sends
        self._timer = asyncio.get_running_loop().call_later(_GOODBYE, transport.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._counted is not None:
            self._counted(-1)
        if self._timer is not None:
            self._timer.cancel()
