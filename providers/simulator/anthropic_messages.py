"""Anthropic Messages as the simulated vendor speaks it.

Source: https://docs.anthropic.com/en/api/messages, its streaming and error pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.simulator.dialect import (
    ANY_OBJECT,
    Answer,
    Ask,
    BadRequest,
    Dialect,
    Frame,
    count,
    encode,
    first,
    flag,
    input_tokens,
    model_and_messages,
    objects,
    part,
)
from providers.simulator.vendor import ErrorKind

# kind: status, type, message
ERRORS: dict[ErrorKind, tuple[int, str, str]] = {
    "server_error": (500, "api_error", "Internal server error"),
    "bad_gateway": (502, "api_error", "Bad gateway"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "timeout504": (504, "timeout_error", "Request timed out"),
    "rate_limited": (
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 4,000 requests per minute.",
    ),
    "quota": (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
    ),
    "authentication": (401, "authentication_error", "invalid x-api-key"),
    "permission": (403, "permission_error", "Your API key does not have permission to use the specified resource."),
    "model_not_found": (404, "not_found_error", "model: {model}"),
    "context_length": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    "content_filtered": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "invalid_request": (400, "invalid_request_error", "temperature: Input should be less than or equal to 1"),
}
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
MODELS = ("claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-6")


class AnthropicMessages(Dialect):
    base = ""
    chat = "/v1/messages"
    stream_type = "text/event-stream; charset=utf-8"

    def ask(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Ask:
        if not headers.get("anthropic-version"):
            raise BadRequest("anthropic-version: header is required")
        model, messages = model_and_messages(body)
        max_tokens = count(body, "max_tokens")
        if max_tokens is None:
            raise BadRequest("max_tokens: Field required", "max_tokens")
        choice = part(body, "tool_choice")
        tools = [(str(tool.get("name")), tool.get("input_schema")) for tool in objects(body, "tools")]
        wanted = part(part(body, "output_config"), "format")
        return Ask(
            model=model,
            messages=messages,
            stream=flag(body, "stream", False),
            max_tokens=max_tokens,
            tools=[] if choice.get("type") == "none" else first(tools, choice.get("name")),
            forced=choice.get("type") in ("any", "tool"),
            schema=wanted.get("schema", ANY_OBJECT) if wanted else None,
        )

    def plain(self, ask: Ask, answer: Answer, ident: str) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "text", "text": answer.text}
        if answer.tool is not None:
            block = {**_tool_block(answer, ident), "input": answer.tool.arguments}
        message = self._message(ask, answer, ident, answer.output_tokens)
        return {**message, "content": [block], "stop_reason": STOP_REASONS[answer.finish]}

    def stream(self, ask: Ask, answer: Answer, ident: str) -> Iterator[Frame]:
        block = _tool_block(answer, ident) if answer.tool is not None else {"type": "text", "text": ""}
        yield Frame(_event("message_start", message=self._message(ask, answer, ident, 1)), False)
        yield Frame(_event("content_block_start", index=0, content_block=block), False)
        yield Frame(_event("ping"), False)
        for piece in answer.pieces:
            delta = {"type": "text_delta", "text": piece}
            if answer.tool is not None:
                delta = {"type": "input_json_delta", "partial_json": piece}
            yield Frame(_event("content_block_delta", index=0, delta=delta), True)
        yield Frame(_event("content_block_stop", index=0), False)
        stop = {"stop_reason": STOP_REASONS[answer.finish], "stop_sequence": None}
        yield Frame(_event("message_delta", delta=stop, usage={"output_tokens": answer.output_tokens}), False)
        yield Frame(_event("message_stop"), False)

    def error(self, kind: ErrorKind, ident: str, model: str) -> tuple[int, dict[str, Any]]:
        status, family, message = ERRORS[kind]
        return status, _error(family, message.replace("{model}", model), ident)

    def bad_request(self, error: BadRequest, ident: str) -> dict[str, Any]:
        return _error("invalid_request_error", error.message, ident)

    def not_found(self, method: str, path: str, ident: str) -> dict[str, Any]:
        return _error("not_found_error", "Not found", ident)

    def error_event(self, body: dict[str, Any]) -> bytes:
        return b"event: error\ndata: " + encode(body) + b"\n\n"

    def headers(self, ident: str, in_flight: int) -> dict[str, str]:
        reset = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        limits = {"requests": (4000, 1), "input-tokens": (2_000_000, 1000), "output-tokens": (400_000, 1000)}
        found = {"request-id": f"req_{ident}", "anthropic-organization-id": "simulator"}
        for name, (limit, each) in limits.items():
            found[f"anthropic-ratelimit-{name}-limit"] = str(limit)
            found[f"anthropic-ratelimit-{name}-remaining"] = str(max(0, limit - each * in_flight))
            found[f"anthropic-ratelimit-{name}-reset"] = reset
        return found

    def other(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        if (method, path) == ("POST", "/v1/messages/count_tokens"):
            _, messages = model_and_messages(body)
            return {"input_tokens": input_tokens(body, messages)}
        if (method, path) != ("GET", "/v1/models"):
            return None
        created = "2025-10-01T00:00:00Z"
        listed = [{"type": "model", "id": name, "display_name": name, "created_at": created} for name in MODELS]
        return {"data": listed, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}

    def _message(self, ask: Ask, answer: Answer, ident: str, tokens: int) -> dict[str, Any]:
        usage = {
            "input_tokens": answer.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": tokens,
        }
        head = {"id": f"msg_{ident}", "type": "message", "role": "assistant", "model": ask.model}
        return {**head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}


def _tool_block(answer: Answer, ident: str) -> dict[str, Any]:
    name = answer.tool.name if answer.tool is not None else ""
    return {"type": "tool_use", "id": f"toolu_{ident}", "name": name, "input": {}}


def _event(kind: str, **data: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + encode({"type": kind, **data}) + b"\n\n"


def _error(family: str, message: str, ident: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": family, "message": message}, "request_id": f"req_{ident}"}
