"""The rows of the tables of words that failures are told by."""

from __future__ import annotations

import re

import pytest

from providers.error_body import Words


def test_a_row_fits_any_of_its_words() -> None:
    """Wherever they stand."""
    words = Words("too many", r"limit \d")
    assert words.search("so there were too many")
    assert words.search("over limit 5")
    assert not words.search("limit x")


def test_a_row_costs_nothing_until_a_failure_is_looked_at() -> None:
    """What can't be compiled is not noticed before that."""
    words = Words("(")
    with pytest.raises(re.error):
        words.search("")
