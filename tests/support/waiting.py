"""Waiting for what has no event of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that another thread brings about."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.002)  # not 0: what it waits for may need the processor
