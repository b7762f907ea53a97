"""Cancelling a task at an await of one's choice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any


class AtAwait:
    """Awaits a coroutine and cancels the task at its await number `strike`.

    With `late` the cancellation comes when what was awaited is there, before the task has seen it.
    """

    def __init__(self, work: Coroutine[Any, Any, object], strike: int, *, late: bool) -> None:
        self._work = work
        self._strike = strike
        self._late = late
        self.awaits = 0

    def __await__(self) -> Generator[Any, Any, object]:
        steps = self._work.__await__()
        task = asyncio.current_task()
        assert task is not None
        try:
            awaited = steps.send(None)
            while True:
                self.awaits += 1
                if self.awaits == self._strike:
                    if self._late and awaited is not None:
                        awaited.add_done_callback(lambda _: task.cancel())
                    else:
                        task.cancel()
                try:
                    value = yield awaited
                except BaseException as error:
                    awaited = steps.throw(error)
                else:
                    awaited = steps.send(value)
        except StopIteration as end:
            return end.value


async def settled(work: Awaitable[object]) -> None:
    """In a task of its own, so that its end, of whatever kind, is seen from outside."""

    async def shell() -> object:
        return await work

    task = asyncio.ensure_future(shell())
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
