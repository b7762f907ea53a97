"""A server in a thread and a loop of its own, so that nothing of it is counted with who asks it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager


@contextmanager
def beside(serving: AbstractAsyncContextManager[str]) -> Iterator[str]:
    """Enter `serving` there; gives its URL."""
    ready, over = threading.Event(), threading.Event()
    urls: list[str] = []

    async def serve() -> None:
        async with serving as url:
            urls.append(url)
            ready.set()
            await asyncio.to_thread(over.wait)

    server = threading.Thread(target=asyncio.run, args=(serve(),))
    server.start()
    ready.wait()
    try:
        yield urls[0]
    finally:
        over.set()
        server.join()
