"""A loop over real sockets whose clock a test moves on: a deadline comes when the test says so, on any machine."""

from __future__ import annotations

import asyncio


class MovedClock:
    """The clock of the running loop, from now on."""

    def __init__(self) -> None:
        self._ahead = 0.0
        loop = asyncio.get_running_loop()
        real = loop.time
        loop.time = lambda: real() + self._ahead  # type: ignore[method-assign]  # the loop asks itself by this name

    def move_on(self, seconds: float) -> None:
        """Have all timers come that are due within so many seconds."""
        self._ahead += seconds
