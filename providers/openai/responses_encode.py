"""A request as the JSON body of POST /responses: stateless, the conversation is sent whole.

Protocol: the types of the openai package 3.54 (`openai.types.responses`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from providers.base64_text import data_url, encoded
from providers.errors import ErrorCode, ProviderError
from providers.openai.cache_marks import BREAKPOINT, cache_fields, takes_breakpoints
from providers.openai.chat_encode import long_id
from providers.openai.dialects import Dialect, effort_for, reasons
from providers.openai.models import JSON_WORD, left_out, wants_json_said
from providers.openai.more_fields import check_count, wants_logprobs
from providers.openai.parts import check_said
from providers.parts import as_text, asks_more, check_kept, is_text
from providers.server_tools import add_tools, by_type, fields_of, has
from providers.surrogates import encode_json
from providers.turns import CallIds, in_order, made_at, made_by
from providers.types import (
    AudioPart,
    CompletionRequest,
    FilePart,
    ImagePart,
    Message,
    ServerTool,
    ServerToolPart,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCall,
    effort_of,
)


def encode(
    request: CompletionRequest, dialect: Dialect, *, stream: bool, provider: str, summary: str | None = None
) -> dict[str, Any]:
    """The body to send. None fields are left out; `extra_body` is merged last and wins.

    Args:
        provider: whose reasoning items are sent back.
        summary: how reasoning is summed up ("auto", "concise", "detailed"); None asks for no summary.

    Raises:
        ProviderError: UNSUPPORTED when this model, or the protocol, cannot carry the request.
    """
    if request.stop:
        raise _unsupported(request, "takes no stop sequences")
    effort = None if request.thinking is None else effort_for(request.model, effort_of(request.thinking))
    reasoning = {key: value for key, value in (("effort", effort), ("summary", summary)) if value is not None}
    body: dict[str, Any] = {
        "model": request.model,
        "input": _items(request, dialect, provider),
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "reasoning": reasoning or None,
        "text": {"format": _format(request)} if request.response_format is not None else None,
        "user": request.user,
        "metadata": request.metadata,
        "store": False,
        # Without the server's memory, reasoning goes on only if it is handed back in its sealed form.
        "include": ["reasoning.encrypted_content"] if reasons(request.model) else None,
        **cache_fields(request, dialect),
    }
    _add_tools(body, request)
    if asks_more(request):
        _add_more(body, request, dialect, reasoning)
    if stream:
        body["stream"] = True
        if dialect.obfuscation:
            body["stream_options"] = {"include_obfuscation": False}
    never = left_out(request, dialect)
    kept = {key: value for key, value in body.items() if value is not None and key not in never}
    return {**kept, **(request.extra_body or {})}


def _unsupported(request: CompletionRequest, what: str) -> ProviderError:
    return ProviderError(ErrorCode.UNSUPPORTED, f"the Responses API {what}", model=request.model)


def _items(request: CompletionRequest, dialect: Dialect, provider: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    ids = CallIds(long_id)
    system = "developer" if dialect.developer else "system"
    marked = takes_breakpoints(request.model, dialect)
    if wants_json_said(request, dialect):
        items.append({"role": system, "content": JSON_WORD})
    for message in request.messages:
        if message.role == "assistant":
            items += _assistant(message, request, dialect, provider, ids)
        elif message.role == "tool":
            output = message.content if isinstance(message.content, str) else _parts(message.content, marked)
            call_id = ids.of_result(message.tool_call_id or "")
            items.append({"type": "function_call_output", "call_id": call_id, "output": output})
        else:
            role = "user" if message.role == "user" else system
            if role != "user":
                check_said(message, request.model)
            check_kept(message.content, request.model, provider)
            content = message.content if isinstance(message.content, str) else _parts(message.content, marked)
            items.append({"role": role, "content": content})
    return items


def _assistant(
    message: Message, request: CompletionRequest, dialect: Dialect, provider: str, ids: CallIds
) -> list[dict[str, Any]]:
    """The turn's items in the order in which they were made: each reasoning stands before what it led to."""

    def wanted(part: ThinkingPart) -> bool:
        item = part.opaque or {}
        # OpenAI looks for an item without its sealed form in its store; servers of open models read the plain one.
        whole = item.get("encrypted_content") or (item.get("content") and not dialect.openai_models)
        return bool(whole) and made_by(part.origin, provider, request.model)

    check_said(_without_own(message, provider), request.model)
    sent_ids = iter(ids.of_calls(message.tool_calls, keep=message.origin == provider))
    items: list[dict[str, Any]] = []
    for piece in in_order(message, wanted):
        if isinstance(piece, ThinkingPart):
            # A null is no value of any field: it is refused where the field is not.
            items.append({key: value for key, value in (piece.opaque or {}).items() if value is not None})
        elif isinstance(piece, ToolCall):
            raw = piece.raw_arguments or encode_json(piece.arguments or {}).decode()
            items.append({"type": "function_call", "call_id": next(sent_ids), "name": piece.name, "arguments": raw})
        elif isinstance(piece, ServerToolPart):
            if made_at(piece.origin, provider):
                items.append({key: value for key, value in piece.data.items() if value is not None})
        elif isinstance(piece, ImagePart):
            items.append(_made_image(piece))
        elif (said := _words(piece)) is not None:
            _say(items, said)
    return items


