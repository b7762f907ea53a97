"""What an answer costs at a model's prices."""

from __future__ import annotations

from msgspec.structs import replace

from providers.types import Price, Usage

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
    return micros / 1_000_000


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
        (type(first) is int and 0 <= first <= _MOST)
        and (type(second) is int and 0 <= second <= _MOST)
        and (third is None or (type(third) is int and 0 <= third <= _MOST))
        and usage.cache_write_tokens is None
        and usage.reasoning_tokens is None
    ):
        return usage
    wrong = {
        name: None
        for name in Usage.__struct_fields__
        if (count := getattr(usage, name)) is not None and not (type(count) is int and 0 <= count <= _MOST)
    }
    return replace(usage, **wrong) if wrong else usage
