"""A provider that answers from a script: for unit tests, ours and everybody's.

    fake = FakeProvider.scripted(Reply("Hello"), Fail(ErrorCode.OVERLOADED), Reply("Hi", delay=2.0))

Each call takes the next step of the script; when it is used up, the last step is repeated. All waits are
`asyncio.sleep`, so they cost nothing on a virtual-time loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import msgspec

from providers import made_up
from providers.accumulate import Accumulator, as_chunks
from providers.base import ChunkStream
from providers.embeddings import (
    AnyRequest,
    EmbeddingRequest,
    EmbeddingResponse,
    RerankRequest,
    RerankResponse,
)
from providers.errors import PLAIN_WORDS, ErrorCode, ProviderError
from providers.settings import ProviderSettings
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    FinishReason,
    Message,
    ModelCapabilities,
    StreamChunk,
    TokenCount,
    ToolCall,
    Usage,
)

__all__ = ["Fail", "FakeProvider", "Hang", "Reply"]


_SCRIPTED = "scripted failure"


class Reply(msgspec.Struct, frozen=True):
    """An answer: `delay` seconds to the first token, then one chunk of `chunk_size` characters every `every` seconds.

    `break_after` chunks the stream fails with `break_with`. `hang_after` chunks it says no more.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    thinking: str = ""
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage(input_tokens=10, output_tokens=5)
    delay: float = 0.0
    every: float = 0.0
    chunk_size: int = 4
    break_after: int | None = None
    break_with: ErrorCode = ErrorCode.STREAM_INTERRUPTED
    hang_after: int | None = None


class Fail(msgspec.Struct, frozen=True):
    """A failure after `delay` seconds; the other fields are those of the `ProviderError`.

    A router reads in the `message` what a refusal or a limit is about, as it does with a vendor's. Without one,
    AUTHENTICATION and QUOTA_EXHAUSTED are about the key, MODEL_NOT_FOUND about the model, and PERMISSION_DENIED and
    RATE_LIMITED say nothing.
    """

    code: ErrorCode
    message: str = _SCRIPTED
    delay: float = 0.0
    retry_after: float | None = None
    context_window: int | None = None
    status: int | None = None
    phase: str | None = None
    stale_connection: bool = False


class Hang(msgspec.Struct, frozen=True):
    """No answer, ever."""


Step: TypeAlias = Reply | Fail | Hang


class FakeProvider:
    """Answers by script and remembers the requests.

    Through settings: `options={"script": [...]}`, a list of `Reply`, `Fail` or `Hang`, or a function from
    request to one of them; without it, every answer is "Hello from NAME.". Embeddings and ranks take a step like every
    call; of a `Reply` only the delay holds for them.
    """

    def __init__(self, settings: ProviderSettings) -> None:
        self.name = settings.name
        script: Any = settings.options.get("script") or [Reply(f"Hello from {settings.name}.")]
        self.script: Sequence[Step] | Callable[[Any], Step] = script
        self.requests: list[Any] = []  # of each kind as they came
        self.cancelled = 0
        self.closed = False
        self._said: tuple[Reply | None, list[StreamChunk]] = None, []

    @classmethod
    def scripted(cls, *steps: Step, name: str = "fake") -> FakeProvider:
        """Make one that takes these steps, one a call; the last is repeated."""
        return cls(ProviderSettings(name=name, kind="fake", options={"script": list(steps)}))

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        """Take the next step, and give its whole answer."""
        gathered = Accumulator(self.name, request.model)
        async for _ in self._chunks(request, gathered):
            pass
        return gathered.response()

    def stream(self, request: CompletionRequest) -> ChunkStream:
        """Take the next step, and give its answer in chunks."""
        gathered = Accumulator(self.name, request.model)
        return ChunkStream(self._chunks(request, gathered), gathered.response)

    async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Take the next step, and make a vector of each input out of a hash of it: the same text has the same one."""
        dimensions = request.dimensions or request.width or made_up.DIMENSIONS
        async with self._taken(request):
            data = b"".join(made_up.vector_of(each, dimensions) for each in request.inputs)
            usage = Usage(sum(map(made_up.tokens_of, request.inputs)), 0)
            return EmbeddingResponse(
                data=data, dimensions=dimensions, usage=usage, model=request.model, provider=self.name
            )

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        """Take the next step, and rank the documents by how many of the query's words they have."""
        async with self._taken(request):
            results = made_up.rank(request.query, request.documents, request.top_n)
            usage = Usage(sum(map(made_up.tokens_of, (request.query, *request.documents))), 0)
            return RerankResponse(results=results, usage=usage, model=request.model, provider=self.name)

    @asynccontextmanager
    async def _taken(self, request: EmbeddingRequest | RerankRequest) -> AsyncIterator[None]:
        """Take a step whose answer is not of its own text: it waits, or fails."""
        step = self._next_step(request)
        try:
            if isinstance(step, Hang):
                await asyncio.Event().wait()
            else:
                await _pause(step.delay)
            if isinstance(step, Fail):
                raise self._error(step, request.model)
            yield
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def count_tokens(self, messages: Sequence[Message], model: str) -> TokenCount:
        """Count each word as a token."""
        return TokenCount(sum(len(message.text.split()) for message in messages), True, "words")

    def capabilities(self, model: str) -> ModelCapabilities:
        """Tools and streaming, whatever the model."""
        return ModelCapabilities(tools=True, streaming=True)

    async def aclose(self) -> None:
        """Remember in `closed` that it was closed."""
        self.closed = True

    def _next_step(self, request: AnyRequest) -> Step:
        self.requests.append(request)
        if callable(self.script):
            return self.script(request)
        return self.script[min(len(self.requests), len(self.script)) - 1]

    async def _chunks(self, request: CompletionRequest, gathered: Accumulator) -> AsyncIterator[StreamChunk]:
        step = self._next_step(request)
        try:
            if isinstance(step, Hang):
                await asyncio.Event().wait()
                return
            await _pause(step.delay)
            if isinstance(step, Fail):
                raise self._error(step, request.model)
            if step.thinking:
                chunk = StreamChunk(thinking=step.thinking)
                gathered.add(chunk)
                yield chunk
            for number, chunk in enumerate(self._pieces(step)):
                if number == step.break_after:
                    raise ProviderError(step.break_with, "scripted break", provider=self.name, model=request.model)
                if number == step.hang_after:
                    await asyncio.Event().wait()
                if number and step.every:
                    await _pause(step.every)
                gathered.add(chunk)
                yield chunk
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    def _pieces(self, step: Reply) -> list[StreamChunk]:
        """The chunks of an answer; the last one's are kept, since it is often repeated."""
        if step is not self._said[0]:
            answer = CompletionResponse(
                text=step.text, tool_calls=step.tool_calls, finish_reason=step.finish_reason, usage=step.usage
            )
            self._said = step, as_chunks(answer, size=step.chunk_size)
        return self._said[1]

    def _error(self, step: Fail, model: str) -> ProviderError:
        says = step.message
        if says == _SCRIPTED and step.code in PLAIN_WORDS and step.code is not ErrorCode.PERMISSION_DENIED:
            says += f": {PLAIN_WORDS[step.code]}"
        return ProviderError(
            step.code,
            says,
            provider=self.name,
            model=model,
            status=step.status,
            retry_after=step.retry_after,
            context_window=step.context_window,
            phase=step.phase,
            stale_connection=step.stale_connection,
        )


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
