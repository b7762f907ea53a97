"""Embeddings and reranking as servers have them: OpenAI's and Ollama's embeddings, Cohere's and TEI's reranking.

Protocols: OpenAI's reference (`/v1/embeddings`), ollama/ollama docs/api.md (`/api/embed`, and `/api/embeddings` of
before), Cohere's reference (`/v2/rerank`), huggingface/text-embeddings-inference (`/rerank`).
"""

from __future__ import annotations

import binascii
from typing import Any, Literal, TypeAlias

from providers.embedding_requests import check, coerce_documents, coerce_inputs
from providers.embeddings import EmbeddingRequest, EmbeddingResponse, RerankRequest, RerankResponse, numbers_of
from providers.wire.reading import BadRequest, Body, flag, integer, missing, required_text, text

Form: TypeAlias = Literal["float", "base64"]


def read_openai(body: Body) -> EmbeddingRequest:
    """Read a request to /v1/embeddings; raises BadRequest, and ProviderError for what no vendor accepts."""
    model = required_text(body, "model")
    if body.get("input") is None:
        raise missing("input")
    form(body)
    kind = text(body, "input_type")
    request = EmbeddingRequest(
        model=model,
        inputs=coerce_inputs(body["input"]),
        dimensions=integer(body, "dimensions"),
        input_type=kind if kind in ("query", "document") else None,  # type: ignore[arg-type]  # it is one of them
        user=text(body, "user"),
    )
    check(request)
    return request


def form(body: Body) -> Form:
    """The form in which vectors are wanted; the official SDKs ask for base64 unasked."""
    wanted = text(body, "encoding_format")
    if wanted is None or wanted == "float":
        return "float"
    if wanted == "base64":
        return "base64"
    raise BadRequest("encoding_format: one of float, base64 is expected", "encoding_format")


def render_openai(response: EmbeddingResponse, model: str, wanted: Form) -> dict[str, Any]:
    """The answer of /v1/embeddings."""
    size = response.dimensions * 4
    data = response.data
    vectors = (data[start : start + size] for start in range(0, len(data), size))
    tokens = response.usage.input_tokens or 0
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _written(vector, wanted)}
            for index, vector in enumerate(vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _written(vector: bytes, wanted: Form) -> Any:
    if wanted == "base64":
        return binascii.b2a_base64(vector, newline=False).decode("ascii")
    return numbers_of(vector).tolist()


def read_ollama(body: Body, *, old: bool = False) -> EmbeddingRequest | None:
    """Read a request to /api/embed, or to /api/embeddings of before; None for one that only loads the model.

    A text that is too long is an error here unless `truncate` says otherwise: cut vectors are worse than none.
    """
    model = required_text(body, "model")
    given = body.get("prompt" if old else "input")
    if given is None or given in ("", []):
        return None
    if not isinstance(given, str if old else str | list):
        raise BadRequest(f"{'prompt' if old else 'input'}: texts are expected", "prompt" if old else "input")
    request = EmbeddingRequest(
        model=model,
        inputs=coerce_inputs(given),
        dimensions=None if old else integer(body, "dimensions"),
        truncate=flag(body, "truncate") or None,
    )
    check(request)
    return request


def render_ollama(
    response: EmbeddingResponse | None, model: str, seconds: float, *, old: bool = False
) -> dict[str, Any]:
    """The answer of /api/embed, or of /api/embeddings of before; of no response, that of a model that was loaded."""
    if old:
        return {"embedding": [] if response is None else response.vector(0).tolist()}
    told: dict[str, Any] = {"model": model, "embeddings": [] if response is None else response.lists()}
    took = int(seconds * 1e9)
    return {
        **told,
        "total_duration": took,
        "load_duration": 0,
        "prompt_eval_count": 0 if response is None else response.usage.input_tokens or 0,
    }


def read_rerank(body: Body) -> RerankRequest:
    """Read a request to /v2/rerank, or one of TEI (`texts`); raises BadRequest, ProviderError."""
    documents = body.get("documents", body.get("texts"))
    if documents is None:
        raise missing("documents")
    request = RerankRequest(
        model=required_text(body, "model"),
        query=required_text(body, "query"),
        documents=coerce_documents(documents),
        top_n=integer(body, "top_n"),
    )
    check(request)
    return request


def render_rerank(
    response: RerankResponse, request: RerankRequest, body: Body, *, model: str, ident: str
) -> dict[str, Any] | list[dict[str, Any]]:
    """The answer of /v2/rerank, or of TEI to one who has sent `texts`."""
    if "texts" in body:
        told = flag(body, "return_text")
        return [
            {"index": each.index, "score": each.score, **({"text": request.documents[each.index]} if told else {})}
            for each in response.results
        ]
    shows = flag(body, "return_documents")
    results = [
        {
            "index": each.index,
            "relevance_score": each.score,
            **({"document": {"text": request.documents[each.index]}} if shows else {}),
        }
        for each in response.results
    ]
    tokens = response.usage.input_tokens or 0
    return {
        "id": ident,
        "model": model,
        "results": results,
        "usage": {"total_tokens": tokens},
        "meta": {"api_version": {"version": "2"}, "tokens": {"input_tokens": tokens, "output_tokens": 0}},
    }
