"""Vectors and ranks that no model has made: for fakes and simulated vendors. A text has the same vector, always."""

from __future__ import annotations

import hashlib
import math
import sys
from array import array
from collections.abc import Sequence

from providers.embeddings import Input, Ranked, little_endian

DIMENSIONS = 8  # where nobody says how many


def vector_of(text: Input, dimensions: int) -> bytes:
    """A vector of length 1 out of a hash of the text, as float32 in little endian."""
    said = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else repr(text).encode()
    numbers = array("h", hashlib.shake_256(said).digest(2 * dimensions))
    if sys.byteorder == "big":
        numbers.byteswap()
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return little_endian(array("f", [number / length for number in numbers]))


def tokens_of(text: Input) -> int:
    """Its tokens: about one for four characters."""
    return max(1, len(text) // 4) if isinstance(text, str) else len(text)


def rank(query: str, documents: Sequence[str], most: int | None) -> tuple[Ranked, ...]:
    """The documents by how many of the query's words they have, the best first."""
    words = set(query.lower().split())
    scores = [len(words & set(document.lower().split())) / max(1, len(words)) for document in documents]
    best = sorted(enumerate(scores), key=lambda each: (-each[1], each[0]))
    return tuple(Ranked(index, score) for index, score in best[:most])
