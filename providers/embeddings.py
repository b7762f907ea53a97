"""Requests and answers of the models that make vectors of texts, and of those that rank documents.

Vectors stay bytes all the way (float32, little endian): a Python list of their numbers is ten times as large, and is
made only where somebody asks for it.
"""

from __future__ import annotations

import sys
from array import array
from typing import Any, Literal, TypeAlias

from providers.data import Data
from providers.types import CompletionRequest, CompletionResponse, Routing, Struct, Usage

Input: TypeAlias = str | tuple[int, ...]  # a text, or the tokens of one
InputType: TypeAlias = Literal["query", "document"]
FLOAT = 4  # bytes of a number


class EmbeddingLimits(Struct, frozen=True, kw_only=True):
    """What is known of a model that makes embeddings, before it is asked; None is unknown.

    `dimensions` is how many numbers a vector has unasked; `shortens`, whether fewer may be asked for. `max_tokens` is
    of one input, `max_inputs` and `max_request_tokens` are of a call.
    """

    dimensions: int | None = None
    shortens: bool | None = None
    max_inputs: int | None = None
    max_tokens: int | None = None
    max_request_tokens: int | None = None


class _Request(Struct, frozen=True, kw_only=True):
    """What both kinds of requests have; see `CompletionRequest`."""

    model: str
    user: str | None = None
    affinity: str | None = None
    namespace: str | None = None
    caller: str | None = None
    end_user: str | None = None
    tags: dict[str, str] | None = None
    timeout: dict[str, float | Literal["off"]] | None = None
    extra_body: dict[str, Any] | None = None
    extra_headers: dict[str, str] | None = None
    routing: Routing | None = None


class _Response(Data, frozen=True, kw_only=True):
    """What both kinds of answers have; see `CompletionResponse`."""

    usage: Usage = Usage()
    model: str = ""
    provider: str = ""
    request_id: str | None = None
    left_out: tuple[str, ...] = ()
    route: str | None = None
    target: str | None = None
    cost: float | None = None
    cached: bool = False
    trace: Any = None


class EmbeddingRequest(_Request, frozen=True, kw_only=True):
    """Texts of which vectors are to be made. None means: not sent, the vendor's default holds.

    `dimensions` is how many numbers each vector is to have, for models that can shorten them. `input_type` says what
    the texts are for, to vendors that make a difference of it. `truncate=True` has the vendor cut a text that is too
    long; otherwise that is an error. What else is here is as in `CompletionRequest`.
    """

    inputs: tuple[Input, ...]
    dimensions: int | None = None
    input_type: InputType | None = None
    truncate: bool | None = None
    width: int | None = None


class EmbeddingResponse(_Response, frozen=True, kw_only=True):
    """A vector for each input, in their order. The fields from `route` on are filled by a router.

    `data` has all numbers one after the other, as float32 in little endian; `dimensions` is how many a vector has. Of
    `usage` the output is 0. `cost` is in USD. `cached` says that no vendor was asked.
    """

    data: bytes
    dimensions: int

    @property
    def count(self) -> int:
        """How many vectors there are."""
        return len(self.data) // (FLOAT * self.dimensions)

    @property
    def vectors(self) -> memoryview[float]:
        """All numbers as float32 (format `f`), without a copy: `numpy.asarray(it).reshape(-1, dimensions)`."""
        data = self.data if sys.byteorder == "little" else _swapped(self.data).tobytes()
        return memoryview(data).cast("f")

    def bytes_of(self, index: int) -> bytes:
        """One vector as bytes; raises IndexError."""
        size = FLOAT * self.dimensions
        start = range(self.count)[index] * size
        return self.data[start : start + size]

    def vector(self, index: int) -> array[float]:
        """One vector; raises IndexError."""
        return numbers_of(self.bytes_of(index))

    def lists(self) -> list[list[float]]:
        """All vectors as lists of numbers."""
        return [self.vector(index).tolist() for index in range(self.count)]

    def to_dict(self) -> dict[str, Any]:
        """Return it as data that is ready for JSON: the vectors as lists, its trace included."""
        built = super().to_dict()
        del built["data"]
        return {"embeddings": self.lists(), **built}


class RerankRequest(_Request, frozen=True, kw_only=True):
    """Documents that are to be ranked by how well they answer a query; `top_n` wants the best only.

    What else is here is as in `CompletionRequest`.
    """

    query: str
    documents: tuple[str, ...]
    top_n: int | None = None


class Ranked(Struct, frozen=True):
    """One document: its place among those that were sent, from 0, and how well it fits."""

    index: int
    score: float


class RerankResponse(_Response, frozen=True, kw_only=True):
    """The documents, the best first. The fields from `route` on are filled by a router."""

    results: tuple[Ranked, ...] = ()


AnyRequest: TypeAlias = CompletionRequest | EmbeddingRequest | RerankRequest
AnyResponse: TypeAlias = CompletionResponse | EmbeddingResponse | RerankResponse


def little_endian(numbers: array[float]) -> bytes:
    """Float32 as they are kept and sent."""
    return numbers.tobytes() if sys.byteorder == "little" else _swapped(numbers.tobytes()).tobytes()


def numbers_of(data: bytes) -> array[float]:
    """The numbers of such bytes."""
    return array("f", data) if sys.byteorder == "little" else _swapped(data)


def _swapped(data: bytes) -> array[float]:
    numbers = array("f", data)
    numbers.byteswap()
    return numbers
