"""Work by small steps, so that the event loop is never held for long: a generator that yields between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import TypeVar

TURN = 0.001  # seconds of work after which others get their turn

T = TypeVar("T")


def at_once(steps: Generator[None, None, T]) -> T:
    """Do all steps; give the result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # typed by the generator


async def in_turns(steps: Generator[None, None, T]) -> T:
    """Do all steps, and let others go on whenever a few took about a millisecond; give the result."""
    began = time.perf_counter()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # typed by the generator
        if time.perf_counter() - began > TURN:
            await asyncio.sleep(0)
            began = time.perf_counter()
