"""Cleaning up: what a cancellation must not cut short, and what ends with its owner."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Coroutine
from typing import Any


async def to_the_end(work: Coroutine[Any, Any, object]) -> bool:
    """Wait for something even when cancelled meanwhile; True when that happened, so that the caller can be cancelled
    then.
    """
    task, cancelled = asyncio.get_running_loop().create_task(work), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    return cancelled


def end_with(owner: object, task: asyncio.Task[None]) -> None:
    """Cancel a task when its owner is collected."""
    finalizer = weakref.finalize(owner, _cancel, task.get_loop(), task)
    finalizer.atexit = False
    # A task that has ended is let go of: what it raised may lead back to its owner, which would live for ever.
    task.add_done_callback(lambda _: finalizer.detach())


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)
