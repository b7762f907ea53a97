"""httpx with its own pool: its client, its lines, and `json.loads` on each."""

from __future__ import annotations

import httpx

from benchmarks.peers.http import HEADERS, Lines, body, text_of, url_of
from benchmarks.worker import Setup, serve


class Httpx:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._url = url_of(setup)
        self._client = httpx.AsyncClient(headers=HEADERS, timeout=600, limits=httpx.Limits(max_connections=None))

    async def call(self) -> str:
        answer = await self._client.post(self._url, content=body(self._setup, False))
        return text_of(answer.content)

    async def stream(self) -> str:
        lines = Lines()
        async with self._client.stream("POST", self._url, content=body(self._setup, True)) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    lines.line(line)
        return "".join(lines.found)


async def open_peer(setup: Setup) -> Httpx:
    return Httpx(setup)


if __name__ == "__main__":
    serve(open_peer)
