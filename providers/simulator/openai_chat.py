"""OpenAI chat completions as the simulated vendor speaks it.

Source: https://platform.openai.com/docs/api-reference/chat and its streaming and error guides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
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
    function_tools,
    input_tokens,
    model_and_messages,
    objects,
    part,
)
from providers.simulator.vendor import ErrorKind

# kind: status, type, code, message
ERRORS: dict[ErrorKind, tuple[int, str, str | None, str]] = {
    "server_error": (
        500,
        "server_error",
        "server_error",
        "The server had an error while processing your request. Sorry about that!",
    ),
    "bad_gateway": (502, "server_error", None, "Bad gateway."),
    "overloaded": (
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "The server is currently overloaded with other requests. Please try again later.",
    ),
    "timeout504": (504, "server_error", None, "The request timed out."),
    "rate_limited": (
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for {model} on requests per min.",
    ),
    "quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "authentication": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "permission": (
        403,
        "invalid_request_error",
        "permission_denied",
        "Project does not have access to model `{model}`.",
    ),
    "model_not_found": (
        404,
        "invalid_request_error",
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    "context_length": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 131072 "
        "tokens. Please reduce the length of the messages.",
    ),
    "content_filtered": (
        400,
        "invalid_request_error",
        "content_policy_violation",
        "Your request was rejected as a result of our safety system.",
    ),
    "invalid_request": (
        400,
        "invalid_request_error",
        "invalid_value",
        "Invalid value for 'temperature': expected at most 2.",
    ),
}
MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5-mini")


class OpenAIChat(Dialect):
    base = "/v1"
    chat = "/v1/chat/completions"
    stream_type = "text/event-stream; charset=utf-8"

    def at(self, path: str) -> Dialect:
        if not path.startswith("/v1/responses"):
            return self
        from providers.simulator.openai_responses import OpenAIResponses  # here: it builds on this module

        return OpenAIResponses()

    def ask(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Ask:
        model, messages = model_and_messages(body)
        choice = body.get("tool_choice")
        named = part(part(body, "tool_choice"), "function").get("name")
        wanted = part(body, "response_format")
        schema = None
        if wanted.get("type") == "json_object":
            schema = ANY_OBJECT
        elif wanted.get("type") == "json_schema":
            schema = part(wanted, "json_schema").get("schema", ANY_OBJECT)
        return Ask(
            model=model,
            messages=messages,
            stream=flag(body, "stream", False),
            max_tokens=count(body, "max_completion_tokens") or count(body, "max_tokens"),
            tools=[] if choice == "none" else first(function_tools(body), named),
            forced=choice == "required" or named is not None,
            schema=schema,
            usage=part(body, "stream_options").get("include_usage") is True,
        )

    def plain(self, ask: Ask, answer: Answer, ident: str) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": answer.text,
            "refusal": None,
            "annotations": [],
        }
        if answer.tool is not None:
            message["content"] = None
            function = {"name": answer.tool.name, "arguments": answer.text}
            message["tool_calls"] = [{"id": f"call_{ident}", "type": "function", "function": function}]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
        head = self._head("chat.completion", ask, ident)
        return {**head, "choices": [choice], "usage": self._usage(answer), "service_tier": "default"}

    def stream(self, ask: Ask, answer: Answer, ident: str) -> Iterator[Frame]:
        head = self._head("chat.completion.chunk", ask, ident)
        silent = {"usage": None} if ask.usage else {}

        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return _event({**head, "choices": [choice], **silent})

        opening: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        if answer.tool is not None:
            function = {"name": answer.tool.name, "arguments": ""}
            call = {"index": 0, "id": f"call_{ident}", "type": "function", "function": function}
            opening |= {"content": None, "tool_calls": [call]}
        yield Frame(chunk(opening), False)
        for piece in answer.pieces:
            if answer.tool is None:
                yield Frame(chunk({"content": piece}), True)
            else:
                yield Frame(chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}), True)
        yield Frame(chunk({}, answer.finish), False)
        if ask.usage:
            yield Frame(_event({**head, "choices": [], "usage": self._usage(answer)}), False)
        yield Frame(b"data: [DONE]\n\n", False)

    def error(self, kind: ErrorKind, ident: str, model: str) -> tuple[int, dict[str, Any]]:
        status, family, code, message = ERRORS[kind]
        return status, _error(message.replace("{model}", model), family, code)

    def bad_request(self, error: BadRequest, ident: str) -> dict[str, Any]:
        missing = error.message.endswith("Field required")
        message = f"Missing required parameter: '{error.param}'." if missing else error.message
        code = "missing_required_parameter" if missing else None
        return _error(message, "invalid_request_error", code, error.param)

    def not_found(self, method: str, path: str, ident: str) -> dict[str, Any]:
        return _error(f"Invalid URL ({method} {path})", "invalid_request_error", None)

    def error_event(self, body: dict[str, Any]) -> bytes:
        return _event(body)

    def headers(self, ident: str, in_flight: int) -> dict[str, str]:
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

    def other(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        if (method, path) == ("POST", "/v1/responses/input_tokens"):
            given = body.get("input")
            messages = [{"role": "user", "content": given}] if isinstance(given, str) else objects(body, "input")
            return {"object": "response.input_tokens", "input_tokens": input_tokens(body, messages)}
        if (method, path) != ("GET", "/v1/models"):
            return None
        listed = [{"id": name, "object": "model", "created": 1715367049, "owned_by": "simulator"} for name in MODELS]
        return {"object": "list", "data": listed}

    def _head(self, kind: str, ask: Ask, ident: str) -> dict[str, Any]:
        created = int(datetime.now(UTC).timestamp())
        fingerprint = {"system_fingerprint": "fp_simulator"}
        return {
            "id": f"chatcmpl-{ident}",
            "object": kind,
            "created": created,
            "model": ask.model,
            **fingerprint,
        }

    def _usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "prompt_tokens": answer.input_tokens,
            "completion_tokens": answer.output_tokens,
            "total_tokens": answer.input_tokens + answer.output_tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + encode(data) + b"\n\n"


def _error(message: str, family: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": family, "param": param, "code": code}}
