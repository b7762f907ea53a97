"""aiohttp's client."""

from __future__ import annotations

import aiohttp

from benchmarks.peers.http import HEADERS, Lines, body, text_of, url_of
from benchmarks.worker import Setup, serve


class Aiohttp:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._url = url_of(setup)
        self._session = aiohttp.ClientSession(headers=HEADERS, connector=aiohttp.TCPConnector(limit=0))

    async def call(self) -> str:
        async with self._session.post(self._url, data=body(self._setup, False)) as answer:
            return text_of(await answer.read())

    async def stream(self) -> str:
        lines = Lines()
        async with self._session.post(self._url, data=body(self._setup, True)) as answer:
            async for data in answer.content.iter_any():
                lines.feed(data)
        return "".join(lines.found)


async def open_peer(setup: Setup) -> Aiohttp:
    return Aiohttp(setup)


if __name__ == "__main__":
    serve(open_peer)
