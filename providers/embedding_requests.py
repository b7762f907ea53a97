"""Requests for embeddings and ranks out of what apps hold, and what no vendor accepts of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, get_args

from providers.coerce import invalid
from providers.embeddings import EmbeddingRequest, Input, InputType, RerankRequest
from providers.surrogates import mended
from providers.validation import check_beside

Inputs: TypeAlias = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]

MOST_DIMENSIONS = 65_536  # more than any model makes
MOST_INPUTS = 100_000  # of one request, which is split
_MOST_TOKEN = 2**31 - 1


def coerce_inputs(inputs: Inputs) -> tuple[Input, ...]:
    """The inputs of a text, a list of texts, a list of tokens, or a list of such lists, as OpenAI takes them.

    Raises:
        ProviderError: INVALID_REQUEST, with the place of what is wrong.
    """
    if isinstance(inputs, str):
        return (_text(inputs, "input"),)
    if type(inputs) is not list and not _is_list(inputs):  # nearly always it is one
        invalid(f"input: a string, a list of strings or lists of tokens are expected, not {type(inputs).__name__}")
    if not inputs:
        invalid("input: the list is empty")
    if len(inputs) > MOST_INPUTS and not isinstance(inputs[0], int):
        invalid(f"input: at most {MOST_INPUTS:,} are taken in a request")
    if isinstance(inputs[0], int):
        return (_tokens(inputs, "input"),)
    return tuple(
        _text(each, f"input[{place}]") if isinstance(each, str) else _tokens(each, f"input[{place}]")
        for place, each in enumerate(inputs)
    )


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def _text(text: str, where: str) -> str:
    if not text:
        invalid(f"{where}: the text is empty")
    return text if text.isascii() else mended(text)


def _tokens(tokens: Any, where: str) -> tuple[int, ...]:
    if not _is_list(tokens):
        invalid(f"{where}: a string or a list of tokens is expected, not {type(tokens).__name__}")
    if not tokens:
        invalid(f"{where}: the list is empty")
    for token in tokens:
        if type(token) is not int or not 0 <= token <= _MOST_TOKEN:
            invalid(f"{where}: tokens are whole numbers of at least 0, not {str(token)[:50]}")
    return tuple(tokens)


def coerce_documents(documents: Sequence[str | Mapping[str, Any]]) -> tuple[str, ...]:
    """The documents of strings, or of objects with a `text`, as Cohere takes them.

    Raises:
        ProviderError: INVALID_REQUEST, with the place of what is wrong.
    """
    if not _is_list(documents):
        invalid(f"documents: a list of strings is expected, not {type(documents).__name__}")
    if not documents:
        invalid("documents: the list is empty")
    if len(documents) > MOST_INPUTS:
        invalid(f"documents: at most {MOST_INPUTS:,} are taken in a request")
    found = []
    for place, document in enumerate(documents):
        text = document.get("text") if isinstance(document, Mapping) else document
        if not isinstance(text, str):
            invalid(f"documents[{place}]: a string, or an object with a text, is expected")
        found.append(text if text.isascii() else mended(text))
    return tuple(found)


def check(request: EmbeddingRequest | RerankRequest) -> None:
    """Check a request.

    Raises:
        ProviderError: INVALID_REQUEST; the message says what, where, and what is expected instead.
    """
    if not request.model:
        invalid("model: a name is missing")
    if isinstance(request, EmbeddingRequest):
        _check_embedding(request)
    else:
        _check_rerank(request)
    check_beside(request)


def _check_embedding(request: EmbeddingRequest) -> None:
    if not request.inputs:
        invalid("input: the list is empty")
    dimensions = request.dimensions
    if dimensions is not None and (type(dimensions) is not int or not 1 <= dimensions <= MOST_DIMENSIONS):
        invalid(f"dimensions: a whole number from 1 to {MOST_DIMENSIONS:,} is expected, not {str(dimensions)[:50]}")
    if request.input_type is not None and request.input_type not in get_args(InputType):
        invalid(f"input_type: {' or '.join(get_args(InputType))} is expected, not {str(request.input_type)[:50]}")
    if request.truncate is not None and not isinstance(request.truncate, bool):
        invalid("truncate: true or false is expected")


def _check_rerank(request: RerankRequest) -> None:
    if not isinstance(request.query, str) or not request.query:
        invalid("query: a text is expected")
    if not request.documents:
        invalid("documents: the list is empty")
    if request.top_n is not None and (type(request.top_n) is not int or request.top_n < 1):
        invalid(f"top_n: a whole number of at least 1 is expected, not {str(request.top_n)[:50]}")
