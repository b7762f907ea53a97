"""OpenAI's Responses API as the simulated vendor speaks it; its errors and limits are those of chat completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from providers.errors import ErrorCode, ProviderError
from providers.simulator import openai_chat
from providers.simulator.dialect import Answer, Dialect, input_tokens
from providers.simulator.prompt_cache import Cached, PromptCache
from providers.simulator.refusals import check_responses
from providers.simulator.vendor import VendorKnobs
from providers.types import Citation, CompletionRequest, CompletionResponse, ServerToolPart
from providers.wire import openai_responses as wire
from providers.wire.writing import Head, StreamWriter


class OpenAIResponses(Dialect):
    base = "/v1"
    chat = "/v1/responses"
    faults = openai_chat.FAULTS

    def read(self, body: Mapping[str, Any], headers: Mapping[str, str], knobs: VendorKnobs) -> CompletionRequest:
        request = wire.read_request(body)
        check_responses(body, request, knobs)
        return request

    def wants_stream(self, body: Mapping[str, Any]) -> bool:
        return wire.wants_stream(body)

    def plain(
        self, body: Mapping[str, Any], request: CompletionRequest, response: CompletionResponse, head: Head
    ) -> dict[str, Any]:
        return wire.render_response(response, head, asked=dict(body))

    def writer(self, body: Mapping[str, Any], head: Head, answer: Answer) -> StreamWriter:
        return wire.ResponsesStreamWriter(head, lambda: answer.thinking, asked=dict(body))

    def searched(self, asked: str, found: Sequence[Citation]) -> tuple[ServerToolPart, ...]:
        sources = [{"type": "url", "url": one.url} for one in found]
        action = {"type": "search", "query": asked, "queries": [asked], "sources": sources}
        item = {"type": "web_search_call", "id": "ws_simulated", "status": "completed", "action": action}
        return (ServerToolPart("web_search_call", item),)

    def cached(self, body: Mapping[str, Any], cache: PromptCache, key: str, now: float) -> Cached:
        return cache.automatic(body, key, now)

    def render_error(self, error: ProviderError, ident: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        return wire.render_error(error)

    def not_found(self, method: str, path: str) -> ProviderError:
        return ProviderError(ErrorCode.INVALID_REQUEST, f"Invalid URL ({method} {path})")

    def headers(self, ident: str, in_flight: int) -> dict[str, str]:
        return openai_chat.limits(ident, in_flight)

    def other(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        if (method, path) != ("POST", "/v1/responses/input_tokens"):
            return None
        return {"object": "response.input_tokens", "input_tokens": input_tokens(wire.read_request(body))}
