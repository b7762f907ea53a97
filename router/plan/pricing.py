"""What an answer costs at a model's prices."""

from __future__ import annotations

from msgspec.structs import replace

from providers.types import Price, Usage
from router.views.trace import PromptCacheUse, Trace

_EXACT = 2.0**40  # parts of a dollar: sums of such parts are exact in a float up to 8,192 dollars


def cost(price: Price | None, usage: Usage) -> float | None:
    """Return the USD for this usage; None when a price or count that it needs is unknown.

    Cached tokens are part of `input_tokens` and are charged once, at their own price where it is known.
    """
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    price = price.of(usage.input_tokens)
    if price.input is None or price.output is None:
        return None
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    read_price = price.input if price.cache_read is None else price.cache_read
    write_price = price.input if price.cache_write is None else price.cache_write
    plain = max(0, usage.input_tokens - read - write)
    micros = plain * price.input + read * read_price + write * write_price + usage.output_tokens * price.output
    if usage.cache_write_1h_tokens:
        micros += min(write, usage.cache_write_1h_tokens) * (_hour_price(price, write_price) - write_price)
    return micros / 1_000_000


def _hour_price(price: Price, write_price: float) -> float:
    """Return the price of what is written to be kept for an hour: where it is not known, Anthropic's twice that of
    input, which is 1.6 times what five minutes cost there.
    """
    if price.cache_write_1h is not None:
        return price.cache_write_1h
    return write_price if price.cache_write is None else 1.6 * write_price


def note_prompt_cache(trace: Trace, price: Price | None, usage: Usage) -> None:
    """Write into a trace what the vendor's prompt cache did, if it did anything, and how much that spared."""
    if not (usage.cache_read_tokens or usage.cache_write_tokens):
        return
    uncached = replace(usage, cache_read_tokens=None, cache_write_tokens=None, cache_write_1h_tokens=None)
    without, paid = cost(price, uncached), cost(price, usage)
    saved = None if without is None or paid is None else without - paid
    read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    trace.prompt_cache = PromptCacheUse(usage.input_tokens, read, write, saved)


def is_known(price: Price | None) -> bool:
    """Say whether a price tells what prompts and answers cost. Nothing at all is a price, and known."""
    return price is not None and price.input is not None and price.output is not None


def exact(usd: float) -> float:
    """Round to a trillionth of a dollar, such that adding amounts up and taking them away again leaves no rest."""
    return round(usd * _EXACT) / _EXACT


_MOST = 10**12  # tokens: more were never counted


def plausible(usage: Usage) -> Usage:
    """Return what a vendor counted, without what can be no count of tokens: that is unknown."""
    if type(usage) is not Usage:
        return Usage()
    first, second, third = usage.input_tokens, usage.output_tokens, usage.cache_read_tokens
    if (  # the usual case, which every answer goes through
        type(first) is type(second) is int
        and 0 <= first <= _MOST >= second >= 0
        and (third is None or (type(third) is int and 0 <= third <= _MOST))
        and usage.cache_write_tokens is None
        and usage.reasoning_tokens is None
        and usage.cache_write_1h_tokens is None
    ):
        return usage
    wrong = {
        name: None
        for name in Usage.__struct_fields__
        if (count := getattr(usage, name)) is not None and not (type(count) is int and 0 <= count <= _MOST)
    }
    return replace(usage, **wrong) if wrong else usage
