"""What a simulation asks, and how it asks for vectors and ranks."""

from __future__ import annotations

from typing import Any, NamedTuple

from providers.embeddings import EmbeddingResponse, RerankResponse
from router.router import Router
from router.simulate.schema import Traffic


class Question(NamedTuple):
    """What somebody asks, in tokens. Those with the same `name` ask the same; `talk` is whose turn it is."""

    name: str
    prompt: int
    answer: int
    talk: str = ""


async def made(
    router: Router, line: Traffic, makes: str, text: str, params: dict[str, Any]
) -> EmbeddingResponse | RerankResponse:
    """Make vectors or ranks; what the simulated vendors go by is in the body."""
    more: dict[str, Any] = {"namespace": params["namespace"], "affinity": params["affinity"], "require": line.require}
    more["extra_body"] = params["metadata"]
    if makes == "ranks":
        return await router.rerank(line.route, text, [text], **more)
    return await router.embed(line.route, text, cache=params["cache"], **more)
