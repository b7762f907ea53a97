"""Anthropic Messages, the server's side.

Protocol: https://docs.anthropic.com/en/api/messages and its pages on streaming, errors, tool use and thinking.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from providers.answer_parts import Other
from providers.envelope import packed
from providers.errors import ErrorCode, ProviderError
from providers.server_tools import read_tool
from providers.turns import Piece, as_object
from providers.types import (
    AudioPart,
    Citation,
    CompletionRequest,
    CompletionResponse,
    FinishReason,
    ServerToolPart,
    TextPart,
    Thinking,
    ThinkingPart,
    Tool,
    ToolCall,
    Usage,
)
from providers.wire.answer_parts import claude_citation, claude_texts, is_block
from providers.wire.anthropic_input import read_system, read_turn
from providers.wire.reading import (
    BadRequest,
    Body,
    count,
    effort,
    flag,
    integer,
    mapping,
    missing,
    number,
    objects,
    read_each,
    required_text,
    strings,
    text,
    within,
)
from providers.wire.writing import Block, BlockWriter, Head, event, retry_headers, status_of, template

_STATUSES = {ErrorCode.OVERLOADED: 529}
_ERRORS: dict[ErrorCode, str] = {
    ErrorCode.INVALID_REQUEST: "invalid_request_error",
    ErrorCode.CONTEXT_LENGTH_EXCEEDED: "invalid_request_error",
    ErrorCode.REQUEST_TOO_LARGE: "request_too_large",
    ErrorCode.CONTENT_FILTERED: "invalid_request_error",
    ErrorCode.UNSUPPORTED: "invalid_request_error",
    ErrorCode.REQUIREMENT_NOT_MET: "invalid_request_error",
    ErrorCode.AUTHENTICATION: "authentication_error",
    ErrorCode.PERMISSION_DENIED: "permission_error",
    ErrorCode.MODEL_NOT_FOUND: "not_found_error",
    ErrorCode.QUOTA_EXHAUSTED: "billing_error",
    ErrorCode.RATE_LIMITED: "rate_limit_error",
    ErrorCode.OVERLOADED: "overloaded_error",
    ErrorCode.TIMEOUT: "timeout_error",
}
_STOP: dict[FinishReason, str] = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_TOO_LONG = "prompt is too long"  # the words that clients look for, to make the conversation shorter


# --- the request


def read_request(body: Body, *, count_only: bool = False) -> CompletionRequest:
    """Raises BadRequest on what makes no sense, and on what only Anthropic could answer.

    Tools of its own types are `server_tools`: beside tools of the client's own a model answers without them.

    Args:
        count_only: it is to be counted, so that it needs no `max_tokens`.
    """
    model = required_text(body, "model")
    turns = read_each(body, "messages", read_turn)
    if not turns:
        raise missing("messages")
    # With 0 a prompt is only read, to be in the vendor's cache; elsewhere 1 is the least.
    limit = 1 if integer(body, "max_tokens") == 0 else count(body, "max_tokens")
    if limit is None and not count_only:
        raise missing("max_tokens")
    return CompletionRequest(
        model=model,
        messages=(*read_system(body), *chain.from_iterable(turns)),
        **_tools(body),
        response_format=_format(body),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        max_tokens=limit,
        stop=strings(body, "stop_sequences"),
        thinking=_thinking(body),
        user=_user(body),
        service_tier=text(body, "service_tier"),
        thinking_display=_display(body),
    )


def wants_stream(body: Body) -> bool:
    return flag(body, "stream") is True


def _display(body: Body) -> Any:
    shown = mapping(body, "thinking").get("display")
    return shown if shown in ("summarized", "omitted") else None


def _user(body: Body) -> str | None:
    metadata = mapping(body, "metadata")
    with within("metadata"):
        return text(metadata, "user_id")


def _tools(body: Body) -> dict[str, Any]:
    tools = tuple(tool for tool in read_each(body, "tools", _tool) if tool is not None)
    choice = mapping(body, "tool_choice")
    with within("tool_choice"):
        single = flag(choice, "disable_parallel_tool_use")
    optional = bool(tools) and choice.get("type") != "any"
    return {
        "server_tools": tuple(
            read_tool(str(tool["type"]), tool, optional=optional) for tool in objects(body, "tools") if _is_own(tool)
        ),
        "tools": tools,
        "tool_choice": _tool_choice(choice, {tool.name for tool in tools}),
        "parallel_tool_calls": None if single is None else not single,
    }


def _is_own(tool: Body) -> bool:
    """Whether it is of a type that the vendor has made."""
    return text(tool, "type") not in (None, "custom")


def _tool(source: Body) -> Tool | None:
    if _is_own(source):
        return None
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
        with within("thinking"):
            budget = count(asked, "budget_tokens")
            if budget is None:
                raise missing("budget_tokens")
            return budget
    if kind in ("disabled", "between_tools"):
        return "off"
    raise BadRequest("thinking.type: 'adaptive', 'enabled' or 'disabled' is expected", "thinking.type")


def _format(body: Body) -> dict[str, Any] | None:
    """The schema of the answer; before `output_config` it stood in `output_format`."""
    config = mapping(body, "output_config")
    with within("output_config"):
        wanted = mapping(config, "format")
    wanted, where = (wanted, "output_config.format") if wanted else (mapping(body, "output_format"), "output_format")
    if not wanted:
        return None
    with within(where):
        if wanted.get("type") != "json_schema":
            raise BadRequest("type: Input should be 'json_schema'", "type")
        schema = mapping(wanted, "schema")
        if not schema:
            raise missing("schema")
        return {"schema": schema}


# --- the answer


def render_response(response: CompletionResponse, head: Head) -> dict[str, Any]:
    """A plain answer."""
    blocks = [block for piece in response.parts for block in _written(piece)]
    stop = _stop(response.finish_reason, response.raw_finish_reason)
    content = blocks or [{"type": "text", "text": ""}]
    return {**_message(head, _usage(response.usage)), "content": content, "stop_reason": stop}


def _written(piece: Piece) -> list[dict[str, Any]]:
    """The blocks of a piece of the answer; none for what cannot be told."""
    if isinstance(piece, TextPart):
        return claude_texts(piece)
    if isinstance(piece, AudioPart) and piece.transcript:
        return [{"type": "text", "text": piece.transcript}]
    if isinstance(piece, ServerToolPart) and is_block(piece):
        return [piece.data]
    if isinstance(piece, ToolCall):
        return [{"type": "tool_use", "id": piece.id, "name": piece.name, "input": as_object(piece)}]
    block = _thinking_block(piece) if isinstance(piece, ThinkingPart) else None
    return [] if block is None else [block]


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
    if part.text or part.signature:
        return {"type": "thinking", "thinking": part.text, "signature": _signature(part)}
    sealed = packed(part.opaque)
    return {"type": "redacted_thinking", "data": sealed} if sealed else None


def _signature(part: ThinkingPart) -> str:
    """What goes back unread with thinking: its maker's signature, or what other vendors have in the place of one."""
    return part.signature or packed(part.opaque) or ""


