"""Ours below the vendors: the HTTP client of a provider, and the least that reads its answer."""

from __future__ import annotations

from benchmarks.peers.http import Lines, body, text_of, url_of
from benchmarks.worker import Setup, serve
from providers import ProviderSettings
from providers.transport.http import HttpClient

_PATH = "/chat/completions"


class Carrier:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        settings = ProviderSettings(name="p0", kind="openai", base_url=url_of(setup).removesuffix(_PATH))
        self._client = HttpClient(settings, default_base_url="", headers={"authorization": "Bearer k"})

    async def call(self) -> str:
        answer = await self._client.open("POST", _PATH, body=body(self._setup, False))
        return text_of(await answer.read())

    async def stream(self) -> str:
        lines = Lines()
        answer = await self._client.open("POST", _PATH, body=body(self._setup, True))
        async for data in answer.chunks():
            lines.feed(data)
        answer.finish()
        return "".join(lines.found)

    async def aclose(self) -> None:
        await self._client.aclose()


async def open_peer(setup: Setup) -> Carrier:
    return Carrier(setup)


if __name__ == "__main__":
    serve(open_peer)
