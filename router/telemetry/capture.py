"""How much of prompts and answers a request's record keeps: what the file says (`telemetry.capture`)."""

from __future__ import annotations

from typing import Literal

from providers.embeddings import (
    AnyRequest,
    AnyResponse,
    EmbeddingRequest,
    EmbeddingResponse,
    RerankRequest,
    RerankResponse,
)
from router.views.requests import Captured

PREVIEW = 200  # characters

Capture = Literal["off", "preview", "full"]


def captured(capture: Capture, request: AnyRequest, response: AnyResponse | None) -> Captured:
    """Return the prompt and the answer, or the prompt's end and the answer's beginning."""
    prompt, answer = _asked(request), "" if response is None else _answered(response)
    if capture == "full":
        return Captured(prompt, answer, True)
    return Captured(prompt[-PREVIEW:], answer[:PREVIEW], False)


def _asked(request: AnyRequest) -> str:
    if isinstance(request, EmbeddingRequest):
        return "\n\n".join(each if isinstance(each, str) else f"{len(each)} tokens" for each in request.inputs)
    if isinstance(request, RerankRequest):
        return "\n\n".join((*request.documents, f"query: {request.query}"))
    return "\n\n".join(f"{message.role}: {message.text}" for message in request.messages)


def _answered(response: AnyResponse) -> str:
    if isinstance(response, EmbeddingResponse):
        return f"{response.count} vectors of {response.dimensions} numbers"
    if isinstance(response, RerankResponse):
        return "\n".join(f"document {each.index}: {each.score:.4g}" for each in response.results)
    return response.text
