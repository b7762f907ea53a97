"""A webhook on loopback, which takes messages or fails as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.support.waiting import until


class Webhook:
    """What came. It answers each status in turn, then 200; None hangs up, a `slow` one never answers."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[dict[str, Any]] = []
        self.tries = 0
        self.statuses: list[int | None] = []
        self.headers: dict[str, str] = {}
        self.slow = False

    async def answer(self, request: web.Request) -> web.Response:
        self.tries += 1
        if self.slow:
            await asyncio.Event().wait()
        status = self.statuses.pop(0) if self.statuses else 200
        if status is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if status == 200:
            self.got.append(json.loads(await request.read()))
        return web.Response(status=status, headers=self.headers, text="as it was told")

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until this holds."""
        await until(holds)


@asynccontextmanager
async def webhook() -> AsyncIterator[Webhook]:
    hook = Webhook()
    app = web.Application()
    app.router.add_post("/{path:.*}", hook.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/services/SECRET-PATH"
        yield hook
    finally:
        await runner.cleanup()
