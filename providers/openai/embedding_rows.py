"""How servers of OpenAI's protocol differ in embeddings and reranking: one row of data each.

From the vendors' references (OpenAI, Azure, Cohere, Mistral, Gemini, NVIDIA, Jina, Voyage), and the sources of vLLM,
llama.cpp and Text Embeddings Inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from providers.embeddings import EmbeddingLimits, InputType


class EmbeddingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row.

    `path` and `rerank` are below the base URL, with two slashes at the beginning below the host; a `rerank` of None is
    none. `hosts` are ends of hosts' names, for servers that have no dialect of their own. `base64` asks for vectors in
    that form, which is a third of the bytes. `input_types` and `truncates` are the fields that say what texts are for,
    and that those too long are cut. `dimensions` and `top_n` are the names of those fields. `documents` is what the
    documents' field is called, `results` where the answer has them ("" is the answer itself). `max_inputs` are the
    most texts of a request, `max_request_tokens` their tokens.
    """

    path: str = "/embeddings"
    hosts: tuple[str, ...] = ()
    base64: bool = False
    input_types: Mapping[InputType, Mapping[str, Any]] = {}
    truncates: Mapping[str, Any] = {}
    dimensions: str = "dimensions"
    rerank: str | None = "/rerank"
    documents: Literal["documents", "texts"] = "documents"
    top_n: str | None = "top_n"
    results: tuple[str, ...] = ("results", "data")
    max_inputs: int = 2048
    max_request_tokens: int | None = None


_GENERIC = EmbeddingRow()

_BY_DIALECT: Mapping[str, EmbeddingRow] = {
    "openai": EmbeddingRow(base64=True, rerank=None, max_request_tokens=300_000),
    "azure": EmbeddingRow(base64=True, rerank=None, max_request_tokens=300_000),
    "vllm": EmbeddingRow(base64=True, truncates={"truncate_prompt_tokens": -1}),
    "lmstudio": EmbeddingRow(base64=True, rerank=None),
    "llamacpp": EmbeddingRow(base64=True),
    "ollama": EmbeddingRow(rerank=None),
    "mistral": EmbeddingRow(dimensions="output_dimension", rerank=None),
    "gemini": EmbeddingRow(rerank=None, max_inputs=100),
    "cohere": EmbeddingRow(rerank="//v2/rerank", max_inputs=96),
    "nvidia": EmbeddingRow(
        input_types={"query": {"input_type": "query"}, "document": {"input_type": "passage"}},
        truncates={"truncate": "END"},
        rerank=None,
    ),
    "tei": EmbeddingRow(
        path="//v1/embeddings", rerank="//rerank", documents="texts", top_n=None, results=(), max_inputs=32
    ),
}

_BY_HOST = (
    EmbeddingRow(
        hosts=("jina.ai",),
        input_types={"query": {"task": "retrieval.query"}, "document": {"task": "retrieval.passage"}},
        truncates={"truncate": True},
    ),
    EmbeddingRow(
        hosts=("voyageai.com",),
        input_types={"query": {"input_type": "query"}, "document": {"input_type": "document"}},
        truncates={"truncation": True},
        dimensions="output_dimension",
        top_n="top_k",
        max_inputs=1000,
    ),
)

# OpenAI's models, by the beginning of their names.
_MODELS: Mapping[str, EmbeddingLimits] = {
    "text-embedding-3-small": EmbeddingLimits(dimensions=1536, shortens=True, max_tokens=8192),
    "text-embedding-3-large": EmbeddingLimits(dimensions=3072, shortens=True, max_tokens=8192),
    "text-embedding-ada-002": EmbeddingLimits(dimensions=1536, shortens=False, max_tokens=8192),
}


def row_for(dialect: str, base_url: str) -> EmbeddingRow:
    """The row of a dialect, else the one of the URL's host, else that of every other server."""
    found = _BY_DIALECT.get(dialect)
    if found is not None:
        return found
    host = (urlsplit(base_url).hostname or "").lower()
    return next((row for row in _BY_HOST if any(f".{host}".endswith(f".{end}") for end in row.hosts)), _GENERIC)


def limits(model: str, row: EmbeddingRow) -> EmbeddingLimits:
    """What is known of a model at a server of this row."""
    name = model.rpartition("/")[2]
    known = next((each for prefix, each in _MODELS.items() if name.startswith(prefix)), EmbeddingLimits())
    return replace(known, max_inputs=row.max_inputs, max_request_tokens=row.max_request_tokens)
