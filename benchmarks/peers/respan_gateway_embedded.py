"""respan-gateway's router in this process, without a socket of its own."""

from __future__ import annotations

import respan_gateway

from benchmarks.peers.http import Lines
from benchmarks.worker import Gap, Setup, serve

_PATH = "/v1/chat/completions"


class Respan:
    def __init__(self, gateway: respan_gateway.Gateway, setup: Setup) -> None:
        self._gateway = gateway
        self._messages = setup.messages

    async def call(self) -> str:
        answer = await self._gateway.arequest("POST", _PATH, json={"model": "chat", "messages": self._messages})
        return str(answer.json()["choices"][0]["message"]["content"])

    async def stream(self) -> str:
        return await self._streamed(Lines())

    async def tools(self) -> str:
        return await self._streamed(Lines(tools=True))

    async def _streamed(self, lines: Lines) -> str:
        asked = {"model": "chat", "messages": self._messages, "stream": True}
        async for data in self._gateway.astream("POST", _PATH, json=asked):
            lines.feed(data)
        return "".join(lines.found)

    async def aclose(self) -> None:
        await self._gateway.aclose()


async def open_peer(setup: Setup) -> Respan:
    if setup.bare or setup.vendor != "openai" or setup.cache or setup.targets > 1:
        raise Gap("not measured")
    names = [f"p{number}" for number in range(1 + setup.fallbacks)]
    providers = {
        name: {"formats": "openai-chat", "base_url": setup.url(number), "key": "k"} for number, name in enumerate(names)
    }
    routes = {"chat": {"to": [f"{name}/gpt-4o" for name in names], "tries": 1}}
    config = {"providers": providers, "routes": routes, "plugins": {"routing": {"listings": False}}}
    return Respan(respan_gateway.Gateway(config), setup)


if __name__ == "__main__":
    serve(open_peer)
