"""OpenAI chat completions, the server's side.

Protocol: https://platform.openai.com/docs/api-reference/chat and its streaming and error guides; `reasoning_content` is
DeepSeek's field for thinking, which most clients read.
"""

from __future__ import annotations

from typing import Any

from providers import coerce
from providers.errors import ErrorCode, ProviderError
from providers.types import CompletionRequest, CompletionResponse, FinishReason, ToolCallDelta, Usage
from providers.wire.reading import (
    BadRequest,
    Body,
    about,
    count,
    effort,
    flag,
    integer,
    mapping,
    missing,
    number,
    objects,
    required_text,
    strings,
    text,
    unsupported,
)
from providers.wire.writing import (
    Head,
    StreamWriter,
    Upstream,
    arguments_of,
    event,
    filled,
    retry_headers,
    status_of,
    template,
)

_STATUSES = {ErrorCode.QUOTA_EXHAUSTED: 429}
# code: the vendor's type and code
_ERRORS: dict[ErrorCode, tuple[str, str | None]] = {
    ErrorCode.INVALID_REQUEST: ("invalid_request_error", None),
    ErrorCode.CONTEXT_LENGTH_EXCEEDED: ("invalid_request_error", "context_length_exceeded"),
    ErrorCode.REQUEST_TOO_LARGE: ("invalid_request_error", "request_too_large"),
    ErrorCode.CONTENT_FILTERED: ("invalid_request_error", "content_policy_violation"),
    ErrorCode.UNSUPPORTED: ("invalid_request_error", "unsupported_parameter"),
    ErrorCode.AUTHENTICATION: ("invalid_request_error", "invalid_api_key"),
    ErrorCode.PERMISSION_DENIED: ("invalid_request_error", "permission_denied"),
    ErrorCode.MODEL_NOT_FOUND: ("invalid_request_error", "model_not_found"),
    ErrorCode.QUOTA_EXHAUSTED: ("insufficient_quota", "insufficient_quota"),
    ErrorCode.RATE_LIMITED: ("requests", "rate_limit_exceeded"),
    ErrorCode.OVERLOADED: ("service_unavailable_error", "server_is_overloaded"),
}
_FINISH: dict[FinishReason, str] = {"unknown": "stop"}  # all others have OpenAI's names


# --- the request


def read_request(body: Body) -> CompletionRequest:
    """Raises BadRequest on what makes no sense, and on what only OpenAI could answer."""
    if (integer(body, "n") or 1) != 1:
        raise unsupported("one answer a request is given; ask several times", "n")
    if body.get("audio") is not None or "audio" in strings(body, "modalities"):
        raise unsupported("only text is answered", "audio")
    return CompletionRequest(
        model=required_text(body, "model"),
        messages=_messages(body),
        **_tools(body),
        response_format=_response_format(body),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        max_tokens=count(body, "max_completion_tokens") or count(body, "max_tokens"),
        stop=strings(body, "stop"),
        seed=integer(body, "seed"),
        presence_penalty=number(body, "presence_penalty"),
        frequency_penalty=number(body, "frequency_penalty"),
        thinking=effort(body.get("reasoning_effort"), "reasoning_effort"),
        user=text(body, "user"),
        metadata=mapping(body, "metadata") or None,
    )


def wants_stream(body: Body) -> bool:
    return flag(body, "stream") is True


def wants_usage(body: Body) -> bool:
    """Whether a stream ends with its usage: unasked, it breaks clients."""
    return flag(mapping(body, "stream_options"), "include_usage") is True


def _messages(body: Body) -> Any:
    found = objects(body, "messages")
    if not found:
        raise missing("messages")
    for place, message in enumerate(found):
        if not isinstance(message.get("role"), str):
            raise BadRequest(f"messages[{place}]: each must have a role", f"messages[{place}].role")
    with about("messages"):
        return coerce.coerce_messages(found)


def _tools(body: Body) -> dict[str, Any]:
    given = objects(body, "tools") or [
        {"type": "function", "function": function} for function in objects(body, "functions")
    ]
    choice = body.get("tool_choice")
    legacy = body.get("function_call")
    if choice is None and legacy is not None:
        choice = legacy.get("name") if isinstance(legacy, dict) else legacy
    with about("tools"):
        tools = coerce.coerce_tools(given)
    with about("tool_choice"):
        wanted = coerce.coerce_tool_choice(choice)
    return {"tools": tools, "tool_choice": wanted, "parallel_tool_calls": flag(body, "parallel_tool_calls")}


