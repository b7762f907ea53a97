"""OpenAI chat completions, the server's side.

Protocol: https://platform.openai.com/docs/api-reference/chat and its streaming and error guides; `reasoning_content` is
DeepSeek's field for thinking, which most clients read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from typing import Any

from providers import coerce
from providers.accumulate import parse_arguments
from providers.answer_parts import Other
from providers.errors import ErrorCode, ProviderError
from providers.types import (
    AudioPart,
    Citation,
    CompletionRequest,
    CompletionResponse,
    FinishReason,
    ImagePart,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from providers.wire.answer_parts import chat_annotation, chat_audio, chat_fields, chat_image, logprobs
from providers.wire.chat_plain import plain_question
from providers.wire.chat_tools import as_function_call, modalities, prediction, read_tools
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
    read_each,
    required_text,
    strings,
    text,
    unsupported,
    within,
)
from providers.wire.responses_items import custom_input
from providers.wire.writing import (
    Block,
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

DONE = b"data: [DONE]\n\n"  # the end of a stream that has not failed
_STATUSES = {ErrorCode.QUOTA_EXHAUSTED: 429}
# code: the vendor's type and code
_ERRORS: dict[ErrorCode, tuple[str, str | None]] = {
    ErrorCode.INVALID_REQUEST: ("invalid_request_error", None),
    ErrorCode.CONTEXT_LENGTH_EXCEEDED: ("invalid_request_error", "context_length_exceeded"),
    ErrorCode.REQUEST_TOO_LARGE: ("invalid_request_error", "request_too_large"),
    ErrorCode.CONTENT_FILTERED: ("invalid_request_error", "content_policy_violation"),
    ErrorCode.UNSUPPORTED: ("invalid_request_error", "unsupported_parameter"),
    ErrorCode.REQUIREMENT_NOT_MET: ("invalid_request_error", "requirement_not_met"),
    ErrorCode.AUTHENTICATION: ("invalid_request_error", "invalid_api_key"),
    ErrorCode.PERMISSION_DENIED: ("invalid_request_error", "permission_denied"),
    ErrorCode.MODEL_NOT_FOUND: ("invalid_request_error", "model_not_found"),
    ErrorCode.QUOTA_EXHAUSTED: ("insufficient_quota", "insufficient_quota"),
    ErrorCode.RATE_LIMITED: ("requests", "rate_limit_exceeded"),
    ErrorCode.OVERLOADED: ("service_unavailable_error", "server_is_overloaded"),
}
# All others have OpenAI's names; clients that are strict break over a word that is none of them.
_FINISH: dict[FinishReason, str] = {"unknown": "stop", "error": "stop"}
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_PLACE = re.compile(r"[a-z_]+(\[\d+\]|\.[a-z_]+)*(?=: )")


# --- the request


def read_request(body: Body) -> CompletionRequest:
    """Raises BadRequest on what makes no sense, and on what only OpenAI could answer."""
    plain = plain_question(body)
    if plain is not None:
        return plain
    if (count(body, "n") or 1) != 1:
        raise unsupported("one answer a request is given; ask several times", "n")
    fields: dict[str, Any] = {name: read(body, name) for name, read in _SAME.items() if name in body}
    if not _TOOLS.isdisjoint(body):
        fields.update(read_tools(body))
    newer_limit, limit = count(body, "max_completion_tokens"), count(body, "max_tokens")
    return CompletionRequest(
        model=required_text(body, "model"),
        messages=_messages(body),
        response_format=_response_format(body),
        max_tokens=limit if newer_limit is None else newer_limit,
        thinking=effort(body.get("reasoning_effort"), "reasoning_effort"),
        modalities=modalities(body),
        **fields,
    )


def wants_stream(body: Body) -> bool:
    return flag(body, "stream") is True


def wants_usage(body: Body) -> bool:
    """Whether a stream ends with its usage: unasked, it breaks clients."""
    options = mapping(body, "stream_options")
    with within("stream_options"):
        return flag(options, "include_usage") is True


def stops(body: Body, name: str = "stop") -> tuple[str, ...]:
    """The stop sequences; an empty one, which some forms send for none, stops nothing."""
    return tuple(filter(None, strings(body, name)))


def _metadata(body: Body, name: str) -> dict[str, Any] | None:
    return mapping(body, name) or None


# Most requests have a few of these fields, so only those that are there are read.
_SAME: dict[str, Callable[[Body, str], Any]] = {
    **dict.fromkeys(("temperature", "top_p", "presence_penalty", "frequency_penalty"), number),
    "stop": stops,
    "seed": integer,
    "user": text,
    "metadata": _metadata,
    "logprobs": flag,
    "top_logprobs": count,
    "service_tier": text,
    "audio": _metadata,
    "prediction": prediction,
}
_TOOLS = frozenset({"tools", "functions", "tool_choice", "function_call", "parallel_tool_calls", "web_search_options"})


def _messages(body: Body) -> Any:
    found = read_each(body, "messages", _message)
    if not found:
        raise missing("messages")
    with about("messages"):
        return coerce.coerce_messages(_with_tools(found))


def _message(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose fields have their types; its content is looked at by `coerce`."""
    if len(message) == 2 and message.get("role") in _ROLES and type(message.get("content")) is str:
        return message  # as nearly all
    if required_text(message, "role") not in _ROLES:
        raise BadRequest(f"role: one of {', '.join(_ROLES)} is expected", "role")
    for name in ("name", "tool_call_id", "refusal", "reasoning_content"):
        text(message, name)
    calls = read_each(message, "tool_calls", as_function_call)
    content = message.get("content")
    for place, part in enumerate(content if isinstance(content, list) else ()):
        if isinstance(part, dict):
            with within(f"content[{place}]"):
                _check_part(part)
    return {**message, "tool_calls": calls} if calls else message


