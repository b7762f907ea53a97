"""What a provider is, and the stream that it hands out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from providers.types import (
    CompletionRequest,
    CompletionResponse,
    Message,
    ModelCapabilities,
    StreamChunk,
    TokenCount,
)


class ChunkStream:
    """A streamed answer: an async iterator and an async context manager.

    Nothing is sent before the first chunk is asked for. Leaving the context, or `aclose()`, closes the
    upstream connection at once. `response` is the accumulated answer, complete after the last chunk and
    partial before.

    Args:
        chunks: where the chunks come from; closed by `aclose()` when it has that method.
        response: gives the answer accumulated so far.
    """

    __slots__ = ("_chunks", "_response")

    def __init__(self, chunks: AsyncIterator[StreamChunk], response: Callable[[], CompletionResponse]) -> None:
        self._chunks = chunks
        self._response = response

    def __aiter__(self) -> AsyncIterator[StreamChunk]:
        return self._chunks

    async def __anext__(self) -> StreamChunk:
        return await anext(self._chunks)

    @property
    def response(self) -> CompletionResponse:
        return self._response()

    async def aclose(self) -> None:
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
    """One connection to one vendor. Every failure that leaves it is a `ProviderError`."""

    name: str

    async def complete(self, request: CompletionRequest) -> CompletionResponse: ...

    def stream(self, request: CompletionRequest) -> ChunkStream: ...

    def count_tokens(self, messages: Sequence[Message], model: str) -> TokenCount: ...

    def capabilities(self, model: str) -> ModelCapabilities: ...

    async def aclose(self) -> None: ...
