"""The runs that docs/simulate.md shows are what the command prints today."""

from __future__ import annotations

import pytest

from tests.support.simulated_runs import PAGE, current


@pytest.mark.slow
def test_the_page_is_current() -> None:
    """`make runs` makes them anew; how long a run took is this machine's affair."""
    page = PAGE.read_text()
    assert page.count("    signalbox simulate docs/") == page.count(" simulated in ") == 5
    assert current() == page
