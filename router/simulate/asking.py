"""What somebody asks in a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from providers.embeddings import EmbeddingResponse, RerankResponse
from router.router import Router
from router.simulate.schema import Traffic

NO_MORE: Mapping[str, Any] = {}


class Question(NamedTuple):
    """What somebody asks: tokens of prompt and answer. Those with the same `name` ask the same."""

    name: str
    prompt: int
    answer: int


async def made(
    router: Router, line: Traffic, makes: str, text: str, params: dict[str, Any]
) -> EmbeddingResponse | RerankResponse:
    """Make vectors or ranks; what the vendors go by is in the body."""
    more: dict[str, Any] = {name: params.get(name) for name in ("namespace", "affinity", "caller", "tags", "require")}
    more["extra_body"] = params["metadata"]
    if makes == "ranks":
        return await router.rerank(line.route, text, [text], **more)
    return await router.embed(line.route, text, cache=params["cache"], **more)
