"""Counts tokens for a target: by a tokenizer, or by an estimate that learns from what vendors report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from providers.base import CountsExactly, Provider
from providers.coerce import coerce_messages, coerce_tools
from providers.embeddings import AnyRequest
from providers.errors import ErrorCode, ProviderError
from providers.threads import in_thread
from providers.tokens import COUNTED_MARGIN, Learned, tools_tokens
from providers.types import CompletionRequest, TokenCount, Usage
from router.engine.request import Messages, for_target
from router.plan.target import Target


async def count_exact(provider: Provider, target: Target, request: CompletionRequest) -> TokenCount:
    """Count as the vendor's own endpoint does; raises ProviderError, UNSUPPORTED where it has none."""
    if not isinstance(provider, CountsExactly):
        raise ProviderError(
            ErrorCode.UNSUPPORTED, "this kind of provider counts nothing exactly", provider=target.provider
        )
    return await provider.count_exact(for_target(request, target))


# Answers of a target that are learned from: so many at first, then each so many, and between them each fourth.
_FIRST, _EVERY = 4, 16


class TokenCounts:
    """Token counts, corrected by what each target's prompts really cost."""

    def __init__(self) -> None:
        self._learned: dict[str, Learned] = {}

    async def of(self, provider: Provider, target: Target, messages: Messages, tools: Sequence[Any]) -> TokenCount:
        """Count a prompt's tokens. Nothing is sent; the tokenizer runs in a thread."""
        count = await in_thread(provider.count_tokens, coerce_messages(messages), target.model)
        learned = self._learned.get(target.identity)
        count = count if learned is None else learned.corrected(count)
        if not tools:
            return count
        more = tools_tokens(coerce_tools(tools))
        return replace(count, tokens=count.tokens + more, exact=False, margin=max(count.margin, COUNTED_MARGIN))

    def learn(self, target: Target, request: AnyRequest, usage: Usage) -> None:
        """Learn from what a prompt of plain text really cost: later estimates are better."""
        if not usage.input_tokens or type(request) is not CompletionRequest or request.tools:  # none teaches nothing
            return
        learned = self._learned.get(target.identity)
        if learned is None:
            learned = self._learned[target.identity] = Learned()
        learned.answers = answers = learned.answers + 1
        if answers > _FIRST and answers % (_EVERY if answers > _EVERY else _FIRST):
            return  # not due
        if all(isinstance(message.content, str) for message in request.messages):
            learned.add(request.messages, usage.input_tokens)

    def forget(self, target: Target) -> None:
        """Forget what was learned of a target."""
        self._learned.pop(target.identity, None)
