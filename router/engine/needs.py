"""Says whether a target can serve a request at all, and a tier after what has happened. It is pure: no state, no
clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

import msgspec

from providers.embeddings import AnyRequest, EmbeddingRequest
from providers.errors import ErrorCode
from providers.prompt_cache import conversation
from providers.types import CompletionRequest
from router.errors import falls_back
from router.plan.plan import Draw, Tier
from router.plan.target import NEEDS, Target

_LEADING = 1024  # characters of an input that decide where it goes


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks of a target.

    `least_tokens` is a lower bound of the prompt's size, `prompt_tokens` about what it is. `excluded` are the names of
    targets that don't come into question, each with the reason and a message: they cannot be told what is asked, or the
    call leaves them out.
    """

    tools: bool = False
    vision: bool = False
    json_schema: bool = False
    streaming: bool = False
    audio: bool = False
    files: bool = False
    server_tools: bool = False
    logprobs: bool = False
    least_tokens: int = 0
    prompt_tokens: int = 0
    max_tokens: int | None = None
    excluded: Mapping[str, tuple[str, str]] = {}
    request: AnyRequest | None = None

    def affinity(self) -> bytes:
        """Return what keeps requests at one target, where their prompts are in the vendor's cache: the caller's word,
        else how they begin.
        """
        request = self.request
        if request is None:
            return b""
        if isinstance(request, CompletionRequest):
            return (conversation(request) if request.affinity is None else request.affinity).encode()
        said = request.affinity
        if said is None:
            first = request.inputs[0] if isinstance(request, EmbeddingRequest) else request.query
            said = first if isinstance(first, str) else repr(first)
        return said[:_LEADING].encode("utf-8", "surrogatepass")


def why_unfit(
    target: Target, needs: Requirements, windows: Mapping[str, int], window_floor: int = 0
) -> tuple[str, str] | None:
    """Say why this target can't serve, as (reason, message); None when it can. What is unknown never excludes a target.

    Args:
        windows: context windows learned from errors, by `Target.model_identity`.
        window_floor: tokens that were already too few elsewhere.
    """
    if target.disabled:
        return "disabled", "a variable of its provider is not set"
    if target.barred:
        return "requirement", target.barred
    for need in NEEDS if target.lacks else ():
        if need in target.lacks and getattr(needs, need):
            return "unsupported", f"no {need}"
    if target.name in needs.excluded:
        return needs.excluded[target.name]
    window = windows.get(target.model_identity, target.capabilities.context_window)
    if window is None:
        return None
    if needs.least_tokens > window:
        return "too_small", f"the prompt has at least {needs.least_tokens} tokens, the window {window}"
    if window_floor and window <= window_floor:
        return "too_small", f"a window of {window_floor} was too small, this one has {window}"
    return None


def serves(tier: Tier | Draw, codes: Set[ErrorCode]) -> bool:
    """Say whether a fallback tier takes over after these codes."""
    if tier.on is None:
        return any(falls_back(code) for code in codes)
    return not codes.isdisjoint(tier.on)
