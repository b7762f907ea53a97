"""Vectors and ranks out of what vendors send, whatever their form: checked, and in the order of what was asked."""

from __future__ import annotations

import binascii
from array import array
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from providers.embeddings import FLOAT, Ranked, little_endian
from providers.errors import ErrorCode, ProviderError
from providers.lenient_json import as_dict

_MOST = 1e300  # of a score: more is none, and NaN is no less


def joined(entries: object, count: int) -> tuple[bytes, int]:
    """The vectors of `data: [{index, embedding}]`, in the order of the inputs, and how many numbers each has.

    Args:
        count: of the inputs.

    Raises:
        ProviderError: PROTOCOL_ERROR where one is missing, comes twice, or is no vector.
    """
    if not isinstance(entries, list):
        _wrong("the answer has no list of embeddings")
    found = [entry if type(entry) is _Entry else _entry(as_dict(entry)) for entry in entries]
    ordered: list[object] = [None] * count
    for place, entry in zip(_places([entry.index for entry in found], count), found, strict=True):
        ordered[place] = entry.embedding
    return packed(ordered, count)


class _Entry(msgspec.Struct):
    embedding: bytes
    index: Any = None


def _entry(told: dict[str, Any]) -> _Entry:
    return _Entry(told.get("embedding"), told.get("index"))  # type: ignore[arg-type]  # whatever it is: it is looked at


class _Answer(msgspec.Struct):
    data: list[_Entry]
    usage: Any = None
    model: Any = None
    error: Any = None


_decode_base64 = msgspec.json.Decoder(_Answer).decode


def of_base64(data: bytes) -> dict[str, Any] | None:
    """An answer of OpenAI's whose vectors are all in base64, which they are read from at once; None for any other.

    That takes a third of the time of text first and bytes later.
    """
    try:
        found = _decode_base64(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if found.error is not None:
        return None
    return {"data": found.data, "usage": found.usage, "model": found.model}


def packed(vectors: object, count: int) -> tuple[bytes, int]:
    """Vectors that come in the order of the inputs, one after the other, and how many numbers each has.

    Raises:
        ProviderError: PROTOCOL_ERROR where they are not so many, of different lengths, or no vectors.
    """
    if not isinstance(vectors, list) or len(vectors) != count:
        _wrong(f"{count} embeddings were asked for, and {len(vectors) if isinstance(vectors, list) else 'none'} came")
    found = [vector if type(vector) is bytes else _bytes(vector, place) for place, vector in enumerate(vectors)]
    sizes = set(map(len, found))
    if len(sizes) != 1:
        _wrong(
            f"the embeddings of one answer differ in length: {', '.join(str(size // FLOAT) for size in sorted(sizes))}"
        )
    size, data = sizes.pop(), found[0] if count == 1 else b"".join(found)
    if not size or size % FLOAT:
        _wrong(f"embeddings of {size} bytes came, which are no float32 numbers")
    if not is_finite(data):
        _wrong("embeddings came with numbers that are none (NaN or infinity)")
    return data, size // FLOAT


def _places(indexes: Sequence[object], count: int) -> Sequence[int]:
    """The place of each entry; where none says its own, that in which it came."""
    if len(indexes) != count:
        _wrong(f"{count} embeddings were asked for, and {len(indexes)} came")
    if all(index is None for index in indexes) or (count == 1 and indexes[0] == 0 and type(indexes[0]) is int):
        return range(count)
    seen: set[int] = set()
    for index in indexes:
        if type(index) is not int or not 0 <= index < count:
            _wrong(f"the embedding of an input {_shown(index)} came, where there are {count}")
        if index in seen:
            _wrong(f"two embeddings of input {index} came")
        seen.add(index)
    return list(indexes)  # type: ignore[arg-type]  # each was looked at


def _bytes(vector: object, place: int) -> bytes:
    """One vector as float32, of base64 or of numbers."""
    try:
        if isinstance(vector, str):
            return binascii.a2b_base64(vector, strict_mode=True)
        if isinstance(vector, list) and set(map(type, vector)) <= {float, int}:  # True is a number to Python
            return little_endian(array("f", vector))
        why = "is neither base64 nor a list of numbers"
    except (ValueError, OverflowError):
        why = "can't be read as float32"
    raise ProviderError(ErrorCode.PROTOCOL_ERROR, f"the embedding of input {place} {why}")


def is_finite(data: bytes) -> bool:
    """Whether all of these float32 are numbers (IEEE 754: an exponent of ones is none)."""
    tops = data[3::FLOAT]
    if b"\x7f" not in tops and b"\xff" not in tops:  # nearly always: others are below 1.7e38
        return True
    return all(top & 0x7F != 0x7F or not second & 0x80 for top, second in zip(tops, data[2::FLOAT], strict=True))


def ranked(entries: object, count: int, most: int) -> tuple[Ranked, ...]:
    """The documents by `[{index, relevance_score}]` (TEI: `score`), the best first.

    Args:
        count: of the documents that were sent.
        most: of those that are wanted.

    Raises:
        ProviderError: PROTOCOL_ERROR where a document comes twice or was not sent, or has no score.
    """
    if not isinstance(entries, list):
        _wrong("the answer has no list of results")
    found: dict[int, float] = {}
    for entry in map(as_dict, entries):
        index = entry.get("index")
        score = entry["relevance_score"] if "relevance_score" in entry else entry.get("score")
        if type(index) is not int or not 0 <= index < count:
            _wrong(f"the result of a document {_shown(index)} came, where there are {count}")
        if index in found:
            _wrong(f"two results of document {index} came")
        if isinstance(score, bool) or not isinstance(score, int | float) or not abs(score) < _MOST:
            _wrong(f"document {index} has no score")
        found[index] = float(score)
    if len(found) < min(count, most):
        _wrong(f"{min(count, most)} results were asked for, and {len(found)} came")
    best = sorted(found.items(), key=lambda each: (-each[1], each[0]))
    return tuple(Ranked(index, score) for index, score in best[:most])


def _shown(value: object) -> str:
    return repr(value)[:50]


def _wrong(message: str) -> NoReturn:
    raise ProviderError(ErrorCode.PROTOCOL_ERROR, message)
