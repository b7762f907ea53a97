"""What a provider is, and the stream that it hands out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from providers.embeddings import (
    EmbeddingLimits,
    EmbeddingRequest,
    EmbeddingResponse,
    RerankRequest,
    RerankResponse,
)
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    Message,
    ModelCapabilities,
    RemainingQuota,
    StreamChunk,
    TokenCount,
    WireProtocol,
)


class ChunkStream:
    """A streamed answer: an async iterator and an async context manager.

    Nothing is sent before the first chunk is asked for. Leaving the context, or `aclose()`, closes the
    upstream connection at once. `response` is the accumulated answer, complete after the last chunk and
    partial before.

    Args:
        chunks: where the chunks come from; closed by `aclose()` when it has that method.
        response: gives the answer accumulated so far.
        heard: gives the loop's time of the vendor's last sign of life, such as a keep-alive that is no chunk; None
            where that is not known.
    """

    __slots__ = ("_chunks", "_response", "heard")

    def __init__(
        self,
        chunks: AsyncIterator[StreamChunk],
        response: Callable[[], CompletionResponse],
        heard: Callable[[], float] | None = None,
    ) -> None:
        self._chunks = chunks
        self._response = response
        self.heard = heard

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        return self._chunks

    async def __anext__(self) -> StreamChunk:
        return await anext(self._chunks)

    @property
    def response(self) -> CompletionResponse:
        """The answer accumulated so far; whole after the last chunk."""
        return self._response()

    async def aclose(self) -> None:
        """Close the upstream connection at once."""
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.aclose()


@runtime_checkable
class Provider(Protocol):
    """One connection to one vendor: what every kind of provider has to be. Write a class with these five methods,
    register it (`providers.registry.register`), and a routes.yaml can name it as `kind`.

    Every failure that leaves a provider is a `ProviderError`. A provider belongs to the event loop of its first use. It
    keeps no state of a request: the same provider serves many at the same time. What a kind can do besides is told by
    the small protocols below (`ReportsQuota`, `SupportsPrefill`, `CountsExactly`, `ListsModels`,
    `Embeds`, `Reranks`), each of which a class
    may have or not.
    """

    name: str  # as the file calls it; errors and answers carry it

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        """Ask, and wait for the whole answer.

        Args:
            request: checked (`providers.validation.validate`); `request.model` is the vendor's own id.

        Raises:
            ProviderError: whatever failed, with the code that decides what a router does next.
        """
        ...

    def stream(self, request: CompletionRequest) -> ChunkStream:
        """Ask, and get the answer piece by piece. Nothing is sent before the first chunk is asked for.

        The last chunk has `done=True`. Closing the stream closes the connection at once.

        Raises:
            ProviderError: while iterating; STREAM_INTERRUPTED with the `partial` answer once content was given out.
        """
        ...

    def count_tokens(self, messages: Sequence[Message], model: str) -> TokenCount:
        """The tokens of a prompt, counted or estimated here: nothing is sent. It may take milliseconds."""
        ...

    def capabilities(self, model: str) -> ModelCapabilities:
        """What is known of a model before it is asked; a field of None is not known, and excludes nothing."""
        ...

    async def aclose(self) -> None:
        """Close all connections. Calls under way fail with CANCELLED or CONNECTION_FAILED."""
        ...


@runtime_checkable
class ReportsQuota(Protocol):
    """A provider whose vendor says with each answer how much of its limits is left."""

    def remaining_quota(self, model: str) -> RemainingQuota | None:
        """What the newest answer of this model said is left; told once, None where it said nothing."""
        ...


@runtime_checkable
class SupportsPrefill(Protocol):
    """A provider some of whose models go on from the beginning of an answer."""

    def supports_prefill(self, model: str) -> bool:
        """Whether a last assistant message is taken as the beginning of the answer, which is then continued."""
        ...


@runtime_checkable
class SpeaksProtocol(Protocol):
    """A provider that can be handed a client's own body (`CompletionRequest.native`)."""

    def wire(self, request: CompletionRequest) -> WireProtocol | None:
        """The protocol that a request goes out in; None: no client's own body is sent."""
        ...


@runtime_checkable
class KeepsFiles(Protocol):
    """A provider that knows whether its vendor keeps files, which requests name by their ids."""

    def keeps_files(self, request: CompletionRequest) -> bool:
        """Whether the vendor may have what this request names."""
        ...


@runtime_checkable
class CountsExactly(Protocol):
    """A provider whose vendor has an endpoint that counts tokens."""

    async def count_exact(self, request: CompletionRequest) -> TokenCount:
        """The tokens of a request's prompt, tools and images included, as the vendor counts them.

        Raises:
            ProviderError: UNSUPPORTED where this vendor counts nothing; else whatever failed.
        """
        ...


@runtime_checkable
class ListsModels(Protocol):
    """A provider whose vendor tells which models it offers."""

    async def list_models(self) -> tuple[str, ...]:
        """The ids of the models that the vendor offers now, sorted.

        Raises:
            ProviderError: whatever failed.
        """
        ...


@runtime_checkable
class AsksHealth(Protocol):
    """A provider whose server may have a path that tells whether it is well."""

    async def ask_health(self, path: str) -> None:
        """Ask it, by a path under its host such as /health.

        Raises:
            ProviderError: it is not well, or whatever failed.
        """
        ...


@runtime_checkable
class KnowsEmbeddings(Protocol):
    """A provider that knows something of its vendor's models that make embeddings."""

    def embedding_limits(self, model: str) -> EmbeddingLimits:
        """What is known of a model before it is asked."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A provider whose vendor makes vectors of texts."""

    async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """A vector of each input, in their order.

        Args:
            request: checked (`providers.embedding_requests.check`); `request.model` is the vendor's own id.

        Raises:
            ProviderError: whatever failed; PROTOCOL_ERROR where others came than were asked for.
        """
        ...


@runtime_checkable
class Reranks(Protocol):
    """A provider whose vendor ranks documents."""

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        """The documents by how well they answer a query, the best first.

        Raises:
            ProviderError: whatever failed; UNSUPPORTED where this vendor ranks none.
        """
        ...
