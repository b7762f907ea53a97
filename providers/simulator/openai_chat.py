"""OpenAI chat completions as the simulated vendor speaks it: its errors, limits and small endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.errors import ErrorCode, ProviderError
from providers.simulator.dialect import Answer, Dialect
from providers.simulator.prompt_cache import Cached, PromptCache
from providers.simulator.refusals import check_chat
from providers.simulator.vendor import ErrorKind, VendorKnobs
from providers.types import CompletionRequest, CompletionResponse
from providers.wire import openai_chat as wire
from providers.wire.writing import Head, StreamWriter

FAULTS: dict[ErrorKind, str] = {
    "server_error": "The server had an error while processing your request. Sorry about that!",
    "bad_gateway": "Bad gateway.",
    "overloaded": "The server is currently overloaded with other requests. Please try again later.",
    "timeout504": "The request timed out.",
    "rate_limited": "Rate limit reached for {model} on requests per min.",
    "quota": "You exceeded your current quota, please check your plan and billing details.",
    "authentication": "Incorrect API key provided.",
    "permission": "Project does not have access to model `{model}`.",
    "model_not_found": "The model `{model}` does not exist or you do not have access to it.",
    "context_length": "This model's maximum context length is 128000 tokens. However, your messages resulted in 131072 "
    "tokens. Please reduce the length of the messages.",
    "content_filtered": "Your request was rejected as a result of our safety system.",
    "invalid_request": "Invalid value for 'temperature': expected at most 2.",
}
MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5-mini")


class OpenAIChat(Dialect):
    base = "/v1"
    chat = "/v1/chat/completions"
    faults = FAULTS

    def read(self, body: Mapping[str, Any], headers: Mapping[str, str], knobs: VendorKnobs) -> CompletionRequest:
        request = wire.read_request(body)
        check_chat(body, request, knobs)
        return request

    def wants_stream(self, body: Mapping[str, Any]) -> bool:
        return wire.wants_stream(body)

    def plain(
        self, body: Mapping[str, Any], request: CompletionRequest, response: CompletionResponse, head: Head
    ) -> dict[str, Any]:
        return wire.render_response(response, head)

    def writer(self, body: Mapping[str, Any], head: Head, answer: Answer) -> StreamWriter:
        return wire.ChatStreamWriter(head, usage=wire.wants_usage(body))

    def cached(self, body: Mapping[str, Any], cache: PromptCache, key: str, now: float) -> Cached:
        return cache.automatic(body, key, now)

    def render_error(self, error: ProviderError, ident: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        return wire.render_error(error)

    def not_found(self, method: str, path: str) -> ProviderError:
        return ProviderError(ErrorCode.INVALID_REQUEST, f"Invalid URL ({method} {path})")

    def headers(self, ident: str, in_flight: int) -> dict[str, str]:
        return limits(ident, in_flight)

    def other(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        if (method, path) != ("GET", "/v1/models"):
            return None
        listed = [{"id": name, "object": "model", "created": 1715367049, "owned_by": "simulator"} for name in MODELS]
        return {"object": "list", "data": listed}


def limits(ident: str, in_flight: int) -> dict[str, str]:
    """The request id, and what is left of the vendor's limits."""
    return {
        "x-request-id": f"req_{ident}",
        "openai-processing-ms": "12",
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": str(max(0, 10_000 - in_flight)),
        "x-ratelimit-reset-requests": f"{6 * in_flight}ms",
        "x-ratelimit-limit-tokens": "2000000",
        "x-ratelimit-remaining-tokens": str(max(0, 2_000_000 - 1000 * in_flight)),
        "x-ratelimit-reset-tokens": f"{30 * in_flight}ms",
    }
