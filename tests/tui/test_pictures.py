"""The pictures of the documentation never go stale."""

from __future__ import annotations

import pytest

from tests.support.pictures import FOLDER, PICTURES, take


@pytest.mark.parametrize("name", PICTURES)
async def test_a_picture_is_what_the_dashboard_shows(name: str) -> None:
    """`make pictures` takes them anew."""
    assert (FOLDER / f"{name}.svg").read_text() == await take(name)


def test_no_picture_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(PICTURES)
