"""aiohttp's client."""

from __future__ import annotations

import aiohttp

from benchmarks.peers.http import HEADERS, Lines, body, text_of, url_of
from benchmarks.worker import Setup, serve


class Aiohttp:
    def __init__(self, url: str) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(headers=HEADERS, connector=aiohttp.TCPConnector(limit=0))

    async def call(self) -> str:
        async with self._session.post(self._url, data=body(False)) as answer:
            return text_of(await answer.read())

    async def stream(self) -> str:
        lines = Lines()
        async with self._session.post(self._url, data=body(True)) as answer:
            async for data in answer.content.iter_any():
                lines.feed(data)
        return "".join(lines.found)


async def open_peer(setup: Setup) -> Aiohttp:
    return Aiohttp(url_of(setup))


if __name__ == "__main__":
    serve(open_peer)
