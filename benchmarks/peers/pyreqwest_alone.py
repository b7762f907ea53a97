"""pyreqwest: the Rust library reqwest from Python."""

from __future__ import annotations

from pyreqwest.client import ClientBuilder

from benchmarks.peers.http import HEADERS, Lines, body, text_of, url_of
from benchmarks.worker import Setup, serve


class Pyreqwest:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._url = url_of(setup)
        self._client = ClientBuilder().default_headers(HEADERS).build()

    async def call(self) -> str:
        answer = await self._client.post(self._url).body_bytes(body(self._setup, False)).build().send()
        return text_of(bytes(await answer.bytes()))

    async def stream(self) -> str:
        lines = Lines()
        async with self._client.post(self._url).body_bytes(body(self._setup, True)).build_streamed() as answer:
            while (data := await answer.body_reader.read_chunk()) is not None:
                lines.feed(bytes(data))
        return "".join(lines.found)


async def open_peer(setup: Setup) -> Pyreqwest:
    return Pyreqwest(setup)


if __name__ == "__main__":
    serve(open_peer)