def _check_part(part: dict[str, Any]) -> None:
    if required_text(part, "type") == "text" and text(part, "text") is None:
        raise missing("text")
    text(part, "refusal")
    image = part.get("image_url")
    if isinstance(image, dict):
        with within("image_url"):
            text(image, "url")
            text(image, "detail")


def _with_tools(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Calls and results of functions, as they were before there were tools, as those of tools."""
    found = []
    call_id = ""
    for place, message in enumerate(messages):
        call = mapping(message, "function_call")
        if message["role"] == "function":
            message = {**message, "role": "tool", "tool_call_id": call_id}
        elif call and not message.get("tool_calls"):
            call_id = f"call_{place}"
            message = {**message, "tool_calls": [{"id": call_id, "type": "function", "function": call}]}
        found.append(message)
    return found


def _response_format(body: Body) -> Any:
    wanted = mapping(body, "response_format")
    if not wanted:
        return None
    with within("response_format"):
        schema = mapping(wanted, "json_schema")
        with within("json_schema"):
            text(schema, "name")
            text(schema, "description")
            mapping(schema, "schema")
            flag(schema, "strict")
    if schema:
        wanted = {**wanted, "json_schema": {name: value for name, value in schema.items() if value is not None}}
    with about("response_format"):
        return coerce.coerce_response_format(wanted)


# --- the answer


def render_response(
    response: CompletionResponse, head: Head, *, function_call: bool = False, custom: Container[str] = ()
) -> dict[str, Any]:
    """A plain answer.

    Args:
        function_call: write a call as `wants_function_call` tells.
        custom: the tools whose calls are told as `custom_tools` tells.
    """
    message: dict[str, Any] = {"role": "assistant", "content": response.text, "refusal": None}
    thinking = "".join(part.text for part in response.thinking)
    if thinking:
        message["reasoning_content"] = thinking
    if response.tool_calls:
        message["content"] = response.text or None
    if function_call and response.tool_calls:
        call = response.tool_calls[0]
        message["function_call"] = {"name": call.name, "arguments": arguments_of(call)}
    elif response.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, **(_custom(call) if call.name in custom else _function(call)), **(call.opaque or {})}
            for call in response.tool_calls
        ]
    finish = _finish(response.finish_reason, function_call)
    if response.citations or response.others:
        message.update(chat_fields(response))
    likely = None if response.logprobs is None else {"content": logprobs(response.logprobs), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": likely, "finish_reason": finish}
    usage = told_usage(response.usage)
    return {**_head(head, "chat.completion"), "choices": [choice], **({"usage": usage} if usage else {})}


def _function(call: ToolCall) -> dict[str, Any]:
    return {"type": "function", "function": {"name": call.name, "arguments": arguments_of(call)}}


def _custom(call: ToolCall) -> dict[str, Any]:
    return {"type": "custom", "custom": {"name": call.name, "input": custom_input(call)}}


def _head(head: Head, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{head.ident}", "object": kind, "created": int(head.created), "model": head.model}


def _finish(reason: FinishReason, function_call: bool) -> str:
    if function_call and reason == "tool_calls":
        return "function_call"
    return _FINISH.get(reason, reason)


def told_usage(usage: Usage) -> dict[str, Any] | None:
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
        function_call: write a call as `wants_function_call` tells.
        custom: the tools whose calls are told as `custom_tools` tells: in one piece, at the end.
    """

    def __init__(
        self, head: Head, *, usage: bool = False, function_call: bool = False, custom: Container[str] = ()
    ) -> None:
        super().__init__(head)
        self._wants_usage = usage
        self._function_call = function_call
        self._custom = custom
        self._texts: dict[int, Block] = {}  # calls of custom tools, by the call's index
        self._same = _head(head, "chat.completion.chunk")
        self._text = template(lambda mark: self._delta({"content": mark}))
        self._thought = template(lambda mark: self._delta({"reasoning_content": mark}))
        self._places: dict[int, int] = {}  # of calls, by their index: here there are no gaps
        self._arguments: dict[int, tuple[bytes, bytes]] = {}  # templates, by the call's index

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
        known = self._arguments.get(delta.index)
        if known is not None:
            return filled(known, delta.arguments)
        place = self._places.setdefault(delta.index, len(self._places))
        if delta.index in self._texts or delta.name in self._custom:
            block = self._texts.setdefault(delta.index, Block(delta.index, place, delta))
            block.pieces.append(delta.arguments)
            return b""
        if self._function_call and place > 0:
            return b""  # there is one
        self._arguments[delta.index] = template(lambda mark: self._delta(self._called(place, {"arguments": mark})))
        function = {"name": delta.name or "", "arguments": delta.arguments}
        return self._delta(self._called(place, function, id=delta.id or "", type="function"))

    def _other(self, part: Other) -> bytes:
        if isinstance(part, Citation):
            return self._delta({"annotations": [chat_annotation(part)]}) if part.url is not None else b""
        if isinstance(part, ImagePart):
            return self._delta({"images": [chat_image(part)]})
        return self._delta({"audio": chat_audio(part)}) if isinstance(part, AudioPart) else b""

    def _likely(self, text: str, tokens: Sequence[TokenLogprob]) -> bytes:
        likely = {"content": logprobs(tokens), "refusal": None}
        choice = {"index": 0, "delta": {"content": text}, "logprobs": likely, "finish_reason": None}
        return event({**self._same, "choices": [choice], **({"usage": None} if self._wants_usage else {})})

    def _called(self, place: int, function: dict[str, Any], **beside: str) -> dict[str, Any]:
        if self._function_call:
            return {"function_call": function}
        return {"tool_calls": [{"index": place, **beside, "function": function}]}

    def _text_call(self, block: Block) -> bytes:
        call = ToolCall(block.call_id, block.name, parse_arguments(block.text), block.text)
        return self._delta({"tool_calls": [{"index": block.place, "id": call.id, **_custom(call)}]})

    def _opaque(self, index: int, opaque: dict[str, Any]) -> bytes:
        if self._function_call:
            return b""
        place = self._places.setdefault(index, len(self._places))
        return self._delta({"tool_calls": [{"index": place, **opaque}]})

    def end(self, *, seconds: float | None = None, raw_finish_reason: str | None = None) -> bytes:
        out = b"".join(map(self._text_call, self._texts.values()))
        out += self._delta({}, _finish(self._finish, self._function_call))
        usage = told_usage(self._usage) if self._wants_usage else None
        if usage is not None:
            cost = {} if self.cost is None else {"cost": self.cost}
            out += event({**self._same, "choices": [], "usage": {**usage, **cost}})
        return out + DONE

    def error(self, error: ProviderError) -> bytes:
        return event(error_body(error))


# --- the error


def render_error(error: ProviderError) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and body of an error answer."""
    return status_of(error, _STATUSES), retry_headers(error), error_body(error)


def error_body(error: ProviderError) -> dict[str, Any]:
    kind, code = _ERRORS.get(error.code, ("server_error", str(error.code)))
    # What `validate` refuses begins with its place; a vendor's own words may be about other names.
    place = None if error.provider else _PLACE.match(error.message)
    message, param = error.message, place and place[0]
    if isinstance(error, Upstream):
        code = f"upstream_{error.what}"
    if isinstance(error, BadRequest):
        param = error.param
        if error.missing:
            message, code = f"Missing required parameter: '{param}'.", "missing_required_parameter"
    if error.code is ErrorCode.UNSUPPORTED and param is None:
        code = None  # it is said of a parameter
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
