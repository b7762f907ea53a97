"""Embeddings and reranking, as `Router` has them beside its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from providers.embedding_requests import Inputs
from providers.embeddings import EmbeddingRequest, EmbeddingResponse, RerankRequest, RerankResponse
from router.engine.embedding import build_embedding, build_rerank
from router.engine.params import EmbeddingParams, RerankParams
from router.engine.request import as_it_is
from router.parts import Parts

if TYPE_CHECKING:
    from router.cache.cached import CacheControl


class EmbeddingCalls:
    """The part of `Router` that makes embeddings and ranks documents."""

    _parts: Parts

    async def embed(
        self, route: str, inputs: Inputs, *, cache: CacheControl = "use", **params: Unpack[EmbeddingParams]
    ) -> EmbeddingResponse:
        """Make a vector of each input, in their order.

        However many there are, and wherever they are made: a request that no vendor takes at once is split, and one
        failure fails all of it.

        Args:
            route: a route with `embeds: true`, a model of the file with `embeds`, or `provider/model-id`.
            inputs: a text, a list of texts, the tokens of a text, or a list of such lists.
            cache: where the route keeps vectors: "use" it, "skip" it, "refresh" it by a call, or "only" look there.
            params: what else the call asks for, see `EmbeddingParams`.

        Raises:
            UnknownRoute, RouteExhausted, ProviderError, TypeError (an unknown parameter).
        """
        engine = self._parts.engine
        begun = engine.begin(route, build_embedding, route, inputs, params, makes="embeddings")
        return await self._parts.embed(*begun, cache)

    async def ask_embed(
        self, request: EmbeddingRequest, *, route: str | None = None, cache: CacheControl = "use"
    ) -> EmbeddingResponse:
        """Make the vectors of a request that is ready and checked; to `embed` what `ask` is to `complete`."""
        named = request.model if route is None else route
        return await self._parts.embed(*self._parts.engine.begin(named, as_it_is, request, makes="embeddings"), cache)

    async def rerank(
        self, route: str, query: str, documents: Sequence[Any], **params: Unpack[RerankParams]
    ) -> RerankResponse:
        """Rank documents by how well they answer a query, the best first.

        Args:
            route: a route with `reranks: true`, a model of the file with `reranks`, or `provider/model-id`.
            documents: texts, or dicts with a `text`.
            params: what else the call asks for, see `RerankParams`.

        Raises:
            UnknownRoute, RouteExhausted, ProviderError, TypeError (an unknown parameter).
        """
        engine = self._parts.engine
        begun = engine.begin(route, build_rerank, route, query, documents, params, makes="ranks")
        return await self._parts.embedder().rerank(*begun)

    async def ask_rerank(self, request: RerankRequest, *, route: str | None = None) -> RerankResponse:
        """Rank the documents of a request that is ready and checked; to `rerank` what `ask` is to `complete`."""
        named = request.model if route is None else route
        return await self._parts.embedder().rerank(*self._parts.engine.begin(named, as_it_is, request, makes="ranks"))
