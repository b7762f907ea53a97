"""pydantic-ai: a FallbackModel of OpenAI models, asked directly (an agent around it costs several times more)."""

from __future__ import annotations

from openai import AsyncOpenAI
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import ModelRequest, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.answers import MODEL
from benchmarks.worker import Gap, Setup, serve


class PydanticAI:
    def __init__(self, setup: Setup) -> None:
        self._prompt = setup.prompt
        self._model = FallbackModel(
            *(
                OpenAIChatModel(
                    MODEL,
                    provider=OpenAIProvider(
                        # The fallback is wanted at once, not after the SDK's own tries.
                        openai_client=AsyncOpenAI(base_url=setup.url(number), api_key="k", max_retries=0)
                    ),
                )
                for number in range(1 + max(1, setup.fallbacks))
            )
        )

    async def call(self) -> str:
        answer = await model_request(self._model, [ModelRequest.user_text_prompt(self._prompt)])
        return "".join(part.content for part in answer.parts if isinstance(part, TextPart))

    async def stream(self) -> str:
        found = []
        async with model_request_stream(self._model, [ModelRequest.user_text_prompt(self._prompt)]) as events:
            async for event in events:
                if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                    found.append(event.part.content)
                elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                    found.append(event.delta.content_delta)
        return "".join(found)


async def open_peer(setup: Setup) -> PydanticAI:
    if setup.bare or setup.vendor != "openai" or setup.cache or setup.targets > 1:
        raise Gap("not measured")
    return PydanticAI(setup)


if __name__ == "__main__":
    serve(open_peer)
