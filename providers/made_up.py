"""Vectors and ranks that no model has made: for fakes and simulated vendors. A text has the same vector, always, and
texts with the same words are near each other.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
from array import array
from collections.abc import Sequence
from itertools import islice
from zlib import crc32

from providers.embeddings import Input, Ranked, little_endian

DIMENSIONS = 8  # where nobody says how many
_WORD = re.compile(r"\w+")
_MOST_WORDS = 1000  # that count


def vector_of(text: Input, dimensions: int) -> bytes:
    """A vector of length 1 out of a hash of the text and those of its words, as float32 in little endian."""
    said = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else repr(text).encode()
    numbers = array("h", hashlib.shake_256(said).digest(2 * dimensions))
    if sys.byteorder == "big":
        numbers.byteswap()
    found = _of_length(numbers, 0.5)
    for word in _words(text) if isinstance(text, str) else ():
        found[crc32(word.encode("utf-8", "surrogatepass")) % dimensions] += 1.0
    return little_endian(array("f", _of_length(found, 1.0)))


def _of_length(numbers: Sequence[float], wanted: float) -> list[float]:
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / length * wanted for number in numbers]


def _words(text: str) -> set[str]:
    return set(islice(_WORD.findall(text.lower()), _MOST_WORDS))


def tokens_of(text: Input) -> int:
    """Its tokens: about one for four characters."""
    return max(1, len(text) // 4) if isinstance(text, str) else len(text)


def rank(query: str, documents: Sequence[str], most: int | None) -> tuple[Ranked, ...]:
    """The documents by how many of the query's words they have, the best first."""
    words = _words(query)
    scores = [len(words & _words(document)) / max(1, len(words)) for document in documents]
    best = sorted(enumerate(scores), key=lambda each: (-each[1], each[0]))
    return tuple(Ranked(index, score) for index, score in best[:most])
