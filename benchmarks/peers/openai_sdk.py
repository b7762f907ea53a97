"""OpenAI's SDK."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI

from benchmarks.answers import MODEL
from benchmarks.worker import Gap, Setup, serve


class OpenAI:
    def __init__(self, setup: Setup) -> None:
        self._asked: Any = {"model": MODEL, "messages": setup.messages}
        self._client = AsyncOpenAI(base_url=setup.url(), api_key="k")

    async def call(self) -> str:
        answer = await self._client.chat.completions.create(**self._asked)
        return answer.choices[0].message.content or ""

    async def stream(self) -> str:
        found = []
        async for chunk in await self._client.chat.completions.create(**self._asked, stream=True):
            found += [choice.delta.content or "" for choice in chunk.choices]
        return "".join(found)

    async def tools(self) -> str:
        found = []
        async for chunk in await self._client.chat.completions.create(**self._asked, stream=True):
            for choice in chunk.choices:
                found += [call.function.arguments or "" for call in choice.delta.tool_calls or ()]
        return "".join(found)


async def open_peer(setup: Setup) -> OpenAI:
    if setup.vendor != "openai" or setup.fallbacks or setup.dead or setup.cache or setup.targets > 1 or setup.bare:
        raise Gap("one vendor's SDK")
    return OpenAI(setup)


if __name__ == "__main__":
    serve(open_peer)
