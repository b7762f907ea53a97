"""any-llm: one interface over vendors' SDKs, without fallbacks."""

from __future__ import annotations

from any_llm import AnyLLM

from benchmarks.answers import MODEL
from benchmarks.worker import Gap, Setup, serve


class AnyLLMClient:
    def __init__(self, setup: Setup) -> None:
        self._messages = setup.messages
        self._client = AnyLLM.create("openai", api_key="k", api_base=setup.url())

    async def call(self) -> str:
        answer = await self._client.acompletion(MODEL, self._messages)
        return answer.choices[0].message.content or ""

    async def stream(self) -> str:
        found = []
        async for chunk in await self._client.acompletion(MODEL, self._messages, stream=True):
            found += [choice.delta.content or "" for choice in chunk.choices]
        return "".join(found)


async def open_peer(setup: Setup) -> AnyLLMClient:
    if setup.fallbacks or setup.dead or setup.targets > 1 or setup.cache or setup.bare:
        raise Gap("it routes nothing")
    if setup.vendor != "openai":
        raise Gap("not measured")
    return AnyLLMClient(setup)


if __name__ == "__main__":
    serve(open_peer)
