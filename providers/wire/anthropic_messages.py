"""Anthropic Messages, the server's side.

Protocol: https://docs.anthropic.com/en/api/messages and its pages on streaming, errors, tool use and thinking.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from providers.errors import ErrorCode, ProviderError
from providers.types import (
    CompletionRequest,
    CompletionResponse,
    FilePart,
    FinishReason,
    ImagePart,
    Message,
    Part,
    TextPart,
    Thinking,
    ThinkingPart,
    Tool,
    ToolCall,
    Usage,
)
from providers.wire.reading import (
    BadRequest,
    Body,
    base64_data,
    count,
    effort,
    flag,
    mapping,
    missing,
    number,
    read_each,
    required_text,
    strings,
    text,
    unsupported,
)
from providers.wire.writing import Block, BlockWriter, Head, encode, event, retry_headers, status_of, template

_STATUSES = {ErrorCode.OVERLOADED: 529}
_ERRORS: dict[ErrorCode, str] = {
    ErrorCode.INVALID_REQUEST: "invalid_request_error",
    ErrorCode.CONTEXT_LENGTH_EXCEEDED: "invalid_request_error",
    ErrorCode.REQUEST_TOO_LARGE: "request_too_large",
    ErrorCode.CONTENT_FILTERED: "invalid_request_error",
    ErrorCode.UNSUPPORTED: "invalid_request_error",
    ErrorCode.AUTHENTICATION: "authentication_error",
    ErrorCode.PERMISSION_DENIED: "permission_error",
    ErrorCode.MODEL_NOT_FOUND: "not_found_error",
    ErrorCode.QUOTA_EXHAUSTED: "billing_error",
    ErrorCode.RATE_LIMITED: "rate_limit_error",
    ErrorCode.OVERLOADED: "overloaded_error",
    ErrorCode.TIMEOUT: "timeout_error",
}
_STOP: dict[FinishReason, str] = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
# Claude Code's first block is no part of the prompt, and its text changes with every request.
_BILLING = "x-anthropic-billing-header:"


# --- the request


def read_request(body: Body, *, count_only: bool = False) -> CompletionRequest:
    """Raises BadRequest on what makes no sense, and on what only Anthropic could answer.

    The vendor's own tools are left out: other models answer without them.

    Args:
        count_only: it is to be counted, so that it needs no `max_tokens`.
    """
    model = required_text(body, "model")
    turns = read_each(body, "messages", _turn)
    if not turns:
        raise missing("messages")
    limit = count(body, "max_tokens")
    if limit is None and not count_only:
        raise missing("max_tokens")
    wanted = mapping(mapping(body, "output_config"), "format")
    return CompletionRequest(
        model=model,
        messages=(*_system(body), *chain.from_iterable(turns)),
        **_tools(body),
        response_format={"schema": mapping(wanted, "schema")} if wanted else None,
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        max_tokens=limit,
        stop=strings(body, "stop_sequences"),
        thinking=_thinking(body),
        user=text(mapping(body, "metadata"), "user_id"),
    )


def wants_stream(body: Body) -> bool:
    return flag(body, "stream") is True


def _system(body: Body) -> list[Message]:
    system = body.get("system")
    if system is None or isinstance(system, str):
        return [Message("system", system)] if system else []
    parts = read_each(body, "system", _text)
    if parts and parts[0].text.startswith(_BILLING):
        del parts[0]
    return [Message("system", tuple(parts))] if parts else []


def _turn(source: dict[str, Any]) -> list[Message]:
    """The messages that a turn is: each result of a tool is a message of its own, before the rest."""
    role, content = source.get("role"), source.get("content")
    if role not in ("user", "assistant", "system"):
        raise BadRequest("role: Input should be 'user' or 'assistant'", "role")
    if isinstance(content, str):
        return [Message(role, content)]
    if content is None:
        raise missing("content")
    blocks = read_each(source, "content", _block)
    results = [block for block in blocks if isinstance(block, Message)]
    parts: tuple[Part, ...] = tuple(block for block in blocks if isinstance(block, TextPart | ImagePart | FilePart))
    calls = tuple(block for block in blocks if isinstance(block, ToolCall))
    thinking = tuple(block for block in blocks if isinstance(block, ThinkingPart))
    if results and not (parts or calls or thinking):
        return results
    return [*results, Message(role, parts, calls, thinking)]


def _block(block: dict[str, Any]) -> Part | ToolCall | Message:
    kind = required_text(block, "type")
    if kind not in _BLOCKS:
        raise BadRequest(f"type: a block of type {kind!r} means nothing elsewhere", "type", code=ErrorCode.UNSUPPORTED)
    return _BLOCKS[kind](block)


def _text(block: Body) -> TextPart:
    value = text(block, "text")
    if value is None:
        raise missing("text")
    return TextPart(value, cache=bool(block.get("cache_control")))


def _image(block: Body) -> ImagePart:
    source = mapping(block, "source")
    if source.get("type") == "url":
        return ImagePart(url=required_text(source, "url"))
    return ImagePart(data=_data(source), media_type=required_text(source, "media_type"))


def _document(block: Body) -> FilePart:
    source = mapping(block, "source")
    title = text(block, "title")
    if source.get("type") == "text":
        return FilePart(required_text(source, "data").encode(), "text/plain", title)
    return FilePart(_data(source), required_text(source, "media_type"), title)


def _data(source: Body) -> bytes:
    if source.get("type") != "base64":
        raise unsupported(f"a source of type {source.get('type')!r} means nothing elsewhere", "source")
    return base64_data(source, "data")


def _tool_use(block: Body) -> ToolCall:
    given = mapping(block, "input")
    raw = encode(given).decode() if given else ""
    return ToolCall(required_text(block, "id"), required_text(block, "name"), given, raw)


def _result(block: Body) -> Message:
    content = block.get("content") or ""
    said: str | tuple[Part, ...] = content if isinstance(content, str) else tuple(read_each(block, "content", _shown))
    call_id = required_text(block, "tool_use_id")
    return Message("tool", said, tool_call_id=call_id, is_error=flag(block, "is_error") is True)


def _shown(block: dict[str, Any]) -> Part:
    part = _block(block)
    if isinstance(part, ToolCall | Message):
        raise BadRequest("type: a result holds text, images and documents only", "type")
    return part


_BLOCKS: dict[str, Callable[[Body], Part | ToolCall | Message]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "thinking": lambda block: ThinkingPart(text(block, "thinking") or "", text(block, "signature") or None),
    "redacted_thinking": lambda block: ThinkingPart("", opaque={"type": block["type"], "data": block.get("data")}),
    "tool_use": _tool_use,
    "tool_result": _result,
}


def _tools(body: Body) -> dict[str, Any]:
    tools = tuple(tool for tool in read_each(body, "tools", _tool) if tool is not None)
    choice = mapping(body, "tool_choice")
    single = flag(choice, "disable_parallel_tool_use")
    return {
        "tools": tools,
        "tool_choice": _tool_choice(choice, {tool.name for tool in tools}),
        "parallel_tool_calls": None if single is None else not single,
    }


def _tool(source: Body) -> Tool | None:
    if source.get("type") not in (None, "custom"):
        return None  # the vendor's own
    name, about = required_text(source, "name"), text(source, "description") or ""
    return Tool(name, about, mapping(source, "input_schema"), flag(source, "strict"))


def _tool_choice(choice: Body, names: set[str]) -> str | None:
    kind = choice.get("type")
    if kind == "tool":
        name = text(choice, "name")
        if name not in names:
            raise BadRequest(f"tool_choice.name: no tool is named {name!r}, or the vendor hosts it", "tool_choice")
        return name
    if kind not in (None, "auto", "any", "none"):
        raise BadRequest("tool_choice.type: 'auto', 'any', 'tool' or 'none' is expected", "tool_choice")
    if not names:
        return None
    return "required" if kind == "any" else kind


def _thinking(body: Body) -> Thinking | None:
    asked = mapping(body, "thinking")
    level = effort(mapping(body, "output_config").get("effort"), "output_config.effort")
    kind = asked.get("type")
    if kind is None:
        return level
    if kind == "adaptive":
        return level or "high"
    if kind == "enabled":
        budget = count(asked, "budget_tokens")
        if budget is None:
            raise missing("thinking.budget_tokens")
        return budget
    if kind in ("disabled", "between_tools"):
        return "off"
    raise BadRequest("thinking.type: 'adaptive', 'enabled' or 'disabled' is expected", "thinking.type")


# --- the answer


def render_response(response: CompletionResponse, head: Head) -> dict[str, Any]:
    """A plain answer."""
    blocks = [block for part in response.thinking if (block := _thinking_block(part)) is not None]
    if response.text or not (blocks or response.tool_calls):
        blocks.append({"type": "text", "text": response.text})
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments or {}}
        for call in response.tool_calls
    ]
    stop = _stop(response.finish_reason, response.raw_finish_reason)
    return {**_message(head, _usage(response.usage)), "content": blocks, "stop_reason": stop}


def _message(head: Head, usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"msg_{head.ident}",
        "type": "message",
        "role": "assistant",
        "model": head.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _thinking_block(part: ThinkingPart) -> dict[str, Any] | None:
    if part.opaque is not None and part.opaque.get("type") == "redacted_thinking":
        return part.opaque
    if not part.text and not part.signature:
        return None  # sealed by another vendor
    return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}


def _stop(reason: FinishReason, raw: str | None) -> str:
    return "stop_sequence" if raw == "stop_sequence" else _STOP.get(reason, "end_turn")


def _usage(usage: Usage) -> dict[str, Any]:
    """The counts; here `input_tokens` leaves cached tokens out."""
    written, read = usage.cache_write_tokens, usage.cache_read_tokens
    counts: dict[str, Any] = {
        "input_tokens": max(0, (usage.input_tokens or 0) - (written or 0) - (read or 0)),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.output_tokens or 0,
    }
    if usage.reasoning_tokens is not None:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return counts


class MessagesStreamWriter(BlockWriter):
    """Events of a message. The counts at its end hold: those at its beginning are not known yet."""

    def start(self) -> bytes:
        usage = Usage(self.head.input_tokens, 1)
        return _event("message_start", message=_message(self.head, _usage(usage)))

    def _opened(self, block: Block) -> bytes:
        kinds: dict[Any, tuple[dict[str, Any], str, str]] = {
            "text": ({"type": "text", "text": ""}, "text_delta", "text"),
            "thinking": ({"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta", "thinking"),
        }
        call = {"type": "tool_use", "id": block.call_id, "name": block.name, "input": {}}
        content, kind, field = kinds.get(block.key, (call, "input_json_delta", "partial_json"))
        self._template = template(
            lambda mark: _event("content_block_delta", index=block.place, delta={"type": kind, field: mark})
        )
        out = _event("content_block_start", index=block.place, content_block=content)
        return out + _event("ping") if block.place == 0 else out  # there the vendor sends one

    def _closed(self, block: Block) -> bytes:
        out = b""
        if block.key == "thinking":
            part = self._sealed(block)
            if part is not None and part.signature:
                delta = {"type": "signature_delta", "signature": part.signature}
                out = _event("content_block_delta", index=block.place, delta=delta)
        elif block.key != "text" and not block.pieces:
            out = self._piece_of("{}")
        return out + _event("content_block_stop", index=block.place)

    def _sealed_block(self, part: ThinkingPart) -> bytes:
        content = _thinking_block(part)
        if content is None:
            return b""
        place = self._places
        self._places += 1
        start = _event("content_block_start", index=place, content_block=content)
        return start + _event("content_block_stop", index=place)

    def end(self, *, seconds: float | None = None) -> bytes:
        out = self._close_all()
        usage = self._usage
        counts = {key: value for key, value in _usage(usage).items() if value is not None}
        if usage.input_tokens is None:
            del counts["input_tokens"]  # what the beginning told stands
        delta = {"stop_reason": _stop(self._finish, None), "stop_sequence": None}
        return out + _event("message_delta", delta=delta, usage=counts) + _event("message_stop")

    def error(self, error: ProviderError) -> bytes:
        return event(error_body(error), "error")


def _event(kind: str, **data: Any) -> bytes:
    return event({"type": kind, **data}, kind)


# --- the error


def render_error(error: ProviderError, request_id: str | None = None) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and body of an error answer."""
    return status_of(error, _STATUSES), retry_headers(error), error_body(error, request_id)


def error_body(error: ProviderError, request_id: str | None = None) -> dict[str, Any]:
    message = error.message
    if error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED and error.prompt_tokens and error.context_window:
        # The words that clients look for, to make the conversation shorter.
        message = f"prompt is too long: {error.prompt_tokens} tokens > {error.context_window} maximum"
    fault = {"type": _ERRORS.get(error.code, "api_error"), "message": message}
    return {"type": "error", "error": fault, **({"request_id": request_id} if request_id else {})}
