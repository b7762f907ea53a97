"""Anthropic's SDK."""

from __future__ import annotations

from anthropic import AsyncAnthropic

from benchmarks.worker import Gap, Setup, serve

MODEL, MOST = "claude-haiku-4-5", 1024


class Anthropic:
    def __init__(self, setup: Setup) -> None:
        self._messages = setup.messages
        self._client = AsyncAnthropic(base_url=setup.url(), api_key="k")

    async def call(self) -> str:
        answer = await self._client.messages.create(model=MODEL, messages=self._messages, max_tokens=MOST)
        return "".join(block.text for block in answer.content if block.type == "text")

    async def stream(self) -> str:
        events = await self._client.messages.create(model=MODEL, messages=self._messages, max_tokens=MOST, stream=True)
        found = [
            event.delta.text
            async for event in events
            if event.type == "content_block_delta" and event.delta.type == "text_delta"
        ]
        return "".join(found)


async def open_peer(setup: Setup) -> Anthropic:
    if setup.vendor != "anthropic" or setup.fallbacks or setup.dead or setup.cache or setup.targets > 1 or setup.bare:
        raise Gap("one vendor's SDK")
    return Anthropic(setup)


if __name__ == "__main__":
    serve(open_peer)