def _words(piece: object) -> str | None:
    """The text of a part, or of audio that another vendor made; None for what has none."""
    if isinstance(piece, AudioPart):
        return piece.transcript
    return piece.text or None if isinstance(piece, TextPart) else None


def _is_own_image(part: object, provider: str) -> bool:
    return isinstance(part, ImagePart) and part.id is not None and made_at(part.origin, provider)


def _without_own(message: Message, provider: str) -> Message:
    if isinstance(message.content, str):
        return message
    return replace(message, content=tuple(part for part in message.content if not _is_own_image(part, provider)))


def _made_image(part: ImagePart) -> dict[str, Any]:
    """An image that the vendor's own tool made, as its item."""
    result = encoded(part.data or b"")
    return {"type": "image_generation_call", "id": part.id, "status": "completed", "result": result}


def _say(items: list[dict[str, Any]], text: str) -> None:
    """Several texts in a row are one message."""
    if items and items[-1].get("role") == "assistant":
        items[-1]["content"][0]["text"] += text
    else:
        items.append({"role": "assistant", "content": [{"type": "output_text", "text": text}]})


def _parts(parts: tuple[Any, ...], marked: bool) -> list[dict[str, Any]]:
    """The parts as they are given to a model. `marked` tells whether marks of texts are its breakpoints."""
    return [
        {**_WRITERS[type(part)](part), **(BREAKPOINT if marked and isinstance(part, TextPart) and part.cache else {})}
        for part in parts
        if not isinstance(part, (ThinkingPart, ServerToolPart))
    ]


def _image(part: ImagePart) -> dict[str, Any]:
    if part.id is not None:
        return {"type": "input_image", "file_id": part.id, "detail": part.detail or "auto"}
    url = part.url or data_url(part.data or b"", part.media_type or "image/png")
    return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}


def _file(part: FilePart) -> dict[str, Any]:
    if is_text(part):
        return {"type": "input_text", "text": as_text(part)}
    if part.id is not None or part.url is not None:
        return {"type": "input_file", **({"file_id": part.id} if part.id else {"file_url": part.url})}
    data = data_url(part.data or b"", part.media_type or "application/pdf")
    return {"type": "input_file", "filename": part.filename or "document", "file_data": data}


def _audio(part: AudioPart) -> dict[str, Any]:
    raise ProviderError(ErrorCode.UNSUPPORTED, "the Responses API takes no audio")


_WRITERS: dict[type, Callable[[Any], dict[str, Any]]] = {
    TextPart: lambda part: {"type": "input_text", "text": part.text},
    ImagePart: _image,
    FilePart: _file,
    AudioPart: _audio,
}


def _add_tools(body: dict[str, Any], request: CompletionRequest) -> None:
    if not request.tools:
        return
    body["tools"] = [_tool(tool) for tool in request.tools]
    body["parallel_tool_calls"] = request.parallel_tool_calls
    choice = request.tool_choice
    plain = choice in (None, "auto", "none", "required")
    body["tool_choice"] = choice if plain else {"type": "function", "name": choice}


def server_tool(tool: ServerTool, request: CompletionRequest, dialect: Dialect) -> dict[str, Any]:
    """The body's fields for a tool of the vendor; other vendors than OpenAI have more of them, by names of their own.

    Raises:
        ProviderError: UNSUPPORTED where it has none of this name.
    """
    if not dialect.openai_models and not has(tool, "openai.responses", request.model):
        return by_type(tool.name, tool.options)
    return fields_of(tool, "openai.responses", request.model)


def _add_more(body: dict[str, Any], request: CompletionRequest, dialect: Dialect, reasoning: dict[str, Any]) -> None:
    """What few requests ask for. A tool of the vendor goes by its type, where the protocol has no other word for it.

    Raises:
        ProviderError: UNSUPPORTED for audio and images in the answer's text.
    """
    body["service_tier"] = request.service_tier
    if request.audio is not None or set(request.modalities) - {"text"}:
        raise _unsupported(request, "answers with text; images come by the server tool image_generation (modalities)")
    if wants_logprobs(request):
        if reasons(request.model) and dialect.openai_models and request.thinking != "off":
            raise _unsupported(request, "gives no logprobs of a model that thinks")
        check_count(request, dialect)
        body["include"] = [*(body["include"] or ()), "message.output_text.logprobs"]
        body["top_logprobs"] = request.top_logprobs
    if request.thinking_display == "summarized":
        body["reasoning"] = {"summary": "auto", **reasoning}
    elif request.thinking_display == "omitted":
        body["reasoning"] = {key: value for key, value in reasoning.items() if key != "summary"} or None
    for tool in request.server_tools:
        add_tools(body, server_tool(tool, request, dialect))
    allowed, choice = request.allowed_tools, body.get("tool_choice")
    if allowed is not None and body.get("tools") and choice in (None, "auto", "required"):
        tools = [{"type": "function", "name": name} for name in allowed]
        body["tool_choice"] = {"type": "allowed_tools", "mode": choice or "auto", "tools": tools}


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
        "strict": bool(tool.strict),  # required here; left out it would be true, which most schemas do not meet
    }


def _format(request: CompletionRequest) -> dict[str, Any]:
    wanted = request.response_format
    if not isinstance(wanted, dict):
        return {"type": "json_object"}
    return {"type": "json_schema", "name": "answer", **wanted}
