"""What the rules of a route ask of a request: each fact is made when a rule asks for it, and once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from msgspec.structs import replace

from providers.embeddings import AnyRequest
from providers.tokens import estimate, estimated_prompt
from providers.types import CompletionRequest, TextPart
from router.engine.embedding import needs_of
from router.engine.request import requirements_of
from router.plan.plan import Chain
from router.plan.target import NEEDS

_PART = 16_384  # characters
_LONG = 4 * _PART


class RequestFacts:
    """What one request is.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, request: AnyRequest, *, streaming: bool, clock: Callable[[], float]) -> None:
        self._request = request
        self._streaming = streaming
        self._clock = clock

    @property
    def tags(self) -> Mapping[str, str]:
        return self._request.tags or {}

    @cached_property
    def prompt_tokens(self) -> int:
        request = self._request
        if isinstance(request, CompletionRequest):
            return _estimated(request)
        return needs_of(request).prompt_tokens

    @cached_property
    def needs(self) -> frozenset[str]:
        request = self._request
        if not isinstance(request, CompletionRequest):
            return frozenset()
        asked = requirements_of(request, streaming=self._streaming)
        more = {"json_mode"} if request.response_format == "json" else set()
        more |= {"thinking"} if request.thinking not in (None, "off") else set()
        return frozenset(need for need in NEEDS if getattr(asked, need)) | more

    @cached_property
    def wall(self) -> float:
        return self._clock()


def _estimated(request: CompletionRequest) -> int:
    """About what a prompt costs. Of long texts that take time only parts are looked at, since the loop waits for it."""
    left_out = 0

    def sampled(text: str) -> str:
        nonlocal left_out
        if len(text) <= _LONG or text.isascii():
            return text
        middle = len(text) // 2
        sample = text[:_PART] + text[middle : middle + _PART] + text[-_PART:]
        left_out += round(estimate(sample) * (len(text) / len(sample) - 1))
        return sample

    messages = [
        replace(message, content=sampled(message.content))
        if isinstance(message.content, str)
        else replace(
            message,
            content=tuple(
                replace(part, text=sampled(part.text)) if isinstance(part, TextPart) else part
                for part in message.content
            ),
        )
        for message in request.messages
    ]
    return estimated_prompt(messages, request.tools) + left_out


def decided(chain: Chain, facts: RequestFacts) -> tuple[Chain, str]:
    """Return the chain that the rules of a route give a request, and which rule decided."""
    for rule, led in chain.rules:
        if not rule.why_not(facts):
            return led, rule.line
    return chain, NONE_HOLDS


NONE_HOLDS = "none of the route's rules holds"
