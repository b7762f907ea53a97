"""Which answers are stored, and for how long."""

from __future__ import annotations

from providers.errors import CONSEQUENCES
from providers.types import CompletionResponse
from router.plan.rules import CacheRules
from router.views.trace import Attempt, Skip, Trace

_COMPLETE = frozenset({"stop", "length", "tool_calls"})
# Reasons to skip a target that lie in the request or the file: they are there the next time too.
_LASTING = frozenset({"unsupported", "too_small", "disabled", "excluded", "requirement"})


def why_not_stored(response: CompletionResponse, rules: CacheRules, *, by_fallback: bool) -> str:
    """Say why an answer is not stored; "" for one that is."""
    if response.finish_reason not in _COMPLETE:
        return f"it ended with {response.finish_reason}"
    if not response.tool_calls and not response.text.strip():
        return "it is empty"
    if response.finish_reason == "length" and any(call.arguments is None for call in response.tool_calls):
        return "it was cut off within a tool call"
    if response.tool_calls and not rules.store_tool_calls:
        return "it has tool calls (cache.store_tool_calls)"
    if by_fallback and rules.fallback_ttl <= 0:
        return "a fallback made it (cache.fallback_ttl)"
    return "larger than cache.max_entry" if len(response.text) > rules.max_entry else ""


def is_by_fallback(trace: Trace) -> bool:
    """Say whether an answer comes from a later tier because a target of an earlier one failed, or could not be asked.

    What lies in the request itself is no failure: a prompt that is too long for the first target is so every time, and
    its answer is the one that the file wants.
    """
    answer = trace.answer
    return answer is not None and any(
        entry.tier < answer.tier and _may_pass(entry) for entry in trace.entries if isinstance(entry, Attempt | Skip)
    )


def _may_pass(entry: Attempt | Skip) -> bool:
    """Say whether the same request may do better there later: what opens no breaker and holds nothing is about it."""
    if isinstance(entry, Skip):
        return entry.reason not in _LASTING
    if entry.code is None:
        return False
    consequence = CONSEQUENCES[entry.code]
    return consequence.breaker != "none" or consequence.hold != "none"
