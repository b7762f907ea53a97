"""langchain: a chat model with fallbacks."""

from __future__ import annotations

from langchain_openai import ChatOpenAI

from benchmarks.answers import MODEL
from benchmarks.worker import Gap, Setup, serve


class Langchain:
    def __init__(self, setup: Setup) -> None:
        self._prompt = setup.prompt
        first, *others = [
            ChatOpenAI(model=MODEL, base_url=setup.url(number), api_key="k", max_retries=0)
            for number in range(1 + max(1, setup.fallbacks))
        ]
        self._model = first.with_fallbacks(others)

    async def call(self) -> str:
        return str((await self._model.ainvoke(self._prompt)).content)

    async def stream(self) -> str:
        return "".join([str(chunk.content) async for chunk in self._model.astream(self._prompt)])


async def open_peer(setup: Setup) -> Langchain:
    if setup.bare or setup.vendor != "openai" or setup.cache or setup.targets > 1:
        raise Gap("not measured")
    return Langchain(setup)


if __name__ == "__main__":
    serve(open_peer)
