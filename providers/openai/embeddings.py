"""OpenAI's embeddings, and reranking as Cohere, Jina, vLLM, llama.cpp and TEI have it: requests out, answers in."""

from __future__ import annotations

from typing import Any

from providers.embeddings import EmbeddingRequest, EmbeddingResponse, RerankRequest, RerankResponse
from providers.errors import ErrorCode, ProviderError
from providers.lenient_json import as_count, as_dict, as_str
from providers.openai.embedding_rows import EmbeddingRow
from providers.types import Usage
from providers.vectors import joined, ranked


def encode(request: EmbeddingRequest, row: EmbeddingRow, *, user: bool) -> tuple[str, dict[str, Any]]:
    """Path and body. `extra_body` is merged last and wins.

    Args:
        user: whether the vendor takes that field.

    Raises:
        ProviderError: UNSUPPORTED when the vendor can't be told to cut what is too long.
    """
    inputs: Any = request.inputs
    body: dict[str, Any] = {"model": request.model, "input": inputs[0] if len(inputs) == 1 else inputs}
    if row.base64:
        body["encoding_format"] = "base64"
    if request.dimensions is not None:
        body[row.dimensions] = request.dimensions
    if request.input_type is not None:
        body.update(row.input_types.get(request.input_type, {}))
    if request.truncate:
        if not row.truncates:
            raise ProviderError(ErrorCode.UNSUPPORTED, "truncate: this vendor cuts no texts", model=request.model)
        body.update(row.truncates)
    if request.user is not None and user:
        body["user"] = request.user
    return row.path, {**body, **request.extra_body} if request.extra_body else body


def decode(body: Any, request: EmbeddingRequest) -> EmbeddingResponse:
    """An answer, its vectors in base64 or as numbers.

    Raises:
        ProviderError: PROTOCOL_ERROR when it is none.
    """
    body = as_dict(body)
    data, dimensions = joined(body.get("data"), len(request.inputs))
    return EmbeddingResponse(
        data=data, dimensions=dimensions, usage=usage_of(body), model=as_str(body.get("model")) or request.model
    )


def encode_rerank(request: RerankRequest, row: EmbeddingRow) -> tuple[str, dict[str, Any]]:
    """Path and body. `extra_body` is merged last and wins.

    Raises:
        ProviderError: UNSUPPORTED when the vendor ranks no documents.
    """
    if row.rerank is None:
        raise ProviderError(ErrorCode.UNSUPPORTED, "this vendor ranks no documents", model=request.model)
    body: dict[str, Any] = {"model": request.model, "query": request.query, row.documents: request.documents}
    if request.top_n is not None and row.top_n is not None:
        body[row.top_n] = request.top_n
    return row.rerank, {**body, **(request.extra_body or {})}


def decode_rerank(body: Any, request: RerankRequest, row: EmbeddingRow) -> RerankResponse:
    """An answer, the best first.

    Raises:
        ProviderError: PROTOCOL_ERROR when it is none.
    """
    told = as_dict(body)
    entries = next((told[name] for name in row.results if name in told), body if isinstance(body, list) else None)
    count = len(request.documents)
    results = ranked(entries, count, request.top_n or count)
    return RerankResponse(results=results, usage=usage_of(told), model=as_str(told.get("model")) or request.model)


def usage_of(body: dict[str, Any]) -> Usage:
    """The tokens that were read; Cohere has them in `meta`. No answer of tokens is made."""
    usage = as_dict(body.get("usage"))
    count = as_count(usage.get("prompt_tokens"))
    if count is not None:
        return Usage(count, 0)
    meta = as_dict(body.get("meta"))
    told = (
        usage.get("total_tokens"),
        as_dict(meta.get("tokens")).get("input_tokens"),
        as_dict(meta.get("billed_units")).get("input_tokens"),
    )
    return Usage(next((count for count in map(as_count, told) if count is not None), None), 0)
