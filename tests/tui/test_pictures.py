"""The pictures of the documentation never go stale."""

from __future__ import annotations

from tests.support.pictures import FOLDER, PICTURES, taken


def test_the_pictures_are_what_the_dashboard_shows() -> None:
    """`make pictures` takes them anew."""
    assert [name for name, picture in taken()[0].items() if (FOLDER / f"{name}.svg").read_text() != picture] == []


def test_no_picture_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(PICTURES)


def test_a_picture_asks_nobody_for_anything() -> None:
    """Not for a font either: addresses in them are names of formats, or text."""
    for path in FOLDER.glob("*.svg"):
        assert "url(http" not in path.read_text(), path
        assert 'href="http' not in path.read_text(), path
