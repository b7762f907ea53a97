"""What the rules of a route ask of a request: each fact is made when a rule asks for it, and once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from providers.embeddings import AnyRequest
from providers.tokens import estimated_prompt
from providers.types import CompletionRequest
from router.engine.embedding import needs_of
from router.engine.request import requirements_of
from router.plan.plan import Chain
from router.plan.target import NEEDS


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
            return estimated_prompt(request.messages, request.tools)
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


def decided(chain: Chain, facts: RequestFacts) -> tuple[Chain, str]:
    """Return the chain that the rules of a route give a request, and which rule decided."""
    for rule, led in chain.rules:
        if not rule.why_not(facts):
            return led, rule.line
    return chain, NONE_HOLDS


NONE_HOLDS = "none of the route's rules holds"
