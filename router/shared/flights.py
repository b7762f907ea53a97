"""The right to make a call, which one process of all machines has at a time: the others wait for its answer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from router.state.any_rate import PATIENCE

T = TypeVar("T")

_LASTS, _RENEWED = 10.0, 3.0  # seconds: of the right, and between two renewals
_FIRST_PAUSE, _LONGEST_PAUSE = 0.025, 0.4  # seconds between two looks
_AGAIN = 0.5  # seconds after which a right is given back anew, where the server did not hear of it
_IF_OURS = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end"


class _Held(NamedTuple):
    label: str  # of this right: what the server keeps
    renewed: float  # the loop's time
    timer: asyncio.TimerHandle  # of the next time


class Flights:
    """The rights that this process has.

    Args:
        send: sends a command and returns its reply in time, an exception where there is none.
    """

    def __init__(self, send: Callable[..., asyncio.Future[Any]]) -> None:
        self._send = send
        self._held: dict[str, _Held] = {}
        self._left = False

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
        held = self._held.pop(key, None)
        if held is not None:
            held.timer.cancel()
            if self._lasts(held.renewed):
                self._give_back(key, held.label, held.renewed + _LASTS)

    def release_all(self) -> None:
        """Give up all rights, at the end."""
        self._left = True
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
        loop, label = asyncio.get_running_loop(), secrets.token_urlsafe(9)
        answer: asyncio.Future[Any] = loop.create_future()

        def taken(reply: asyncio.Future[Any]) -> None:
            if isinstance(reply.result(), Exception):
                if is_asked:  # it may have said yes, and others would wait
                    self._give_back(key, label, loop.time() + _LASTS)
            elif reply.result():
                self._hold(key, label)
            if answer.done():  # who wanted it has gone
                self.release(key)
            else:
                answer.set_result(reply.result())

        sent = self._send("SET", key, label, "NX", "PX", str(int(1000 * _LASTS)))
        is_asked = not sent.done()  # a server that is away is not
        sent.add_done_callback(taken)
        return answer

    def _give_back(self, key: str, label: str, until: float) -> None:
        """Have the server let others have a right; until it has heard of that, or the right has ended by itself."""
        loop = asyncio.get_running_loop()

        def given(reply: asyncio.Future[Any]) -> None:
            if isinstance(reply.result(), Exception) and not self._left and loop.time() + _AGAIN < until:
                loop.call_later(_AGAIN, self._give_back, key, label, until)

        self._send("EVAL", _IF_OURS, "1", key, label).add_done_callback(given)

    @staticmethod
    def _lasts(renewed: float) -> bool:
        """Say whether a right is still this process's; a process that was held up may have lost it to another."""
        return asyncio.get_running_loop().time() - renewed < _LASTS

    def _hold(self, key: str, label: str) -> None:
        loop = asyncio.get_running_loop()
        self._held[key] = _Held(label, loop.time(), loop.call_later(_RENEWED, self._renew, key))

    def _renew(self, key: str) -> None:
        label, renewed, _ = self._held[key]
        if not self._lasts(renewed):
            del self._held[key]
            return

        def renewed_there(reply: asyncio.Future[Any]) -> None:
            if reply.result() is None and (held := self._held.pop(key, None)) is not None:  # it ended, or was lost
                held.timer.cancel()

        self._send("SET", key, label, "XX", "PX", str(int(1000 * _LASTS))).add_done_callback(renewed_there)
        self._hold(key, label)
