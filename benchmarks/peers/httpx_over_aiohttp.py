"""The transport of httpx-aiohttp, called directly."""

from __future__ import annotations

import httpx
from aiohttp import ClientSession, TCPConnector
from httpx_aiohttp import AiohttpTransport

from benchmarks.peers.http import HEADERS, Lines, body, text_of, url_of
from benchmarks.worker import Setup, serve


class HttpxOverAiohttp:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._url = httpx.URL(url_of(setup))
        self._transport = AiohttpTransport(client=lambda: ClientSession(connector=TCPConnector(limit=0)))

    async def _ask(self, stream: bool) -> httpx.Response:
        request = httpx.Request("POST", self._url, headers=HEADERS, content=body(self._setup, stream))
        return await self._transport.handle_async_request(request)

    async def call(self) -> str:
        answer = await self._ask(False)
        try:
            return text_of(await answer.aread())
        finally:
            await answer.aclose()

    async def stream(self) -> str:
        lines = Lines()
        answer = await self._ask(True)
        try:
            async for data in answer.aiter_raw():
                lines.feed(data)
        finally:
            await answer.aclose()
        return "".join(lines.found)


async def open_peer(setup: Setup) -> HttpxOverAiohttp:
    return HttpxOverAiohttp(setup)


if __name__ == "__main__":
    serve(open_peer)
