"""The parts of an answer in the order in which they came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from providers.content import Citation, Placed, TextPart, ThinkingPart


def ordered(
    text: str,
    calls: Sequence[Any],
    thinking: Sequence[ThinkingPart],
    others: Sequence[Placed],
    citations: Sequence[Citation],
) -> tuple[Any, ...]:
    """All parts; texts are cut where something else came between them, and each has the citations that end in it."""
    found: list[Any] = []
    said = called = 0
    left = list(citations)

    def say(end: int) -> None:
        nonlocal said
        if end > said:
            found.append(TextPart(text[said:end], citations=_taken(left, said, end, last=end >= len(text))))
            said = end

    for after, part in _marks(thinking, others):
        say(min(after[0], len(text)))
        found += calls[called : after[1]]
        called = max(called, after[1])
        found.append(part)
    say(len(text))
    if left and not text:  # sources of an answer without words
        found.append(TextPart("", citations=tuple(left)))
    return (*found, *calls[called:])


def _marks(thinking: Sequence[ThinkingPart], others: Sequence[Placed]) -> Iterable[tuple[tuple[int, ...], Any]]:
    """Thinking and other parts in one row, each with how much of the text and of the calls came before it."""
    thoughts = iter(enumerate(thinking))
    thought = next(thoughts, None)
    for other in others:
        while thought is not None and (thought[0] < other.after[2] or thought[1].after < other.after[:2]):
            yield thought[1].after, thought[1]
            thought = next(thoughts, None)
        yield other.after, other.part
    while thought is not None:
        yield thought[1].after, thought[1]
        thought = next(thoughts, None)


def _taken(left: list[Citation], start: int, end: int, *, last: bool) -> tuple[Citation, ...]:
    """Take those that belong to a piece of the text, with their places counted in it; the rest go to the last piece."""
    taken = [one for one in left if last or (one.end is not None and one.end <= end)]
    left[:] = [one for one in left if one not in taken]
    return tuple(moved(one, -start) for one in taken)


def moved(citation: Citation, by: int) -> Citation:
    """The citation with its place counted from elsewhere."""
    if citation.start is None or not by:
        return citation
    start, end = max(0, citation.start + by), citation.end
    return replace(citation, start=start, end=None if end is None else max(0, end + by))


def cited(text: str, citations: Sequence[Citation]) -> list[tuple[str, list[Citation]]]:
    """A text in pieces, each with the sources that are for it, for protocols in which a source is for a whole block."""
    found: list[tuple[str, list[Citation]]] = []
    said = 0
    for start, end in sorted({_range(one, text) for one in citations}):
        if start > said:
            found.append((text[said:start], []))
        found.append((text[max(start, said) : end], [one for one in citations if _range(one, text) == (start, end)]))
        said = max(said, end)
    return [*found, (text[said:], [])]


def _range(citation: Citation, text: str) -> tuple[int, int]:
    start = min(citation.start or 0, len(text))
    end = len(text) if citation.end is None else min(citation.end, len(text))
    return (start, end) if start < end else (0, len(text))
