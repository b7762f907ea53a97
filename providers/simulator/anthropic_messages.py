"""Anthropic Messages as the simulated vendor speaks it: its errors, limits and small endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from providers.errors import ErrorCode, ProviderError
from providers.simulator.dialect import Answer, Dialect, input_tokens
from providers.simulator.prompt_cache import Cached, PromptCache
from providers.simulator.refusals import check_messages
from providers.simulator.vendor import ErrorKind, VendorKnobs
from providers.types import Citation, CompletionRequest, CompletionResponse, ServerToolPart, ThinkingPart
from providers.wire import anthropic_messages as wire
from providers.wire.reading import BadRequest
from providers.wire.writing import Head, StreamWriter

FAULTS: dict[ErrorKind, str] = {
    "server_error": "Internal server error",
    "bad_gateway": "Bad gateway",
    "overloaded": "Overloaded",
    "timeout504": "Request timed out",
    "rate_limited": "This request would exceed your organization's rate limit of 4,000 requests per minute.",
    "quota": "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
    "authentication": "invalid x-api-key",
    "permission": "Your API key does not have permission to use the specified resource.",
    "model_not_found": "model: {model}",
    "context_length": "prompt is too long: 210000 tokens > 200000 maximum",
    "content_filtered": "Output blocked by content filtering policy",
    "invalid_request": "temperature: Input should be less than or equal to 1",
}
MODELS = ("claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-6")


class AnthropicMessages(Dialect):
    chat = "/v1/messages"
    faults = FAULTS
    call_prefix = "toolu"
    cites_files = True

    def read(self, body: Mapping[str, Any], headers: Mapping[str, str], knobs: VendorKnobs) -> CompletionRequest:
        if not headers.get("anthropic-version"):
            raise BadRequest("anthropic-version: header is required")
        request = wire.read_request(body)
        check_messages(body, request, knobs)
        return request

    def wants_stream(self, body: Mapping[str, Any]) -> bool:
        return wire.wants_stream(body)

    def plain(
        self, body: Mapping[str, Any], request: CompletionRequest, response: CompletionResponse, head: Head
    ) -> dict[str, Any]:
        return wire.render_response(response, head)

    def writer(self, body: Mapping[str, Any], head: Head, answer: Answer) -> StreamWriter:
        return wire.MessagesStreamWriter(head, lambda: answer.thinking)

    def thought(self, text: str) -> ThinkingPart:
        return ThinkingPart(text, signature="c2lnbmF0dXJl")

    def searched(self, asked: str, found: Sequence[Citation]) -> tuple[ServerToolPart, ...]:
        call_id = "srvtoolu_01simulated"
        results = [
            {
                "type": "web_search_result",
                "url": one.url,
                "title": one.title,
                "encrypted_content": "c2VhbGVk",
                "page_age": None,
            }
            for one in found
        ]
        use = {"type": "server_tool_use", "id": call_id, "name": "web_search", "input": {"query": asked}}
        result = {"type": "web_search_tool_result", "tool_use_id": call_id, "content": results}
        return tuple(ServerToolPart(str(block["type"]), block) for block in (use, result))

    def cited(self, citation: Citation) -> Citation:
        told = {
            "type": "web_search_result_location",
            "url": citation.url,
            "title": citation.title,
            "cited_text": citation.text or "",
            "encrypted_index": "c2VhbGVk",
        }
        return citation if citation.opaque else replace(citation, opaque=told)

    def fault(self, kind: ErrorKind, model: str) -> ProviderError:
        error = super().fault(kind, model)
        if kind == "quota":
            error.code = ErrorCode.INVALID_REQUEST  # so the vendor calls it: the text alone tells
        return error

    def cached(self, body: Mapping[str, Any], cache: PromptCache, key: str, now: float) -> Cached:
        return cache.marked(body, key, now)

    def render_error(self, error: ProviderError, ident: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        return wire.render_error(error, f"req_{ident}")

    def not_found(self, method: str, path: str) -> ProviderError:
        return ProviderError(ErrorCode.MODEL_NOT_FOUND, "Not found")

    def headers(self, ident: str, in_flight: int) -> dict[str, str]:
        reset = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        limits = {"requests": (4000, 1), "input-tokens": (2_000_000, 1000), "output-tokens": (400_000, 1000)}
        told = {"request-id": f"req_{ident}", "anthropic-organization-id": "simulator"}
        for name, (limit, used) in limits.items():
            told[f"anthropic-ratelimit-{name}-limit"] = str(limit)
            told[f"anthropic-ratelimit-{name}-remaining"] = str(max(0, limit - used * in_flight))
            told[f"anthropic-ratelimit-{name}-reset"] = reset
        return told

    def other(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        if (method, path) == ("POST", "/v1/messages/count_tokens"):
            return {"input_tokens": input_tokens(wire.read_request(body, count_only=True))}
        if (method, path) != ("GET", "/v1/models"):
            return None
        created = "2025-10-01T00:00:00Z"
        listed = [{"type": "model", "id": name, "display_name": name, "created_at": created} for name in MODELS]
        return {"data": listed, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
