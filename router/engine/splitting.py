"""How many calls the inputs of embeddings need, and what each of them costs of the whole. It is pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from providers.embeddings import EmbeddingRequest, Input
from providers.errors import ErrorCode, ProviderError
from providers.surrogates import encode_json
from providers.tokens import estimate
from router.plan.plan import Chain
from router.plan.rules import EmbedRules

MOST_BYTES = 4_000_000  # of a call's body
_ENVELOPE = 64 * 1024  # bytes of it for all that is not inputs
_MOST_INPUTS = 2048  # of a call, where nobody says


class CallBounds(msgspec.Struct, frozen=True):
    """The most inputs, tokens and bytes of one call; those that every target of a chain takes."""

    inputs: int = _MOST_INPUTS
    tokens: int | None = None
    size: int = MOST_BYTES


def bounds_of(chain: Chain) -> CallBounds:
    """Return what a call may have, whichever target gets it."""
    rules = list(_rules(chain))
    return CallBounds(
        min((each.max_inputs for each in rules if each.max_inputs is not None), default=_MOST_INPUTS),
        min((each.max_request_tokens for each in rules if each.max_request_tokens is not None), default=None),
    )


def split(inputs: Sequence[Input], bounds: CallBounds, extra: int = 0) -> list[range]:
    """Return which inputs go together, in their order. One that is too large for any call goes by itself.

    Args:
        extra: bytes of what goes with every call beside the inputs.
    """
    if len(inputs) == 1:
        return [range(1)]
    room = max(1, bounds.size - _ENVELOPE - extra)
    parts: list[range] = []
    start = tokens = size = 0
    for place, each in enumerate(inputs):
        its_tokens, its_size = weight(each), len(encode_json(each)) + 1
        full = place - start >= bounds.inputs or size + its_size > room
        if place > start and (full or (bounds.tokens is not None and tokens + its_tokens > bounds.tokens)):
            parts.append(range(start, place))
            start, tokens, size = place, 0, 0
        tokens += its_tokens
        size += its_size
    return [*parts, range(start, len(inputs))]


def weight(text: Input) -> int:
    """Return about how many tokens an input has, rather too many than too few."""
    return max(1, estimate(text) if isinstance(text, str) else len(text))


def apportioned(total: int | None, weights: Sequence[int]) -> list[int | None]:
    """Divide what was counted for all among those who had a part in it, without a rest; None stays unknown."""
    if total is None:
        return [None] * len(weights)
    whole, shares, before, given = sum(weights) or 1, [], 0, 0
    for each in weights:
        before += each
        upto = total * before // whole
        shares.append(upto - given)
        given = upto
    return list(shares)


def check_dimensions(chain: Chain, request: EmbeddingRequest) -> None:
    """Let a request through whose dimensions all targets can give: where one could not, a fallback would fail.

    Raises:
        ProviderError: INVALID_REQUEST, with what they can give.
    """
    wanted = request.dimensions
    if wanted is None:
        return
    for target in chain.targets:
        rules = target.embeds
        if rules is None or rules.dimensions is None or wanted == rules.dimensions:
            continue
        if wanted > rules.dimensions or not rules.shortens:
            most = f"at most {rules.dimensions}" if rules.shortens else str(rules.dimensions)
            raise ProviderError(
                ErrorCode.INVALID_REQUEST,
                f"dimensions: {wanted} is not what every target of this route can give; {target.name} gives {most}",
            )


def _rules(chain: Chain) -> Iterable[EmbedRules]:
    return (target.embeds for target in chain.targets if target.embeds is not None and not target.disabled)
