"""What the router knows of an answer: whose it is, and what was paid for it."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from providers.embeddings import EmbeddingResponse, RerankResponse
from providers.harmless import harmless
from providers.types import CompletionResponse, Usage
from router.engine.context import RequestContext
from router.plan.pricing import cost, note_prompt_cache, plausible
from router.plan.target import Target

Answer = TypeVar("Answer", CompletionResponse, EmbeddingResponse, RerankResponse)


def with_routing_info(response: Answer, context: RequestContext, target: Target) -> tuple[Answer, float | None]:
    """Return the answer with its route, target, trace, and the cost of all that was paid for it; and what was paid for
    this attempt alone, in USD.
    """
    usage = plausible(response.usage)
    if usage.cache_read_tokens or usage.cache_write_tokens:
        with harmless:
            note_prompt_cache(context.trace, target.capabilities.price, usage)
    own = paid = cost_of(target, usage) if response.cost is None else response.cost
    trace = context.trace
    if paid is not None and len(trace.entries) > 1:
        wasted = trace.wasted
        paid = None if wasted is None else paid + wasted
    whole = replace(
        response,
        route=context.chain.route,
        target=target.name,
        usage=usage,
        cost=paid,
        trace=trace,
        provider=response.provider or target.provider,
    )
    return whole, own


def cost_of(target: Target, usage: Usage | None) -> float | None:
    """Return the USD for so many tokens; None where that is not known."""
    if usage is None:
        return None
    if not usage.input_tokens and not usage.output_tokens and usage.input_tokens is usage.output_tokens is not None:
        return 0.0  # at any price
    try:
        return cost(target.capabilities.price, usage)
    except Exception as error:
        harmless.note(error)
        return None