def _stop(reason: FinishReason, raw: str | None) -> str:
    return "stop_sequence" if (reason, raw) == ("stop", "stop_sequence") else _STOP.get(reason, "end_turn")


def _usage(usage: Usage) -> dict[str, Any]:
    """The counts; here `input_tokens` leaves cached tokens out."""
    written, read = usage.cache_write_tokens, usage.cache_read_tokens
    counts: dict[str, Any] = {
        "input_tokens": max(0, (usage.input_tokens or 0) - (written or 0) - (read or 0)),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.output_tokens or 0,
    }
    if usage.cache_write_1h_tokens is not None:
        hour = usage.cache_write_1h_tokens
        short = max(0, (written or 0) - hour)
        counts["cache_creation"] = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": hour}
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
            if part is not None and (signature := _signature(part)):
                delta = {"type": "signature_delta", "signature": signature}
                out = _event("content_block_delta", index=block.place, delta=delta)
        elif block.key != "text" and not block.pieces:
            out = self._piece_of("{}")
        return out + _event("content_block_stop", index=block.place)

    def _other(self, part: Other) -> bytes:
        if isinstance(part, Citation):
            told = claude_citation(part)
            block = self._open
            if told is None or block is None or block.key != "text":
                return b""
            return _event("content_block_delta", index=block.place, delta={"type": "citations_delta", "citation": told})
        if isinstance(part, ServerToolPart) and is_block(part):
            out, place = self._close(), self._places
            self._places += 1
            start = _event("content_block_start", index=place, content_block=part.data)
            return out + start + _event("content_block_stop", index=place)
        return super()._other(part)

    def _sealed_block(self, part: ThinkingPart) -> bytes:
        content = _thinking_block(part)
        if content is None:
            return b""
        place = self._places
        self._places += 1
        start = _event("content_block_start", index=place, content_block=content)
        return start + _event("content_block_stop", index=place)

    def end(self, *, seconds: float | None = None, raw_finish_reason: str | None = None) -> bytes:
        out = self._close_all()
        usage = self._usage
        counts = {key: value for key, value in _usage(usage).items() if value is not None}
        if usage.input_tokens is None:
            del counts["input_tokens"]  # what the beginning told stands
        if self.cost is not None:
            counts["cost"] = self.cost
        delta = {"stop_reason": _stop(self._finish, raw_finish_reason), "stop_sequence": None}
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
    if error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED and _TOO_LONG not in message.lower():
        known = error.prompt_tokens and error.context_window
        numbers = f"{error.prompt_tokens} tokens > {error.context_window} maximum"
        message = f"{_TOO_LONG}: {numbers if known else message}"
    fault = {"type": _ERRORS.get(error.code, "api_error"), "message": message}
    return {"type": "error", "error": fault, **({"request_id": request_id} if request_id else {})}
