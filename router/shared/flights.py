"""The right to make a call, which one process of all machines has at a time: the others wait for its answer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from router.state.any_rate import PATIENCE

T = TypeVar("T")

_LASTS, _RENEWED = 10.0, 3.0  # seconds: of the right, and between two renewals
_FIRST_PAUSE, _LONGEST_PAUSE = 0.025, 0.4  # seconds between two looks


class Flights:
    """The rights that this process has.

    Args:
        send: sends a command and returns its reply in time, an exception where there is none.
    """

    def __init__(self, send: Callable[..., asyncio.Future[Any]]) -> None:
        self._send = send
        self._label = secrets.token_urlsafe(9)
        self._held: dict[str, tuple[float, asyncio.TimerHandle]] = {}  # when it was renewed, and the next time

    async def turn(self, key: str, most: float, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """Wait for the right to make a call, or for another one's answer; None: make the call, and `release` then.

        Args:
            key: of the right.
            most: seconds to wait; then the call is made without the right.
            look: looks for an answer.
        """
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + most, _FIRST_PAUSE
        while True:
            (taken,) = await self._in_time([key])
            if isinstance(taken, Exception):  # the server is away: each machine is on its own
                return None
            found = await look()  # whoever had the right has stored its answer before it gave that up
            if taken or found is not None:
                if taken and found is not None:
                    self.release(key)
                return found
            left = until - loop.time()
            if left <= 0:
                return None
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def take(self, keys: Sequence[str]) -> list[str]:
        """Return those of the rights that nobody else has, without waiting for others; all while the server is away."""
        replies = await self._in_time(keys)
        return [key for key, taken in zip(keys, replies, strict=True) if taken or isinstance(taken, Exception)]

    def release(self, key: str) -> None:
        """Give up a right, if this process has it."""
        renewed, timer = self._held.pop(key, (0.0, None))
        if timer is not None:
            timer.cancel()
            if self._lasts(renewed):
                self._send("DEL", key)

    def release_all(self) -> None:
        """Give up all rights."""
        for key in tuple(self._held):
            self.release(key)

    async def _in_time(self, keys: Sequence[str]) -> list[object]:
        """Try to take rights; returns what the server said to each, an exception where it did not."""
        asked = {key: self._take(key) for key in keys}
        try:
            await asyncio.wait(asked.values(), timeout=PATIENCE)
        except asyncio.CancelledError:
            for key, future in asked.items():
                if future.done() and future.result():
                    self.release(key)
            raise
        finally:
            for future in asked.values():  # whose right is given back, should it come yet
                future.cancel()
        return [TimeoutError() if future.cancelled() else future.result() for future in asked.values()]

    def _take(self, key: str) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def taken(reply: asyncio.Future[Any]) -> None:
            if reply.result() and not isinstance(reply.result(), Exception):
                self._hold(key)
            if answer.done():  # who wanted it has gone
                self.release(key)
            else:
                answer.set_result(reply.result())

        self._send("SET", key, self._label, "NX", "PX", str(int(1000 * _LASTS))).add_done_callback(taken)
        return answer

    @staticmethod
    def _lasts(renewed: float) -> bool:
        """Say whether a right is still this process's; a process that was held up may have lost it to another."""
        return asyncio.get_running_loop().time() - renewed < _LASTS

    def _hold(self, key: str) -> None:
        loop = asyncio.get_running_loop()
        self._held[key] = loop.time(), loop.call_later(_RENEWED, self._renew, key)

    def _renew(self, key: str) -> None:
        renewed, _ = self._held[key]
        if not self._lasts(renewed):
            del self._held[key]
            return

        def renewed_there(reply: asyncio.Future[Any]) -> None:
            if reply.result() is None and (held := self._held.pop(key, None)) is not None:  # it ended, or was lost
                held[1].cancel()

        self._send("SET", key, self._label, "XX", "PX", str(int(1000 * _LASTS))).add_done_callback(renewed_there)
        self._hold(key)
