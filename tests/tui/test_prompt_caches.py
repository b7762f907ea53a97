"""What the dashboard says of the vendors' prompt caches: how much was read, and what that spared or cost."""

from __future__ import annotations

import pytest

from router.views.figures import Counts
from router.views.money import gain
from tui import format as as_text


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (Counts(input_tokens=1_000), None),
        (
            Counts(input_tokens=1_000, cache_read_tokens=620, prompt_cache_saved=0.31, cost=1.0),
            "62 % of prompts read, $0.31 saved",
        ),
        (
            Counts(input_tokens=1_000, cache_write_tokens=900, prompt_cache_saved=-0.02, cost=1.0),
            "0 % of prompts read, $0.02 lost",
        ),
        (Counts(input_tokens=1_000, cache_read_tokens=500, cost=None), "50 % of prompts read, – saved"),
    ],
)
def test_a_line_for_what_is_selected(counts: Counts, said: str | None) -> None:
    """Nothing where no cache was at work; a dash, and never $0, where no price is known."""
    assert as_text.prompt_cache(counts) == said


@pytest.mark.parametrize(
    ("usd", "said"), [(0.0004, "$0.0004 saved"), (-0.0004, "$0.0004 lost"), (0.0, "$0 saved"), (None, "– saved")]
)
def test_gains_and_losses_are_told_apart(usd: float | None, said: str) -> None:
    assert gain(usd) == said
