"""How many likely tokens an answer is to tell of: as many as asked for, or `unsupported`, never fewer."""

from __future__ import annotations

import pytest

from providers import CompletionRequest, Message, ProviderSettings, registry
from providers.errors import ErrorCode, ProviderError
from tests.support.sending import sent


@pytest.mark.parametrize(("spoken", "most"), [("xai", 8), ("openai", 20), ("generic", 20), ("deepseek", 20)])
async def test_a_vendor_is_asked_for_what_it_has(spoken: str, most: int) -> None:
    for count in (0, 1, most):
        body = (await sent(spoken, model="gpt-4.1", logprobs=True, top_logprobs=count)).body
        assert (body["logprobs"], body["top_logprobs"]) == (True, count)
    if most < 20:
        with pytest.raises(ProviderError, match="top_logprobs: it tells of 8, not of 9") as raised:
            await sent(spoken, model="grok-4", top_logprobs=9)
        assert raised.value.code is ErrorCode.UNSUPPORTED


async def test_in_responses_too() -> None:
    settings = ProviderSettings(name="p", kind="openai", base_url="https://api.x.ai/v1", options={"api": "responses"})
    provider = registry.create(settings)
    with pytest.raises(ProviderError, match="top_logprobs: it tells of 8, not of 9"):
        await provider.complete(CompletionRequest(model="grok-3", messages=(Message.user("Hi"),), top_logprobs=9))
    await provider.aclose()
