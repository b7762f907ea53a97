"""How long to wait before the same target again."""

from __future__ import annotations

import random


def full_jitter(retry: int, base: float, cap: float, chance: random.Random) -> float:
    """Seconds before retry number `retry` (0 is the first): `uniform(0, min(cap, base · 2^retry))`.

    The formula is "full jitter" of the AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
    """
    return chance.uniform(0.0, min(cap, base * 2.0**retry))