def _response_format(body: Body) -> Any:
    with about("response_format"):
        return coerce.coerce_response_format(mapping(body, "response_format") or None)


# --- the answer


def render_response(response: CompletionResponse, head: Head) -> dict[str, Any]:
    """A plain answer."""
    message: dict[str, Any] = {"role": "assistant", "content": response.text, "refusal": None}
    thinking = "".join(part.text for part in response.thinking)
    if thinking:
        message["reasoning_content"] = thinking
    if response.tool_calls:
        message["content"] = response.text or None
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_of(call)},
                **(call.opaque or {}),
            }
            for call in response.tool_calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(response.finish_reason)}
    usage = _usage(response.usage)
    return {**_head(head, "chat.completion"), "choices": [choice], **({"usage": usage} if usage else {})}


def _head(head: Head, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{head.ident}", "object": kind, "created": int(head.created), "model": head.model}


def _finish(reason: FinishReason) -> str:
    return _FINISH.get(reason, reason)


def _usage(usage: Usage) -> dict[str, Any] | None:
    """None where nothing is known; clients take the three totals for given."""
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    prompt = {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": usage.cache_write_tokens}
    completion = {"reasoning_tokens": usage.reasoning_tokens}
    return {
        "prompt_tokens": given,
        "completion_tokens": made,
        "total_tokens": given + made,
        "prompt_tokens_details": {key: value for key, value in prompt.items() if value is not None},
        "completion_tokens_details": {key: value for key, value in completion.items() if value is not None},
    }


class ChatStreamWriter(StreamWriter):
    """Events of `chat.completion.chunk`.

    Args:
        usage: end with the usage, as `wants_usage` tells; all other chunks then say `usage: null`.
    """

    def __init__(self, head: Head, *, usage: bool = False) -> None:
        super().__init__(head)
        self._wants_usage = usage
        self._same = _head(head, "chat.completion.chunk")
        self._text = template(lambda mark: self._delta({"content": mark}))
        self._thought = template(lambda mark: self._delta({"reasoning_content": mark}))
        self._named: set[int] = set()

    def _delta(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event({**self._same, "choices": [choice], **({"usage": None} if self._wants_usage else {})})

    def start(self) -> bytes:
        return self._delta({"role": "assistant", "content": "", "refusal": None})

    def _say(self, text: str) -> bytes:
        return filled(self._text, text)

    def _think(self, text: str) -> bytes:
        return filled(self._thought, text)

    def _call(self, delta: ToolCallDelta) -> bytes:
        call: dict[str, Any] = {"index": delta.index, "function": {"arguments": delta.arguments}}
        if delta.index not in self._named:
            self._named.add(delta.index)
            function = {"name": delta.name or "", "arguments": delta.arguments}
            call = {"index": delta.index, "id": delta.id or "", "type": "function", "function": function}
        return self._delta({"tool_calls": [call]})

    def _opaque(self, index: int, opaque: dict[str, Any]) -> bytes:
        return self._delta({"tool_calls": [{"index": index, **opaque}]})

    def end(self, *, seconds: float | None = None) -> bytes:
        out = self._delta({}, _finish(self._finish))
        usage = _usage(self._usage) if self._wants_usage else None
        if usage is not None:
            out += event({**self._same, "choices": [], "usage": usage})
        return out + b"data: [DONE]\n\n"

    def error(self, error: ProviderError) -> bytes:
        return event(error_body(error))


# --- the error


def render_error(error: ProviderError) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and body of an error answer."""
    return status_of(error, _STATUSES), retry_headers(error), error_body(error)


def error_body(error: ProviderError) -> dict[str, Any]:
    kind, code = _ERRORS.get(error.code, ("server_error", str(error.code)))
    message, param = error.message, None
    if isinstance(error, Upstream):
        code = f"upstream_{error.what}"
    if isinstance(error, BadRequest):
        param = error.param
        if error.missing:
            message, code = f"Missing required parameter: '{param}'.", "missing_required_parameter"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
