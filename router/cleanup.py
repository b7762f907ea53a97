"""Cleaning up that a cancellation must not cut short."""

from __future__ import annotations

import asyncio
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
