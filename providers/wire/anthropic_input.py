"""The input of Anthropic Messages: the text of the system, and turns of texts, files, thinking, calls and results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from providers.coerce import cache_mark, marked
from providers.envelope import unpacked
from providers.errors import ErrorCode
from providers.lenient_json import as_json
from providers.types import FilePart, ImagePart, Message, Part, ServerToolPart, TextPart, ThinkingPart, ToolCall
from providers.wire.reading import (
    BadRequest,
    Body,
    base64_data,
    flag,
    mapping,
    missing,
    read_each,
    required_text,
    text,
    unsupported,
    within,
)

# Claude Code's first block is no part of the prompt, and its text changes with every request.
_BILLING = "x-anthropic-billing-header:"


def read_system(body: Body) -> list[Message]:
    system = body.get("system")
    if system is None or isinstance(system, str):
        if system and system.startswith(_BILLING):
            system = system.partition("\n")[2]
        return [Message("system", system)] if system else []
    parts = read_each(body, "system", _system_text)
    if parts and parts[0].text.startswith(_BILLING):
        del parts[0]
    return [Message("system", tuple(parts))] if parts else []


def _system_text(block: dict[str, Any]) -> TextPart:
    if block.get("type") != "text":
        raise BadRequest("type: Input should be 'text'", "type")
    return _text(block)


def read_turn(source: dict[str, Any]) -> list[Message]:
    """The messages that a turn is: each result of a tool is a message of its own, before the rest."""
    role, content = source.get("role"), source.get("content")
    if role not in _ROLES:
        raise BadRequest("role: Input should be 'user' or 'assistant'", "role")
    if isinstance(content, str):
        return [Message(role, content)]
    if content is None:
        raise missing("content")
    results: list[Message] = []
    parts: list[Part] = []
    calls: list[ToolCall] = []
    thinking: list[ThinkingPart] = []
    said = 0  # characters, by which thinking has its place
    for block in read_each(source, "content", lambda block: _block(block, role)):
        if isinstance(block, Message):
            results.append(block)
        elif isinstance(block, ToolCall):
            calls.append(block)
        elif isinstance(block, ThinkingPart):
            thinking.append(replace(block, after=(said, len(calls))))
        else:
            parts.append(block)
            said += len(block.text) if isinstance(block, TextPart) else 0
    if (results or role == "system") and not (parts or calls or thinking):
        return results  # a turn of the system without words changes settings alone
    return [*results, Message(role, tuple(parts), tuple(calls), tuple(thinking))]


def _block(block: dict[str, Any], role: str) -> Part | ToolCall | Message:
    kind = required_text(block, "type")
    if kind not in _BLOCKS and role == "assistant" and kind.endswith(("_tool_use", "_tool_result")):
        return _use(block)
    if kind not in _BLOCKS:
        raise BadRequest(f"type: a block of type {kind!r} means nothing elsewhere", "type", code=ErrorCode.UNSUPPORTED)
    if _SAID_BY.get(kind, role) != role:
        raise BadRequest(f"type: blocks of type {kind!r} are of the role {_SAID_BY[kind]!r}", "type")
    return _BLOCKS[kind](block)


def _text(block: Body) -> TextPart:
    value = text(block, "text")
    if value is None:
        raise missing("text")
    return TextPart(value, cache=_mark(block))


def _mark(block: Body) -> Any:
    return cache_mark(mapping(block, "cache_control"))


def _image(block: Body) -> ImagePart:
    source = mapping(block, "source")
    with within("source"):
        if source.get("type") == "url":
            return ImagePart(url=required_text(source, "url"))
        if source.get("type") == "file":
            return ImagePart(id=required_text(source, "file_id"))
        return ImagePart(data=_data(source), media_type=required_text(source, "media_type"))


def _document(block: Body) -> FilePart:
    source = mapping(block, "source")
    title = text(block, "title")
    cites = mapping(block, "citations").get("enabled") is True
    with within("source"):
        if source.get("type") == "text":
            return FilePart(
                required_text(source, "data").encode(errors="replace"), "text/plain", title, citations=cites
            )
        if source.get("type") == "content":
            return FilePart(_texts(source).encode(errors="replace"), "text/plain", title)
        if source.get("type") == "url":
            return FilePart(filename=title, url=required_text(source, "url"), citations=cites)
        if source.get("type") == "file":
            return FilePart(filename=title, id=required_text(source, "file_id"), citations=cites)
        return FilePart(_data(source), required_text(source, "media_type"), title, citations=cites)


def _search_result(block: Body) -> TextPart:
    """What the client's own search found."""
    found = f"{required_text(block, 'title')}\n{required_text(block, 'source')}\n{_texts(block)}"
    return TextPart(found, cache=_mark(block))


def _texts(source: Body) -> str:
    """The content of a document, a string or blocks of text."""
    content = source.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in read_each(source, "content", _document_text))


def _document_text(block: dict[str, Any]) -> TextPart:
    if block.get("type") != "text":
        raise unsupported("a document of other content than text means nothing elsewhere", "type")
    return _text(block)


def _data(source: Body) -> bytes:
    kind = source.get("type")
    if kind is None:
        raise missing("type")
    if kind != "base64":
        raise unsupported(f"a source of type {kind!r} means nothing elsewhere", "type")
    return base64_data(source, "data")


def _tool_use(block: Body) -> ToolCall:
    given = mapping(block, "input")
    return ToolCall(required_text(block, "id"), required_text(block, "name"), given, as_json(given) if given else "")


def _result(block: Body) -> Message:
    content = block.get("content")
    said: str | tuple[Part, ...] = content if isinstance(content, str) else tuple(read_each(block, "content", _shown))
    call_id, is_error = required_text(block, "tool_use_id"), flag(block, "is_error") is True
    return Message("tool", marked(said, _mark(block)) or "", tool_call_id=call_id, is_error=is_error)


def _shown(block: dict[str, Any]) -> Part:
    part = _block(block, "")
    if isinstance(part, ToolCall | Message):
        raise BadRequest("type: a result holds text, images and documents only", "type")
    return part


def _use(block: Body) -> ServerToolPart:
    """What the vendor's own tool was asked, or gave: nobody knows at which of its keys, so that it goes to no other."""
    return ServerToolPart(str(block["type"]), dict(block))


def _thinking(block: Body) -> ThinkingPart:
    said, signature = text(block, "thinking") or "", text(block, "signature") or None
    others = unpacked(signature)
    return ThinkingPart(said, signature) if others is None else ThinkingPart(said, opaque=others)


def _redacted(block: Body) -> ThinkingPart:
    data = required_text(block, "data")
    return ThinkingPart("", opaque=unpacked(data) or {"type": block["type"], "data": data})


_ROLES = ("user", "assistant", "system")
_BLOCKS: dict[str, Callable[[Body], Part | ToolCall | Message]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _result,
    # What the client's own search found: the tool itself is among those of the request.
    "tool_reference": lambda block: TextPart(f"Tool found: {required_text(block, 'tool_name')}"),
}
_SAID_BY = {
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "tool_use": "assistant",
    "tool_result": "user",
}
