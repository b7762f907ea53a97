"""The rows of a list, which of them a person looks for, and in what order they stand: the same for every list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

Piece: TypeAlias = tuple[str, str]  # text and its style, such as "bold $success"
Line: TypeAlias = tuple[Piece, ...]
Value: TypeAlias = float | str | None
Item = TypeVar("Item")


class Row(NamedTuple):
    """One line. The cursor rests only on those with a key.

    `under` is the key of the row that it belongs to, and `words` is what it is found by: names that its line may cut.
    """

    key: str | None
    line: Line
    under: str | None = None
    words: str = ""

    @property
    def text(self) -> str:
        """What it is found by, in small letters."""
        return (self.words or "".join(text for text, _ in self.line)).lower()


class By(NamedTuple):
    """One way to sort: its column's title, and what it sorts by; names go up, numbers go down."""

    title: str
    value: Callable[[Any], Value]
    down: bool = True


def found(rows: Sequence[Row], looked_for: str) -> list[Row]:
    """Return the rows that have all these words, in any case of letters.

    What belongs to a row that has them is found too, and so is what a found row belongs to. A row without a key, such
    as a heading, stays while something below it does.
    """
    words = looked_for.lower().split()
    texts: dict[str | None, str] = {None: ""}
    hits: set[str] = set()
    above = {row.key: row.under for row in rows}
    for row in rows:
        text = texts[row.key] = f"{texts.get(row.under, '')} {row.text}"
        if row.key is None or not all(word in text for word in words):
            continue
        key: str | None = row.key
        while key is not None and key not in hits:
            hits.add(key)
            key = above.get(key)
    return list(_with_headings(rows, hits))


def _with_headings(rows: Iterable[Row], hits: set[str]) -> Iterable[Row]:
    headings: list[Row] = []
    ended, first = False, True
    for row in rows:
        if row.key is None:
            headings = [row] if ended else [*headings, row]
            ended = False
            continue
        ended = True
        if row.key in hits:
            yield from (heading for heading in headings if heading.line or not first)
            yield row
            headings, first = [], False


def ordered(items: Iterable[Item], by: By | None, *, inverted: bool = False) -> list[Item]:
    """Return the items in this order; those whose value is not known are last, and equal ones stay as they were."""
    if by is None:
        return list(items)
    valued = [(by.value(item), item) for item in items]
    known = [(value, item) for value, item in valued if value is not None]
    known.sort(key=lambda pair: pair[0], reverse=by.down != inverted)
    return [item for _, item in known] + [item for value, item in valued if value is None]
