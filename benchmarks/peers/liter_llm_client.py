"""liter-llm: one interface over vendors in Rust, which routes nothing."""

from __future__ import annotations

from liter_llm import create_client
from liter_llm._internal_bindings import ChatCompletionRequest, Message

from benchmarks.answers import MODEL
from benchmarks.worker import Gap, Setup, serve


class LiterLLM:
    def __init__(self, setup: Setup) -> None:
        self._client = create_client(api_key="k", base_url=setup.url(), max_retries=0)
        self._setup = setup

    def _request(self) -> ChatCompletionRequest:
        messages = [Message.from_user({"content": each["content"]}) for each in self._setup.messages]
        return ChatCompletionRequest(model=f"openai/{MODEL}", messages=messages)

    async def call(self) -> str:
        answer = await self._client.chat(self._request())
        return str(answer.choices[0].message.content or "")

    async def stream(self) -> str:
        found = []
        async for chunk in self._client.chat_stream(self._request()):
            found += [choice.delta.content or "" for choice in chunk.choices]
        return "".join(found)

    async def tools(self) -> str:
        found = []
        async for chunk in self._client.chat_stream(self._request()):
            for choice in chunk.choices:
                found += [call.function.arguments or "" for call in choice.delta.tool_calls or ()]
        return "".join(found)


async def open_peer(setup: Setup) -> LiterLLM:
    if setup.vendor != "openai" or setup.fallbacks or setup.dead or setup.cache or setup.targets > 1 or setup.bare:
        raise Gap("it routes nothing")
    return LiterLLM(setup)


if __name__ == "__main__":
    serve(open_peer)
