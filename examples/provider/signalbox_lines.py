"""`kind: lines`: servers with a protocol of their own, as an example of how a kind of provider is written.

The protocol: `POST {base_url}/generate` with `{"model", "prompt", "max_tokens"}` answers in lines of JSON, each
`{"text": "…"}`, and a last one, `{"done": true, "prompt_tokens": 12, "answer_tokens": 34, "cut": false}`. Failures have
an HTTP status and `{"error": "…"}`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import httpx

from providers import (
    ChunkStream,
    CompletionRequest,
    CompletionResponse,
    ErrorCode,
    Message,
    ModelCapabilities,
    ProviderError,
    ProviderSettings,
    StreamChunk,
    TokenCount,
    Usage,
    count_tokens,
)

# What follows a failure is decided by its code alone; a status that is not here is told by its first digit.
CODES = {
    401: ErrorCode.AUTHENTICATION,
    403: ErrorCode.PERMISSION_DENIED,
    404: ErrorCode.MODEL_NOT_FOUND,
    413: ErrorCode.REQUEST_TOO_LARGE,
    429: ErrorCode.RATE_LIMITED,
    503: ErrorCode.OVERLOADED,
}


class LinesProvider:
    """One connection to such a server. `options` may have a `transport` of httpx, for tests."""

    def __init__(self, settings: ProviderSettings) -> None:
        if settings.base_url is None:
            raise ValueError("kind lines needs a base_url")
        self.name = settings.name
        headers = dict(settings.headers)
        if settings.secret is not None:
            headers["authorization"] = f"Bearer {settings.secret}"
        # Under a router all waiting is bounded by the router, by the file's `timeout`.
        self._client = httpx.AsyncClient(
            base_url=settings.base_url, headers=headers, timeout=None, transport=settings.options.get("transport")
        )

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        """Ask, and wait for the whole answer: here the same as a stream that is read to its end."""
        async with self.stream(request) as stream:
            async for _ in stream:
                pass
        return stream.response

    def stream(self, request: CompletionRequest) -> ChunkStream:
        """Ask, and get the answer piece by piece."""
        answer = _Answer(self.name, request.model)
        return ChunkStream(self._chunks(request, answer), answer.response)

    def count_tokens(self, messages: Sequence[Message], model: str) -> TokenCount:
        """An estimate, since nobody knows this server's tokenizer."""
        return count_tokens(messages, model)

    def capabilities(self, model: str) -> ModelCapabilities:
        """What the protocol has no words for is told here, so that a router asks somebody else."""
        return ModelCapabilities(streaming=True, tools=False, vision=False, json_schema=False)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _chunks(self, request: CompletionRequest, answer: _Answer) -> AsyncIterator[StreamChunk]:
        prompt = "\n\n".join(f"{message.role}: {message.text}" for message in request.messages)
        body = {"model": request.model, "prompt": prompt, "max_tokens": request.max_tokens}
        try:
            async with self._client.stream("POST", "generate", json=body) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise self._refused(request, response)
                async for line in response.aiter_lines():
                    chunk = answer.add(json.loads(line))
                    yield chunk
                    if chunk.done:
                        return
            raise self._failed(request, answer, "the answer ends in the middle")
        except httpx.TimeoutException as error:
            raise self._error(ErrorCode.TIMEOUT, request, str(error)) from error
        except httpx.HTTPError as error:
            raise self._failed(request, answer, str(error)) from error
        except ValueError as error:
            raise self._error(ErrorCode.PROTOCOL_ERROR, request, f"no JSON: {error}") from error

    def _refused(self, request: CompletionRequest, response: httpx.Response) -> ProviderError:
        status = response.status_code
        code = CODES.get(status) or (ErrorCode.SERVER_ERROR if status >= 500 else ErrorCode.INVALID_REQUEST)
        wait = response.headers.get("retry-after", "")
        error = self._error(code, request, response.text[:500], status=status)
        error.retry_after = float(wait) if wait.isdigit() else None
        return error

    def _failed(self, request: CompletionRequest, answer: _Answer, why: str) -> ProviderError:
        """A connection that broke: after the first content a router goes by `on_stream_break`, with what there is."""
        if not answer.text:
            return self._error(ErrorCode.CONNECTION_FAILED, request, why)
        error = self._error(ErrorCode.STREAM_INTERRUPTED, request, why)
        error.partial = answer.response()
        return error

    def _error(self, code: ErrorCode, request: CompletionRequest, why: str, status: int | None = None) -> ProviderError:
        return ProviderError(code, why, provider=self.name, model=request.model, status=status)


class _Answer:
    """What has come of an answer."""

    def __init__(self, provider: str, model: str) -> None:
        self.text = ""
        self._known: dict[str, Any] = {"provider": provider, "model": model}

    def add(self, line: dict[str, Any]) -> StreamChunk:
        if not line.get("done"):
            self.text += line["text"]
            return StreamChunk(text=line["text"])
        usage = Usage(input_tokens=line["prompt_tokens"], output_tokens=line["answer_tokens"])
        reason: Literal["length", "stop"] = "length" if line.get("cut") else "stop"
        self._known |= {"usage": usage, "finish_reason": reason}
        return StreamChunk(usage=usage, finish_reason=reason, done=True)

    def response(self) -> CompletionResponse:
        return CompletionResponse(text=self.text, **self._known)
