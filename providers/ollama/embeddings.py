"""Ollama's embeddings: requests out, answers in.

Protocol: ollama/ollama, docs/api.md and server/routes.go (`EmbedHandler`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.embeddings import EmbeddingRequest, EmbeddingResponse
from providers.errors import ErrorCode, ProviderError
from providers.lenient_json import as_count, as_dict, as_str
from providers.types import Usage
from providers.vectors import packed


def encode(request: EmbeddingRequest, options: Mapping[str, Any]) -> dict[str, Any]:
    """The body of POST /api/embed. `extra_body` is merged last and wins.

    `truncate: false` is sent unless asked otherwise: by itself the server cuts what is too long and says nothing.

    Args:
        options: the provider's own: `num_ctx`, `keep_alive`, and `options` with any of the server's.

    Raises:
        ProviderError: UNSUPPORTED for tokens, which the server does not take.
    """
    if not all(isinstance(each, str) for each in request.inputs):
        raise ProviderError(ErrorCode.UNSUPPORTED, "Ollama takes texts, no tokens", model=request.model)
    body: dict[str, Any] = {
        "model": request.model,
        "input": request.inputs,
        "truncate": bool(request.truncate),
        "dimensions": request.dimensions,
        "keep_alive": options.get("keep_alive"),
    }
    own = as_dict(options.get("options"))
    if options.get("num_ctx") is not None:
        own = {**own, "num_ctx": options["num_ctx"]}
    if own:
        body["options"] = own
    kept = {key: value for key, value in body.items() if value is not None}
    return {**kept, **(request.extra_body or {})}


def decode(body: Any, request: EmbeddingRequest) -> EmbeddingResponse:
    """An answer; the server leaves a count out when it is 0 or not known.

    Raises:
        ProviderError: PROTOCOL_ERROR when it is none.
    """
    body = as_dict(body)
    data, dimensions = packed(body.get("embeddings"), len(request.inputs))
    usage = Usage(as_count(body.get("prompt_eval_count")), 0)
    return EmbeddingResponse(
        data=data, dimensions=dimensions, usage=usage, model=as_str(body.get("model")) or request.model
    )
