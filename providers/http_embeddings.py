"""Embeddings and reranking over HTTP: the call, and what becomes of every failure. A subclass writes and reads.

Beside `HttpProvider`, since most of what that does for a chat (streams, tools, native bodies) is nothing here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

from msgspec.structs import replace

from providers.answers import finished
from providers.classify import classify_payload, error_in, parse_json
from providers.embedding_requests import check
from providers.embeddings import EmbeddingRequest, EmbeddingResponse, RerankRequest, RerankResponse
from providers.errors import ErrorCode, ProviderError
from providers.http_provider import HttpProvider
from providers.refused_fields import Refusal, refused, without
from providers.stream_reading import no_json
from providers.threads import in_thread
from providers.timeouts import bounded, for_call
from providers.transport.headers import request_id_of

Asked = TypeVar("Asked", EmbeddingRequest, RerankRequest)
Answer = TypeVar("Answer", EmbeddingResponse, RerankResponse)
_LARGE = 2_000_000  # bytes of an answer that is read in a thread: some would hold the loop for tenths of a second
Encoded = tuple[str, dict[str, Any]]  # path and body


class HttpEmbeddings(HttpProvider):
    """A provider over HTTP that makes embeddings, and may rank documents."""

    checks_vectors: ClassVar[bool] = True  # that they are numbers: nobody has to look again

    @abstractmethod
    def encode_embedding(self, request: EmbeddingRequest) -> Encoded:
        """The path below the base URL, and the JSON body; raises ProviderError where the vendor can't be told."""

    @abstractmethod
    def decode_embedding(self, body: Any, request: EmbeddingRequest) -> EmbeddingResponse:
        """Read an answer; raises ProviderError when it is none."""

    def encode_rerank(self, request: RerankRequest) -> Encoded:
        """The path below the base URL, and the JSON body."""
        raise ProviderError(ErrorCode.UNSUPPORTED, "this vendor ranks no documents")

    def decode_rerank(self, body: Any, request: RerankRequest) -> RerankResponse:
        """Read an answer; raises ProviderError when it is none."""
        raise AssertionError("who asks nothing reads nothing")

    def parsed(self, data: bytes, request: EmbeddingRequest | RerankRequest) -> Any:
        """The JSON of an answer, for those who read it; raises ValueError when it is none."""
        return parse_json(data)

    async def embed(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Make a vector of each input.

        Raises:
            ProviderError: whatever failed; PROTOCOL_ERROR where an answer has others than were asked for.
        """
        return await self._within(request, self._call(request, self.encode_embedding, self.decode_embedding))

    async def rerank(self, request: RerankRequest) -> RerankResponse:
        """Rank documents by how well they answer a query.

        Raises:
            ProviderError: whatever failed; UNSUPPORTED where the vendor ranks none.
        """
        return await self._within(request, self._call(request, self.encode_rerank, self.decode_rerank))

    async def _within(self, request: EmbeddingRequest | RerankRequest, call: Awaitable[Answer]) -> Answer:
        timeout = self.settings.timeout
        timeout = for_call(timeout, request.timeout) if request.timeout else timeout
        if timeout.answer is None and timeout.total is None:
            return await call
        return await bounded(call, timeout, provider=self.name, model=request.model)

    async def _call(
        self, request: Asked, encode: Callable[[Asked], Encoded], decode: Callable[[Any, Asked], Answer]
    ) -> Answer:
        try:
            if self._validates:
                check(request)
            path, body = encode(request)
            refusals: tuple[Refusal, ...] = self._refused.get(request.model, ())
            sent, left_out = without(body, refusals) if refusals else (body, ())
            try:
                response = await self._send("POST", path, sent, request)
            except ProviderError as error:
                more: tuple[Refusal, ...] = refused(error, sent)
                if not more:
                    raise
                sent, left_out = without(sent, more)
                response = await self._send("POST", path, sent, request)
                self._refused.learn(request.model, (*refusals, *more))
            data, request_id = await response.read(), request_id_of(response.headers)

            def read() -> Answer:
                try:
                    found = self.parsed(data, request)
                except ValueError:
                    raise no_json(data, response.status, request_id) from None
                if error_in(found):
                    raise classify_payload(found, None, response.headers, provider=self.name, model=request.model)
                return decode(found, request)

            try:
                answer = await in_thread(read) if len(data) > _LARGE else read()
            except ProviderError as error:
                error.request_id = error.request_id or request_id
                raise
            model = self._scrub.own(answer.model[:200]) if answer.model != request.model else answer.model
            return replace(answer, provider=self.name, model=model, request_id=request_id, left_out=left_out)
        except ProviderError as error:
            raise finished(error, request, self.name, self._scrub)  # noqa: B904 - the same error, completed
