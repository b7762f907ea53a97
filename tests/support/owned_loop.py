"""An event loop whose threads do their work, and hand over what came of it, when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

from router.testing import VirtualTimeLoop


class OwnedLoop(VirtualTimeLoop):
    """Virtual time; `steps` are what threads could do next, each a call. An executor with one thread does one work
    after the other, as a real one does; the default one has a thread for each.

    `at_once` lets threads take no time, as in `VirtualTimeLoop`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at_once = False
        self._undone: dict[object, list[Callable[[], None]]] = {}

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [partial(self._step, thread) for thread, steps in self._undone.items() if steps]

    def _step(self, thread: object) -> None:
        self._undone[thread].pop(0)()

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        done = super().run_in_executor if self.at_once else self._later
        return done(executor, func, *args)

    def _later(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        landed: asyncio.Future[Any] = self.create_future()
        outcome: list[asyncio.Future[Any]] = []

        def work() -> None:
            outcome.append(super(OwnedLoop, self).run_in_executor(executor, func, *args))

        def land() -> None:
            if landed.done():
                outcome[0].exception()  # whoever waited has gone
            elif (error := outcome[0].exception()) is not None:
                landed.set_exception(error)
            else:
                landed.set_result(outcome[0].result())

        self._undone.setdefault(executor or object(), []).extend((work, land))
        return landed
